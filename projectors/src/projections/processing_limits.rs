//! Objections and restrictions: a row each (LAW-05, LAW-06). What is sealed in them stays sealed.

use std::collections::BTreeMap;

use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload};

pub(super) const PROJECTION: Projection = Projection {
    name: "processing_limits",
    version: 1,
    event_types: &[
        "ObjectionWithdrawn",
        "ProcessingObjected",
        "ProcessingRestricted",
        "RestrictionLifted",
        "RestrictionWithdrawn",
    ],
    columns: Columns::Payload,
    tables: &["processing_limits"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
struct Told {
    limit: Record,
    #[serde(default)]
    lifted_by: Option<Principal>,
    #[serde(default)]
    lifting_reason: Option<String>,
}

#[derive(Deserialize)]
struct Principal {
    kind: String,
    id: Uuid,
}

#[derive(Deserialize)]
struct Record {
    limit_id: Uuid,
    principal: Principal,
    limit_kind: String,
    #[serde(default)]
    consent_type: Option<String>,
    #[serde(default)]
    purpose: Option<String>,
    #[serde(default)]
    ground: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    since: DateTime<Utc>,
    #[serde(default)]
    ended_at: Option<DateTime<Utc>>,
}

/// A record after a batch; each event carries all of it.
struct Row {
    told: Told,
    stream_id: String,
    /// Used only where there is no row yet.
    position: u64,
    updated_at: DateTime<Utc>,
    sequence: u64,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut rows: BTreeMap<Uuid, Row> = BTreeMap::new();
    for event in events {
        let told: BTreeMap<String, Told> = payload(event)?;
        let Some(told) = told.into_values().next() else { continue };
        let id = told.limit.limit_id;
        let position = rows.get(&id).map_or(event.position, |begun| begun.position);
        let row = Row {
            told,
            stream_id: event.aggregate_id.clone(),
            position,
            updated_at: event.recorded_at,
            sequence: event.sequence,
        };
        rows.insert(id, row);
    }
    let all = || rows.values();
    let records = || rows.values().map(|row| &row.told.limit);
    sqlx::query(
        "INSERT INTO processing_limits (limit_id, stream_id, limit_kind, user_id, user_kind,
             consent_type, purpose, ground, reason, since, ended_at, lifted_by, lifting_reason,
             updated_at, position, sequence)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[],
             $7::text[], $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[],
             $12::uuid[], $13::text[], $14::timestamptz[], $15::bigint[], $16::bigint[])
         ON CONFLICT (limit_id) DO UPDATE SET
             reason = excluded.reason, ended_at = excluded.ended_at,
             lifted_by = excluded.lifted_by, lifting_reason = excluded.lifting_reason,
             updated_at = excluded.updated_at, sequence = excluded.sequence",
    )
    .bind(rows.keys().copied().collect::<Vec<_>>())
    .bind(all().map(|row| row.stream_id.as_str()).collect::<Vec<_>>())
    .bind(records().map(|it| it.limit_kind.as_str()).collect::<Vec<_>>())
    .bind(records().map(|it| it.principal.id).collect::<Vec<_>>())
    .bind(records().map(|it| it.principal.kind.as_str()).collect::<Vec<_>>())
    .bind(records().map(|it| it.consent_type.as_deref()).collect::<Vec<_>>())
    .bind(records().map(|it| it.purpose.as_deref()).collect::<Vec<_>>())
    .bind(records().map(|it| it.ground.as_deref()).collect::<Vec<_>>())
    .bind(records().map(|it| it.reason.as_deref()).collect::<Vec<_>>())
    .bind(records().map(|it| it.since).collect::<Vec<_>>())
    .bind(records().map(|it| it.ended_at).collect::<Vec<_>>())
    .bind(all().map(|row| row.told.lifted_by.as_ref().map(|who| who.id)).collect::<Vec<_>>())
    .bind(all().map(|row| row.told.lifting_reason.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|row| row.updated_at).collect::<Vec<_>>())
    .bind(all().map(|row| number(row.position)).collect::<Vec<_>>())
    .bind(all().map(|row| number(row.sequence)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
