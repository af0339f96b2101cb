//! What is known of addresses and networks (E26): of each the last event's record, until it is forgotten
//! (IPR-15). What is personal in it stays sealed.

use std::collections::BTreeMap;

use agora_event_store::RecordedEvent;
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "ip_reputation",
    version: 1,
    event_types: &[
        "IpAnnotated",
        "IpAutoBlockLifted",
        "IpAutoBlocked",
        "IpBlacklistEnded",
        "IpBlacklisted",
        "IpEnriched",
        "IpForgotten",
        "IpIncidentLinked",
        "IpIncidentRefuted",
        "IpObserved",
        "IpWhitelistEnded",
        "IpWhitelisted",
    ],
    columns: Columns::Payload,
    tables: &["ip_reputation"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
struct Changed {
    record: Box<RawValue>,
}

struct Row<'e> {
    last: &'e RecordedEvent,
    record: Box<RawValue>,
    /// Used only where there is no row yet.
    first: &'e RecordedEvent,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut rows: BTreeMap<Uuid, Row<'_>> = BTreeMap::new();
    let mut forgotten = Vec::new();
    for event in events {
        let id = stream_uuid(event)?;
        // The last of its stream.
        if event.event_type == "IpForgotten" {
            rows.remove(&id);
            forgotten.push(id);
            continue;
        }
        let mut variants: BTreeMap<&str, Changed> = payload(event)?;
        let Some((_, Changed { record })) = variants.pop_first() else { continue };
        let first = rows.get(&id).map_or(*event, |row| row.first);
        rows.insert(id, Row { last: event, record, first });
    }
    let all = || rows.values();
    sqlx::query(
        "INSERT INTO ip_reputation (id, record, created_at, updated_at, position, sequence)
         SELECT id, record::jsonb, created_at, updated_at, position, sequence
         FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::bigint[],
                     $6::bigint[]) AS r (id, record, created_at, updated_at, position, sequence)
         ON CONFLICT (id) DO UPDATE SET
             record = excluded.record, updated_at = excluded.updated_at,
             position = excluded.position, sequence = excluded.sequence",
    )
    .bind(rows.keys().copied().collect::<Vec<_>>())
    .bind(all().map(|row| row.record.get()).collect::<Vec<_>>())
    .bind(all().map(|row| row.first.recorded_at).collect::<Vec<_>>())
    .bind(all().map(|row| row.last.recorded_at).collect::<Vec<_>>())
    .bind(all().map(|row| number(row.last.position)).collect::<Vec<_>>())
    .bind(all().map(|row| number(row.last.sequence)).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    if !forgotten.is_empty() {
        sqlx::query("DELETE FROM ip_reputation WHERE id = ANY($1)")
            .bind(forgotten)
            .execute(connection)
            .await?;
    }
    Ok(())
}
