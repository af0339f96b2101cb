//! Organizations: who reports and exports (E21, K3).

use agora_event_store::RecordedEvent;
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "organizations",
    version: 1,
    event_types: &["OrganizationCreated"],
    columns: Columns::Payload,
    tables: &["organizations"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
enum Event {
    OrganizationCreated { name: String, created_by: By },
}

#[derive(Deserialize)]
struct By {
    id: Uuid,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut ids = Vec::with_capacity(events.len());
    let mut names = Vec::with_capacity(events.len());
    let mut creators = Vec::with_capacity(events.len());
    for event in events {
        let Event::OrganizationCreated { name, created_by } = payload(event)?;
        ids.push(stream_uuid(event)?);
        names.push(name);
        creators.push(created_by.id);
    }
    sqlx::query(
        "INSERT INTO organizations (id, name, created_adminuser_id, created_at, sequence)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[], $5::bigint[])",
    )
    .bind(ids)
    .bind(names)
    .bind(creators)
    .bind(events.iter().map(|event| event.recorded_at).collect::<Vec<_>>())
    .bind(events.iter().map(|event| number(event.sequence)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
