//! Guests (E06), for admins. Nothing in here lets anybody act as one (GST-03), and nothing is personal
//! (GST-01).

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
    rows::{Instant, PlaceInTime, with_position},
};

/// Somebody without an account (E06).
#[derive(Serialize, FromRow, ToSchema)]
pub struct Guest {
    id: Uuid,
    created_at: Instant,
    /// When it was last active, to the hour.
    updated_at: Instant,
    /// Set where it was forgotten.
    deleted_at: Option<Instant>,
    /// SHA-256 of the signature that the guest holds, in base64url: it tells guests apart, and is not
    /// the signature. Null for a guest that cannot come back.
    #[schema(example = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU")]
    session_signature: Option<String>,
    /// The number of its events: for `If-Match` of commands.
    sequence: i64,
}

const LIST: &str = "guests";

/// Lists the guests, forgotten ones included, the newest first.
#[utoipa::path(get, path = "/v1/guests", tag = "Administration", params(Page),
    responses((status = 200, description = "A part of the list", body = List<Guest>)))]
pub async fn list(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let before = read.query.place(&app, LIST, PlaceInTime::start())?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, g.*
             FROM (SELECT coalesce(read.served_position('guests'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT id, created_at, updated_at, deleted_at, session_signature, sequence
                 FROM read.guests WHERE (created_at, id) < ($1, $2)
                 ORDER BY created_at DESC, id DESC LIMIT $3
             ) g ON true
             ORDER BY g.created_at DESC, g.id DESC",
        )
        .bind(before.0)
        .bind(before.1)
        .bind(read.query.rows())
        .fetch_all(&app.reads)
        .await?;
        with_position::<Guest>(&rows)
    })
    .await?;
    let part = read.query.cut(&app, LIST, rows, |last| PlaceInTime(last.created_at.0, last.id));
    Ok(read.list(position, &part))
}
