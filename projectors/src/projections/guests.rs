//! Guests (E06): nothing but that they came, and when (GST-01). A forgotten guest keeps its row.

use std::{borrow::Cow, collections::BTreeMap};

use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "guests",
    version: 1,
    event_types: &["GuestFirstSeen", "GuestActive", "GuestForgotten"],
    columns: Columns::Payload,
    tables: &["guests"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event<'e> {
    GuestFirstSeen {
        #[serde(borrow)]
        session_signature: Option<Cow<'e, str>>,
    },
    GuestActive {},
    GuestForgotten {},
}

/// What a batch changes of one guest.
#[derive(Default)]
struct Change<'e> {
    /// When it was first seen, and its signature's digest.
    created: Option<(DateTime<Utc>, Option<Cow<'e, str>>)>,
    active_at: Option<DateTime<Utc>>,
    deleted_at: Option<DateTime<Utc>>,
    sequence: u64,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut changes: BTreeMap<Uuid, Change<'_>> = BTreeMap::new();
    for event in events {
        let at = event.recorded_at;
        let change = changes.entry(stream_uuid(event)?).or_default();
        match payload(event)? {
            Event::GuestFirstSeen { session_signature } => {
                change.created = Some((at, session_signature));
                change.active_at = Some(at);
            }
            Event::GuestActive {} => change.active_at = Some(at),
            Event::GuestForgotten {} => change.deleted_at = change.deleted_at.or(Some(at)),
        }
        change.sequence = event.sequence;
    }
    let (new, old): (Vec<_>, Vec<_>) =
        changes.iter().partition(|(_, change)| change.created.is_some());
    insert(&new, connection).await?;
    update(&old, connection).await
}

async fn insert(
    guests: &[(&Uuid, &Change<'_>)],
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    if guests.is_empty() {
        return Ok(());
    }
    let created = |change: &Change<'_>| change.created.as_ref().map(|(at, _)| *at);
    let signature = |change: &Change<'_>| {
        change.created.as_ref().and_then(|(_, signature)| signature.as_deref().map(str::to_owned))
    };
    sqlx::query(
        "INSERT INTO guests (id, created_at, updated_at, deleted_at, session_signature, sequence)
         SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[],
             $5::text[], $6::bigint[])",
    )
    .bind(guests.iter().map(|(id, _)| **id).collect::<Vec<_>>())
    .bind(guests.iter().map(|(_, change)| created(change)).collect::<Vec<_>>())
    .bind(guests.iter().map(|(_, change)| change.active_at).collect::<Vec<_>>())
    .bind(guests.iter().map(|(_, change)| change.deleted_at).collect::<Vec<_>>())
    .bind(guests.iter().map(|(_, change)| signature(change)).collect::<Vec<_>>())
    .bind(guests.iter().map(|(_, change)| number(change.sequence)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn update(
    guests: &[(&Uuid, &Change<'_>)],
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    if guests.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE guests g SET updated_at = coalesce(u.active_at, g.updated_at),
             deleted_at = coalesce(g.deleted_at, u.deleted_at), sequence = u.sequence
         FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::bigint[])
              AS u(id, active_at, deleted_at, sequence)
         WHERE g.id = u.id",
    )
    .bind(guests.iter().map(|(id, _)| **id).collect::<Vec<_>>())
    .bind(guests.iter().map(|(_, change)| change.active_at).collect::<Vec<_>>())
    .bind(guests.iter().map(|(_, change)| change.deleted_at).collect::<Vec<_>>())
    .bind(guests.iter().map(|(_, change)| number(change.sequence)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
