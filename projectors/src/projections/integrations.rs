//! Integrations as they are now (E05), with their health: a row each until it is removed.

use std::collections::HashMap;

use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "integrations",
    version: 1,
    event_types: &[
        "IntegrationConfigured",
        "IntegrationDisabled",
        "IntegrationEnabled",
        "IntegrationFailed",
        "IntegrationRegistered",
        "IntegrationRemoved",
        "IntegrationSynced",
    ],
    columns: Columns::Payload,
    tables: &["integrations"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event {
    IntegrationRegistered { integration: State, masked_config: String },
    IntegrationConfigured { integration: State, masked_config: Option<String> },
    IntegrationEnabled { integration: State },
    IntegrationDisabled { integration: State },
    IntegrationFailed { integration: State, problem: Option<String> },
    IntegrationSynced { integration: State },
    IntegrationRemoved {},
}

/// As each event carries it.
#[derive(Deserialize)]
struct State {
    name: String,
    provider_url: Option<String>,
    status: String,
    last_successful_sync_at: Option<DateTime<Utc>>,
}

#[derive(FromRow)]
struct Integration {
    id: Uuid,
    integration_name: String,
    provider_url: Option<String>,
    status: String,
    config_json: String,
    last_successful_sync_at: Option<DateTime<Utc>>,
    last_error: Option<String>,
    last_error_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    sequence: i64,
}

impl Integration {
    fn registered(id: Uuid, event: &RecordedEvent) -> Self {
        Self {
            id,
            integration_name: String::new(),
            provider_url: None,
            status: String::new(),
            config_json: String::new(),
            last_successful_sync_at: None,
            last_error: None,
            last_error_at: None,
            created_at: event.recorded_at,
            updated_at: event.recorded_at,
            sequence: 0,
        }
    }

    fn becomes(&mut self, state: State, event: &RecordedEvent) {
        self.integration_name = state.name;
        self.provider_url = state.provider_url;
        self.status = state.status;
        self.last_successful_sync_at = state.last_successful_sync_at;
        self.updated_at = event.recorded_at;
        self.sequence = number(event.sequence);
    }
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let ids = events.iter().map(|event| stream_uuid(event)).collect::<Result<Vec<_>, _>>()?;
    let known: Vec<Integration> = sqlx::query_as("SELECT * FROM integrations WHERE id = ANY ($1)")
        .bind(&ids)
        .fetch_all(&mut *connection)
        .await?;
    let mut rows: HashMap<Uuid, Integration> =
        known.into_iter().map(|integration| (integration.id, integration)).collect();
    for (event, id) in events.iter().zip(&ids) {
        let change: Event = payload(event)?;
        if matches!(change, Event::IntegrationRegistered { .. }) {
            rows.insert(*id, Integration::registered(*id, event));
        }
        let Some(row) = rows.get_mut(id) else { continue };
        match change {
            Event::IntegrationRegistered { integration, masked_config } => {
                row.config_json = masked_config;
                row.becomes(integration, event);
            }
            Event::IntegrationConfigured { integration, masked_config } => {
                if let Some(masked) = masked_config {
                    row.config_json = masked;
                }
                row.becomes(integration, event);
            }
            Event::IntegrationFailed { integration, problem } => {
                row.last_error = problem;
                row.last_error_at = Some(event.recorded_at);
                row.becomes(integration, event);
            }
            Event::IntegrationEnabled { integration }
            | Event::IntegrationDisabled { integration }
            | Event::IntegrationSynced { integration } => row.becomes(integration, event),
            Event::IntegrationRemoved {} => {
                rows.remove(id);
            }
        }
    }
    let removed: Vec<Uuid> = ids.into_iter().filter(|id| !rows.contains_key(id)).collect();
    sqlx::query("DELETE FROM integrations WHERE id = ANY ($1)")
        .bind(removed)
        .execute(&mut *connection)
        .await?;
    write(&rows, connection).await
}

async fn write(
    rows: &HashMap<Uuid, Integration>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    let all = || rows.values();
    sqlx::query(
        "INSERT INTO integrations (id, integration_name, provider_url, status, config_json,
             last_successful_sync_at, last_error, last_error_at, created_at, updated_at, sequence)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[],
             $6::timestamptz[], $7::text[], $8::timestamptz[], $9::timestamptz[],
             $10::timestamptz[], $11::bigint[])
         ON CONFLICT (id) DO UPDATE SET
             provider_url = excluded.provider_url, status = excluded.status,
             config_json = excluded.config_json,
             last_successful_sync_at = excluded.last_successful_sync_at,
             last_error = excluded.last_error, last_error_at = excluded.last_error_at,
             updated_at = excluded.updated_at, sequence = excluded.sequence",
    )
    .bind(rows.keys().copied().collect::<Vec<_>>())
    .bind(all().map(|row| row.integration_name.as_str()).collect::<Vec<_>>())
    .bind(all().map(|row| row.provider_url.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|row| row.status.as_str()).collect::<Vec<_>>())
    .bind(all().map(|row| row.config_json.as_str()).collect::<Vec<_>>())
    .bind(all().map(|row| row.last_successful_sync_at).collect::<Vec<_>>())
    .bind(all().map(|row| row.last_error.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|row| row.last_error_at).collect::<Vec<_>>())
    .bind(all().map(|row| row.created_at).collect::<Vec<_>>())
    .bind(all().map(|row| row.updated_at).collect::<Vec<_>>())
    .bind(all().map(|row| row.sequence).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
