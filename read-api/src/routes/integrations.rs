//! Integrations with outside services (E05): admins see how they are set up, ops only whether they
//! work. A value of the settings leaves through no route (INT-04).

use agora_domain::ids::IntegrationId;
use agora_event_store::{Opener, vault::VaultError};
use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    access::{Caller, Roles},
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    reply::List,
    request::Read,
    rows::{Instant, Sealed, with_position},
};

/// An integration (E05) with its health.
#[derive(Serialize, ToSchema)]
pub struct Integration {
    id: Uuid,
    #[schema(example = "GoogleOAuth")]
    integration_name: String,
    /// `pending setup`, `enabled`, `disabled` or `error`.
    #[schema(example = "enabled")]
    status: String,
    /// Of the last handshake that was confirmed.
    last_successful_sync_at: Option<Instant>,
    /// What it failed with the last time it did.
    last_error: Option<String>,
    last_error_at: Option<Instant>,
    created_at: Instant,
    updated_at: Instant,
    /// The number of its events: for `If-Match` of commands.
    sequence: i64,
    /// Absent for ops.
    #[serde(flatten)]
    setup: Option<Setup>,
}

/// How an integration is set up: for admins.
#[derive(Serialize, ToSchema)]
pub struct Setup {
    provider_url: Option<String>,
    /// The settings' names, as a JSON object in a text; `***` stands for every value.
    #[schema(example = "{\"client_id\":\"***\",\"client_secret\":\"***\"}")]
    config_json: Option<String>,
}

/// As it stands in the read table, texts sealed.
#[derive(FromRow)]
struct Row {
    id: Uuid,
    integration_name: String,
    provider_url: Option<String>,
    status: String,
    config_json: String,
    last_successful_sync_at: Option<Instant>,
    last_error: Option<String>,
    last_error_at: Option<Instant>,
    created_at: Instant,
    updated_at: Instant,
    sequence: i64,
}

async fn open(
    opener: &Opener,
    caller: &Caller,
    rows: Vec<Row>,
) -> Result<Vec<Integration>, VaultError> {
    let administers = caller.roles().include(Roles::ADMIN);
    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(rows.len());
    for row in &rows {
        let config = administers.then_some(row.config_json.as_str());
        slots.push((
            sealed.add("integration", row.id, "masked_config", config),
            sealed.add("integration", row.id, "problem", row.last_error.as_deref()),
        ));
    }
    let open = sealed.open(opener).await?;
    let texts: Vec<_> =
        slots.into_iter().map(|(config, error)| (open.text(config), open.text(error))).collect();
    let integrations = rows.into_iter().zip(texts).map(|(row, (config_json, last_error))| {
        let provider_url = row.provider_url;
        Integration {
            id: row.id,
            integration_name: row.integration_name,
            status: row.status,
            last_successful_sync_at: row.last_successful_sync_at,
            last_error,
            last_error_at: row.last_error_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
            sequence: row.sequence,
            setup: administers.then_some(Setup { provider_url, config_json }),
        }
    });
    Ok(integrations.collect())
}

const LIST: &str = "integrations";

/// Lists the integrations by name. Ops see their health only.
#[utoipa::path(get, path = "/v1/integrations", tag = "Site", params(Page),
    responses((status = 200, description = "A part of the list", body = List<Integration>)))]
pub async fn list(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let after: (String, Uuid) = read.query.place(&app, LIST, (String::new(), Uuid::nil()))?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, i.*
             FROM (SELECT coalesce(read.served_position('integrations'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT id, integration_name, provider_url, status, config_json,
                        last_successful_sync_at, last_error, last_error_at, created_at,
                        updated_at, sequence
                 FROM read.integrations
                 WHERE (integration_name, id) > ($1, $2)
                 ORDER BY integration_name, id LIMIT $3
             ) i ON true
             ORDER BY i.integration_name, i.id",
        )
        .bind(&after.0)
        .bind(after.1)
        .bind(read.query.rows())
        .fetch_all(&app.reads)
        .await?;
        with_position::<Row>(&rows)
    })
    .await?;
    let place = |last: &Row| (last.integration_name.clone(), last.id);
    let part = read.query.cut(&app, LIST, rows, place);
    let items = open(&app.opener, &read.caller, part.items).await?;
    Ok(read.list(position, &List { items, next: part.next }))
}

/// Shows an integration. Ops see its health only.
#[utoipa::path(get, path = "/v1/integrations/{id}", tag = "Site",
    params(("id" = Uuid, Path, description = "The integration's id")),
    responses((status = 200, description = "The integration", body = Integration),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let id: IntegrationId = read.path.parse("id")?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, i.*
             FROM (SELECT coalesce(read.served_position('integrations'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT id, integration_name, provider_url, status, config_json,
                        last_successful_sync_at, last_error, last_error_at, created_at,
                        updated_at, sequence
                 FROM read.integrations WHERE id = $1
             ) i ON true",
        )
        .bind(id.0)
        .fetch_all(&app.reads)
        .await?;
        with_position::<Row>(&rows)
    })
    .await?;
    match open(&app.opener, &read.caller, rows).await?.first() {
        Some(integration) => Ok(read.object(position, integration)),
        None => Err(ReadError::not_found(
            position,
            "There is no integration of this id, or it is removed.",
        )),
    }
}
