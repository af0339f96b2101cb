//! What one logs in with (E09). The hash is in none of it (CRD-03).

use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    request::Read,
    rows::{Instant, Sealed, with_position},
};

/// What one logs in with (E09).
#[derive(Serialize, ToSchema)]
pub struct Credential {
    id: Uuid,
    /// Null once it was erased.
    #[schema(example = "ada@example.org")]
    email: Option<String>,
    /// An address that was asked for and waits for its confirmation.
    pending_email: Option<String>,
    #[schema(example = "valid")]
    status: String,
    created_at: Instant,
    updated_at: Instant,
    deleted_at: Option<Instant>,
    /// The number of its events: for `If-Match` of commands.
    sequence: i64,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    email: String,
    pending_email: Option<String>,
    status: String,
    created_at: Instant,
    updated_at: Instant,
    deleted_at: Option<Instant>,
    sequence: i64,
}

/// Shows what one logs in with.
#[utoipa::path(get, path = "/v1/me/credential", tag = "Own account",
    responses((status = 200, description = "The credential", body = Credential),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let me = read.principal()?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, c.*
             FROM (SELECT coalesce(read.served_position('credentials'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT id, email, pending_email, status, created_at, updated_at, deleted_at,
                        sequence
                 FROM read.credentials WHERE holder_id = $1 AND holder_kind = $2
             ) c ON true",
        )
        .bind(me.actor.id)
        .bind(me.actor.kind.as_str())
        .fetch_all(&app.reads)
        .await?;
        with_position::<Row>(&rows)
    })
    .await?;
    let row = rows.into_iter().next().ok_or_else(|| {
        ReadError::not_found(
            position,
            "Your credential is not readable yet: ask again with `min_position`, the position in \
             the reply to the command that made it.",
        )
    })?;
    let mut sealed = Sealed::default();
    let email = sealed.add("credential", row.id, "email", Some(&row.email));
    let pending = sealed.add("credential", row.id, "email", row.pending_email.as_deref());
    let open = sealed.open(&app.opener).await?;
    let credential = Credential {
        id: row.id,
        email: open.text(email),
        pending_email: open.text(pending),
        status: row.status,
        created_at: row.created_at,
        updated_at: row.updated_at,
        deleted_at: row.deleted_at,
        sequence: row.sequence,
    };
    Ok(read.object(position, &credential))
}
