//! One's own account: a member's (E07) or an admin's (E08).

use agora_domain::ActorKind;
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

/// Who is logged in (E07, E08).
#[derive(Serialize, ToSchema)]
pub struct Me {
    /// `member` or `admin`.
    #[schema(example = "member")]
    kind: &'static str,
    id: Uuid,
    user_credential_id: Uuid,
    /// `Anonymous` where there is none, or it was erased.
    #[schema(example = "Ada")]
    display_name: String,
    #[schema(example = "active")]
    status: String,
    /// An admin's; empty for members.
    scopes: Vec<String>,
    created_at: Instant,
    updated_at: Instant,
    deleted_at: Option<Instant>,
    /// The session whose token was sent; null for a service account, which has none.
    session_id: Option<Uuid>,
    /// The organization that the session is of; null where it is of none, or one is no longer in it.
    organization: Option<MyOrganization>,
    /// The number of its events: for `If-Match` of commands.
    sequence: i64,
}

/// One's place in the organization that one's session is of (K3).
#[derive(Serialize, ToSchema)]
pub struct MyOrganization {
    id: Uuid,
    /// `reporter` or `reader`.
    #[schema(example = "reporter")]
    role: &'static str,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    user_credential_id: Uuid,
    display_name: Option<String>,
    status: String,
    scopes: Vec<String>,
    created_at: Instant,
    updated_at: Instant,
    deleted_at: Option<Instant>,
    sequence: i64,
}

const MEMBER: &str = "SELECT p.*, m.*
     FROM (SELECT coalesce(read.served_position('members'), 0) OFFSET 0) p
     LEFT JOIN LATERAL (
         SELECT id, user_credential_id, display_name, status, ARRAY[]::text[] AS scopes,
                created_at, updated_at, deleted_at, sequence
         FROM read.members WHERE id = $1
     ) m ON true";
const ADMIN: &str = "SELECT p.*, a.*
     FROM (SELECT coalesce(read.served_position('admins'), 0) OFFSET 0) p
     LEFT JOIN LATERAL (
         SELECT id, user_credential_id, display_name, status, scopes,
                created_at, updated_at, deleted_at, sequence
         FROM read.admins WHERE id = $1
     ) a ON true";

/// Shows who is logged in.
#[utoipa::path(get, path = "/v1/me", tag = "Own account",
    responses((status = 200, description = "The account", body = Me),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let me = read.principal()?;
    let kind = me.actor.kind.as_str();
    let statement = if me.actor.kind == ActorKind::Admin { ADMIN } else { MEMBER };
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(statement).bind(me.actor.id).fetch_all(&app.reads).await?;
        with_position::<Row>(&rows)
    })
    .await?;
    let row = rows.into_iter().next().ok_or_else(|| {
        ReadError::not_found(
            position,
            "Your account is not readable yet: ask again with `min_position`, the position in the \
             reply to the command that made it.",
        )
    })?;
    let mut sealed = Sealed::default();
    let name = sealed.add(kind, row.id, "display_name", row.display_name.as_deref());
    let open = sealed.open(&app.opener).await?;
    let account = Me {
        kind,
        id: row.id,
        user_credential_id: row.user_credential_id,
        display_name: open.name(name),
        status: row.status,
        scopes: row.scopes,
        created_at: row.created_at,
        updated_at: row.updated_at,
        deleted_at: row.deleted_at,
        session_id: me.session_id.map(|session_id| session_id.0),
        organization: me.organization.map(|tenant| MyOrganization {
            id: tenant.organization_id.0,
            role: tenant.role.as_str(),
        }),
        sequence: row.sequence,
    };
    Ok(read.object(position, &account))
}
