//! The configuration as it is now (E02): a row a key that is set.

use std::collections::HashMap;

use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload};

pub(super) const PROJECTION: Projection = Projection {
    name: "configurations",
    version: 1,
    event_types: &["ConfigurationSet", "ConfigurationDescribed", "ConfigurationRemoved"],
    columns: Columns::Payload,
    tables: &["configurations"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event {
    ConfigurationSet { id: Uuid, key: String, value: String, description: Option<String> },
    ConfigurationDescribed { id: Uuid, key: String, value: String, description: Option<String> },
    ConfigurationRemoved { key: String },
}

/// A key after a batch; each event carries all of it.
struct Entry {
    id: Uuid,
    value: String,
    description: Option<String>,
    /// Used only where there is no row of this id yet.
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    sequence: u64,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut keys: HashMap<String, Option<Entry>> = HashMap::new();
    for event in events {
        let at = event.recorded_at;
        match payload(event)? {
            Event::ConfigurationSet { id, key, value, description }
            | Event::ConfigurationDescribed { id, key, value, description } => {
                let slot = keys.entry(key).or_default();
                let known = slot.as_ref().filter(|entry| entry.id == id);
                let created_at = known.map_or(at, |entry| entry.created_at);
                let (updated_at, sequence) = (at, event.sequence);
                *slot = Some(Entry { id, value, description, created_at, updated_at, sequence });
            }
            Event::ConfigurationRemoved { key } => {
                keys.insert(key, None);
            }
        }
    }
    // A key that was removed and set again is another entry: the row of the old one goes.
    let (touched, ids): (Vec<_>, Vec<_>) =
        keys.iter().map(|(key, entry)| (key.as_str(), entry.as_ref().map(|it| it.id))).unzip();
    sqlx::query(
        "DELETE FROM configurations c USING unnest($1::text[], $2::uuid[]) AS u(key, id)
         WHERE c.key = u.key AND c.id IS DISTINCT FROM u.id",
    )
    .bind(touched)
    .bind(ids)
    .execute(&mut *connection)
    .await?;
    let entries: Vec<(&str, &Entry)> =
        keys.iter().filter_map(|(key, entry)| Some((key.as_str(), entry.as_ref()?))).collect();
    sqlx::query(
        "INSERT INTO configurations (id, key, value, description, created_at, updated_at, sequence)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[],
             $6::timestamptz[], $7::bigint[])
         ON CONFLICT (key) DO UPDATE SET
             value = excluded.value, description = excluded.description,
             updated_at = excluded.updated_at, sequence = excluded.sequence",
    )
    .bind(entries.iter().map(|(_, entry)| entry.id).collect::<Vec<_>>())
    .bind(entries.iter().map(|(key, _)| *key).collect::<Vec<_>>())
    .bind(entries.iter().map(|(_, entry)| entry.value.as_str()).collect::<Vec<_>>())
    .bind(entries.iter().map(|(_, entry)| entry.description.as_deref()).collect::<Vec<_>>())
    .bind(entries.iter().map(|(_, entry)| entry.created_at).collect::<Vec<_>>())
    .bind(entries.iter().map(|(_, entry)| entry.updated_at).collect::<Vec<_>>())
    .bind(entries.iter().map(|(_, entry)| number(entry.sequence)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
