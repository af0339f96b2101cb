//! One's own logins (E04, SES-12). The token is in none of them (SES-01).

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

/// A login (E04).
#[derive(Serialize, ToSchema)]
pub struct Session {
    id: Uuid,
    user_id: Uuid,
    issued_at: Instant,
    expires_at: Instant,
    /// The user agent of the login; null where it was not sent, or was erased.
    device_info: Option<String>,
    /// Where the login came from; null where it is not known, or was erased.
    #[schema(example = "192.0.2.1")]
    ip_address: Option<String>,
    revoked_at: Option<Instant>,
    /// Why it ended before its time.
    #[schema(example = "logged_out")]
    revoke_cause: Option<String>,
    created_at: Instant,
    /// True for the session whose token was sent.
    current: bool,
    /// The number of its events: for `If-Match` of commands.
    sequence: i64,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    user_id: Uuid,
    issued_at: Instant,
    expires_at: Instant,
    device_info: Option<String>,
    ip_address: Option<String>,
    revoked_at: Option<Instant>,
    revoke_cause: Option<String>,
    created_at: Instant,
    sequence: i64,
}

/// Lists one's sessions, ended ones included, the latest first.
#[utoipa::path(get, path = "/v1/me/sessions", tag = "Own account", params(Page),
    responses((status = 200, description = "A part of the list", body = List<Session>)))]
pub async fn list(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let me = read.principal()?;
    let list = format!("sessions/{}", me.actor);
    let before = read.query.place(&app, &list, PlaceInTime::start())?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, s.*
             FROM (SELECT coalesce(read.served_position('sessions'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT id, user_id, issued_at, expires_at, device_info, ip_address, revoked_at,
                        revoke_cause, created_at, sequence
                 FROM read.sessions
                 WHERE user_id = $1 AND user_kind = $2 AND (created_at, id) < ($3, $4)
                 ORDER BY created_at DESC, id DESC LIMIT $5
             ) s ON true
             ORDER BY s.created_at DESC, s.id DESC",
        )
        .bind(me.actor.id)
        .bind(me.actor.kind.as_str())
        .bind(before.0)
        .bind(before.1)
        .bind(read.query.rows())
        .fetch_all(&app.reads)
        .await?;
        with_position::<Row>(&rows)
    })
    .await?;
    let part = read.query.cut(&app, &list, rows, |last| PlaceInTime(last.created_at.0, last.id));

    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(part.items.len());
    for row in &part.items {
        slots.push((
            sealed.add("session", row.id, "device_info", row.device_info.as_deref()),
            sealed.add("session", row.id, "ip_address", row.ip_address.as_deref()),
        ));
    }
    let open = sealed.open(&app.opener).await?;
    let items = part.items.iter().zip(slots).map(|(row, (device_info, ip_address))| Session {
        id: row.id,
        user_id: row.user_id,
        issued_at: row.issued_at,
        expires_at: row.expires_at,
        device_info: open.text(device_info),
        ip_address: open.text(ip_address),
        revoked_at: row.revoked_at,
        revoke_cause: row.revoke_cause.clone(),
        created_at: row.created_at,
        current: me.session_id.is_some_and(|session_id| row.id == session_id.0),
        sequence: row.sequence,
    });
    let sessions = List { items: items.collect(), next: part.next };
    Ok(read.list(position, &sessions))
}
