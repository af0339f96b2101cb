//! Admins that are programs (ADM-07), for those who manage admins. Their keys are nowhere.

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
    rows::{Instant, PlaceInTime, Sealed, with_position},
};

/// An admin that is a program (E08).
#[derive(Serialize, ToSchema)]
pub struct ServiceAccount {
    /// Of the admin that it is.
    id: Uuid,
    /// What it holds in the place of a password.
    user_credential_id: Uuid,
    #[schema(example = "nightly checks")]
    display_name: String,
    #[schema(example = "active")]
    status: String,
    scopes: Vec<String>,
    /// Which key lets it in; null where none does. The key itself is kept nowhere.
    key_id: Option<Uuid>,
    key_issued_at: Option<Instant>,
    created_at: Instant,
    updated_at: Instant,
    /// The number of events of its key: for `If-Match` of the commands about that.
    sequence: i64,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    user_credential_id: Uuid,
    display_name: Option<String>,
    status: String,
    scopes: Vec<String>,
    key_id: Option<Uuid>,
    key_issued_at: Option<Instant>,
    created_at: Instant,
    updated_at: Instant,
    sequence: i64,
}

const LIST: &str = "service-accounts";

/// Lists the service accounts, retired ones included, the newest first.
#[utoipa::path(get, path = "/v1/service-accounts", tag = "Administration", params(Page),
    responses((status = 200, description = "A part of the list", body = List<ServiceAccount>)))]
pub async fn list(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let before = read.query.place(&app, LIST, PlaceInTime::start())?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, x.*
             FROM (SELECT least(coalesce(read.served_position('service_accounts'), 0),
                                coalesce(read.served_position('admins'), 0)) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT s.id, s.user_credential_id, a.display_name, a.status, a.scopes, s.key_id,
                        s.key_issued_at, s.created_at,
                        greatest(s.updated_at, a.updated_at) AS updated_at, s.sequence
                 FROM read.service_accounts s JOIN read.admins a ON a.id = s.id
                 WHERE (s.created_at, s.id) < ($1, $2)
                 ORDER BY s.created_at DESC, s.id DESC LIMIT $3
             ) x ON true
             ORDER BY x.created_at DESC, x.id DESC",
        )
        .bind(before.0)
        .bind(before.1)
        .bind(read.query.rows())
        .fetch_all(&app.reads)
        .await?;
        with_position::<Row>(&rows)
    })
    .await?;
    let part = read.query.cut(&app, LIST, rows, |last| PlaceInTime(last.created_at.0, last.id));
    let mut sealed = Sealed::default();
    let mut names = Vec::with_capacity(part.items.len());
    for row in &part.items {
        names.push(sealed.add("admin", row.id, "display_name", row.display_name.as_deref()));
    }
    let open = sealed.open(&app.opener).await?;
    let items = part.items.into_iter().zip(names).map(|(row, name)| ServiceAccount {
        id: row.id,
        user_credential_id: row.user_credential_id,
        display_name: open.name(name),
        status: row.status,
        scopes: row.scopes,
        key_id: row.key_id,
        key_issued_at: row.key_issued_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
        sequence: row.sequence,
    });
    Ok(read.list(position, &List { items: items.collect(), next: part.next }))
}
