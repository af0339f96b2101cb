//! How many guests were new on a day, and how many members registered who were guests until then
//! (GST-06). Of a registration it is known only that its sender was a guest, never which.

use std::collections::BTreeMap;

use agora_event_store::RecordedEvent;
use chrono::NaiveDate;
use serde::Deserialize;
use sqlx::PgConnection;

use crate::projection::{ApplyError, Columns, Projection};

pub(super) const PROJECTION: Projection = Projection {
    name: "guest_conversion_counts",
    version: 1,
    event_types: &["GuestFirstSeen", "MemberRegistered"],
    columns: Columns::All,
    tables: &["guest_conversion_counts"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
struct Metadata {
    was_guest: Option<String>,
}

/// What a batch adds to a day.
#[derive(Default)]
struct Counts {
    first_seen: i64,
    registered: i64,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut days: BTreeMap<NaiveDate, Counts> = BTreeMap::new();
    for event in events {
        let is_registration = event.event_type == "MemberRegistered";
        if is_registration && !was_guest(event)? {
            continue;
        }
        let counts = days.entry(event.recorded_at.date_naive()).or_default();
        if is_registration {
            counts.registered += 1;
        } else {
            counts.first_seen += 1;
        }
    }
    if days.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO guest_conversion_counts AS c (day, guests_first_seen, members_registered)
         SELECT * FROM unnest($1::date[], $2::bigint[], $3::bigint[])
         ON CONFLICT (day) DO UPDATE SET
             guests_first_seen = c.guests_first_seen + excluded.guests_first_seen,
             members_registered = c.members_registered + excluded.members_registered",
    )
    .bind(days.keys().copied().collect::<Vec<_>>())
    .bind(days.values().map(|counts| counts.first_seen).collect::<Vec<_>>())
    .bind(days.values().map(|counts| counts.registered).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

fn was_guest(event: &RecordedEvent) -> Result<bool, ApplyError> {
    let metadata: Metadata =
        serde_json::from_str(&event.metadata).map_err(|error| ApplyError::Payload {
            position: event.position,
            event_type: event.event_type.clone(),
            reason: format!("{:?} error in the metadata", error.classify()),
        })?;
    Ok(metadata.was_guest.as_deref() == Some("true"))
}
