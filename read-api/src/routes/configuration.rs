//! The configuration (E02): all of it for admins, what clients need for everybody.

use agora_domain::site::{configuration::ConfigurationKey, settings};
use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    reply::List,
    request::Read,
    rows::{Instant, with_position},
};

/// A key of the configuration that is set (E02).
#[derive(Serialize, FromRow, ToSchema)]
pub struct Configuration {
    id: Uuid,
    #[schema(example = "max_post_length")]
    key: String,
    /// Byte for byte as it was set.
    #[schema(example = "5000")]
    value: String,
    description: Option<String>,
    created_at: Instant,
    updated_at: Instant,
    /// The number of its events: for `If-Match` of commands.
    sequence: i64,
}

const LIST: &str = "configuration";

/// Lists the keys that are set, in their order.
#[utoipa::path(get, path = "/v1/configuration", tag = "Site", params(Page),
    responses((status = 200, description = "A part of the list", body = List<Configuration>)))]
pub async fn list(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let after: String = read.query.place(&app, LIST, String::new())?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, c.*
             FROM (SELECT coalesce(read.served_position('configurations'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT id, key, value, description, created_at, updated_at, sequence
                 FROM read.configurations WHERE key > $1 ORDER BY key LIMIT $2
             ) c ON true
             ORDER BY c.key",
        )
        .bind(&after)
        .bind(read.query.rows())
        .fetch_all(&app.reads)
        .await?;
        with_position::<Configuration>(&rows)
    })
    .await?;
    let part = read.query.cut(&app, LIST, rows, |last| last.key.clone());
    Ok(read.list(position, &part))
}

/// Shows a key that is set.
#[utoipa::path(get, path = "/v1/configuration/{key}", tag = "Site",
    params(("key" = String, Path, description = "The key", pattern = "^[a-z0-9_.]{1,64}$")),
    responses((status = 200, description = "The entry", body = Configuration),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let key: ConfigurationKey = read.path.parse("key")?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, c.*
             FROM (SELECT coalesce(read.served_position('configurations'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT id, key, value, description, created_at, updated_at, sequence
                 FROM read.configurations WHERE key = $1
             ) c ON true",
        )
        .bind(key.as_str())
        .fetch_all(&app.reads)
        .await?;
        with_position::<Configuration>(&rows)
    })
    .await?;
    match rows.first() {
        Some(entry) => Ok(read.object(position, entry)),
        None => Err(ReadError::not_found(position, "The key is not set: its default holds.")),
    }
}

/// A setting that clients need, as it is in force.
#[derive(Serialize, ToSchema)]
pub struct Setting {
    #[schema(example = "max_post_length")]
    key: &'static str,
    /// What is set, else the platform's default.
    #[schema(example = "10000")]
    value: String,
    #[schema(example = "The most characters of a post's body (PST-02)")]
    about: &'static str,
}

#[derive(FromRow)]
struct Set {
    key: String,
    value: String,
}

/// Lists the settings that clients need, each as it is in force.
#[utoipa::path(get, path = "/v1/settings", tag = "Site",
    responses((status = 200, description = "All of them", body = List<Setting>)))]
pub async fn public(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let known = || settings::ALL.into_iter().filter(|setting| setting.is_public);
    let keys: Vec<&str> = known().map(|setting| setting.key).collect();
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, c.*
             FROM (SELECT coalesce(read.served_position('configurations'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT key, value FROM read.configurations WHERE key = ANY ($1)
             ) c ON true",
        )
        .bind(&keys)
        .fetch_all(&app.reads)
        .await?;
        with_position::<Set>(&rows)
    })
    .await?;
    let items = known().map(|setting| {
        let set = rows.iter().find(|row| row.key == setting.key);
        let value = set.map_or_else(|| setting.default_text(), |row| row.value.clone());
        Setting { key: setting.key, value, about: setting.about }
    });
    Ok(read.list(position, &List { items: items.collect(), next: None }))
}
