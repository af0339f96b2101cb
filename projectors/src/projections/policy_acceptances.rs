//! Who accepted which version of the privacy policy (PPV-13).

use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload};

pub(super) const PROJECTION: Projection = Projection {
    name: "policy_acceptances",
    version: 1,
    event_types: &["PolicyAccepted"],
    columns: Columns::Payload,
    tables: &["policy_acceptances"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
enum Event {
    PolicyAccepted {
        principal: Principal,
        version_id: Uuid,
        version_number: String,
        content_hash: String,
        accepted_at: DateTime<Utc>,
    },
}

#[derive(Deserialize)]
struct Principal {
    kind: String,
    id: Uuid,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let accepted = events.iter().map(|event| payload(event)).collect::<Result<Vec<Event>, _>>()?;
    let (mut versions, mut users, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    let (mut numbers, mut hashes, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for event in accepted {
        let Event::PolicyAccepted {
            principal,
            version_id,
            version_number,
            content_hash,
            accepted_at,
        } = event;
        versions.push(version_id);
        users.push(principal.id);
        kinds.push(principal.kind);
        numbers.push(version_number);
        hashes.push(content_hash);
        times.push(accepted_at);
    }
    sqlx::query(
        "INSERT INTO policy_acceptances (version_id, user_id, user_kind, version_number,
             content_hash, accepted_at, position, sequence)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[],
             $6::timestamptz[], $7::bigint[], $8::bigint[])",
    )
    .bind(versions)
    .bind(users)
    .bind(kinds)
    .bind(numbers)
    .bind(hashes)
    .bind(times)
    .bind(events.iter().map(|event| number(event.position)).collect::<Vec<_>>())
    .bind(events.iter().map(|event| number(event.sequence)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
