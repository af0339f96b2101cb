//! Who is in which organization now (K3). A removal takes the row away; who is added again has a new
//! `added_at`.

use std::collections::BTreeMap;

use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload};

pub(super) const PROJECTION: Projection = Projection {
    name: "organization_memberships",
    version: 1,
    event_types: &[
        "OrganizationMemberAdded",
        "OrganizationMemberRoleChanged",
        "OrganizationMemberRemoved",
    ],
    columns: Columns::Payload,
    tables: &["organization_memberships"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event {
    OrganizationMemberAdded { organization_id: Uuid, principal: Principal, role: String },
    OrganizationMemberRoleChanged { organization_id: Uuid, principal: Principal, role: String },
    OrganizationMemberRemoved { organization_id: Uuid, principal: Principal },
}

#[derive(Clone, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Principal {
    kind: String,
    id: Uuid,
}

/// Somebody who is in, after a batch.
struct Place {
    role: String,
    /// Used only where there is no row yet.
    added_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    sequence: u64,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    // Whose row goes before anything is written: the removed, also those that were added again.
    let mut removed: Vec<(Uuid, Principal)> = Vec::new();
    let mut places: BTreeMap<(Uuid, Principal), Place> = BTreeMap::new();
    for event in events {
        let (at, sequence) = (event.recorded_at, event.sequence);
        match payload(event)? {
            Event::OrganizationMemberAdded { organization_id, principal, role }
            | Event::OrganizationMemberRoleChanged { organization_id, principal, role } => {
                let key = (organization_id, principal);
                let added_at = places.get(&key).map_or(at, |place| place.added_at);
                places.insert(key, Place { role, added_at, updated_at: at, sequence });
            }
            Event::OrganizationMemberRemoved { organization_id, principal } => {
                let key = (organization_id, principal);
                places.remove(&key);
                removed.push(key);
            }
        }
    }
    if !removed.is_empty() {
        sqlx::query(
            "DELETE FROM organization_memberships m
             USING unnest($1::uuid[], $2::text[], $3::uuid[]) AS r (organization_id, kind, id)
             WHERE m.organization_id = r.organization_id AND m.principal_kind = r.kind
               AND m.principal_id = r.id",
        )
        .bind(removed.iter().map(|(organization_id, _)| *organization_id).collect::<Vec<_>>())
        .bind(removed.iter().map(|(_, principal)| principal.kind.as_str()).collect::<Vec<_>>())
        .bind(removed.iter().map(|(_, principal)| principal.id).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    }
    let (keys, all) = (|| places.keys(), || places.values());
    sqlx::query(
        "INSERT INTO organization_memberships (organization_id, principal_kind, principal_id, role,
             added_at, updated_at, sequence)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::timestamptz[],
             $6::timestamptz[], $7::bigint[])
         ON CONFLICT (organization_id, principal_kind, principal_id) DO UPDATE SET
             role = excluded.role, updated_at = excluded.updated_at, sequence = excluded.sequence",
    )
    .bind(keys().map(|(organization_id, _)| *organization_id).collect::<Vec<_>>())
    .bind(keys().map(|(_, principal)| principal.kind.as_str()).collect::<Vec<_>>())
    .bind(keys().map(|(_, principal)| principal.id).collect::<Vec<_>>())
    .bind(all().map(|place| place.role.as_str()).collect::<Vec<_>>())
    .bind(all().map(|place| place.added_at).collect::<Vec<_>>())
    .bind(all().map(|place| place.updated_at).collect::<Vec<_>>())
    .bind(all().map(|place| number(place.sequence)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
