//! Organizations and who is in them (E21, K3).

use std::sync::LazyLock;

use agora_domain::ids::OrganizationId;
use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::{FromRow, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    access::Roles,
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    reply::List,
    request::Read,
    rows::{Instant, PlaceInTime, with_position},
};

/// An organization, with one's own place in it.
#[derive(Serialize, ToSchema, FromRow)]
pub struct Organization {
    id: Uuid,
    #[schema(example = "Stiftelsen Barnas Hus")]
    name: String,
    /// `reporter` or `reader`; null for an admin who is not in it.
    #[schema(example = "reporter")]
    role: Option<String>,
    created_at: Instant,
    /// The number of its events.
    sequence: i64,
}

const LIST: &str = "organizations";

/// All organizations with the asker's place in each, and the asker's own, which its places lead to:
/// two statements, so that neither reads what it does not show.
static ALL: LazyLock<String> = LazyLock::new(|| part_of("LEFT JOIN"));
static OWN: LazyLock<String> = LazyLock::new(|| part_of("JOIN"));

fn part_of(join: &str) -> String {
    format!(
        "SELECT p.*, x.*
         FROM (SELECT least(coalesce(read.served_position('organizations'), 0),
                            coalesce(read.served_position('organization_memberships'), 0))
               OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT o.id, o.name, m.role, o.created_at, o.sequence
             FROM read.organizations o
             {join} read.organization_memberships m
                 ON m.organization_id = o.id AND m.principal_kind = $4 AND m.principal_id = $5
             WHERE (o.created_at, o.id) < ($1, $2)
             ORDER BY o.created_at DESC, o.id DESC LIMIT $3
         ) x ON true
         ORDER BY x.created_at DESC, x.id DESC"
    )
}

/// Lists organizations, the newest first: for admins all, for everybody else those that one is in.
///
/// Which one a session is of is chosen at login, by `organization_id`.
#[utoipa::path(get, path = "/v1/organizations", tag = "Reports", params(Page),
    responses((status = 200, description = "A part of the list", body = List<Organization>)))]
pub async fn list(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let me = read.principal()?;
    let sees_all = me.roles.include(Roles::ADMIN.and(Roles::GLOBAL_ADMIN));
    let list = if sees_all { format!("{LIST}/all") } else { format!("{LIST}/{}", me.actor) };
    let before = read.query.place(&app, &list, PlaceInTime::start())?;
    let statement = if sees_all { &*ALL } else { &*OWN };
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(statement)
            .bind(before.0)
            .bind(before.1)
            .bind(read.query.rows())
            .bind(me.actor.kind.as_str())
            .bind(me.actor.id)
            .fetch_all(&app.reads)
            .await?;
        with_position::<Organization>(&rows)
    })
    .await?;
    let part = read.query.cut(&app, &list, rows, |last| PlaceInTime(last.created_at.0, last.id));
    Ok(read.list(position, &part))
}

/// Somebody who is in an organization.
#[derive(Serialize, ToSchema, FromRow)]
pub struct OrganizationMember {
    organization_id: Uuid,
    /// `member` or `admin`.
    #[schema(example = "member")]
    principal_kind: String,
    principal_id: Uuid,
    /// `reporter` or `reader`.
    #[schema(example = "reporter")]
    role: String,
    added_at: Instant,
    /// When the role was given.
    updated_at: Instant,
    /// The number of events of this place: for `If-Match` of commands.
    sequence: i64,
}

/// Lists who is in an organization, the newest first. Org users see their own session's only.
#[utoipa::path(get, path = "/v1/organizations/{id}/members", tag = "Reports",
    params(("id" = Uuid, Path, description = "The organization's id"), Page),
    responses((status = 200, description = "A part of the list", body = List<OrganizationMember>),
              (status = 404)))]
pub async fn members(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let id: OrganizationId = read.path.parse("id")?;
    let me = read.principal()?;
    let sees_all = me.roles.include(Roles::ADMIN.and(Roles::GLOBAL_ADMIN));
    let is_own = me.organization.is_some_and(|tenant| tenant.organization_id == id);
    let may_see = sees_all || is_own;
    let list = format!("{LIST}/{id}/members");
    let before = read.query.place(&app, &list, PlaceInTime::start())?;
    let (position, (exists, rows)) = fresh(&app.projected, read.freshness, || async {
        // Of another's organization is told what is told of none (BUF-15).
        let rows = sqlx::query(
            "SELECT p.position, m.*, p.found
             FROM (SELECT least(coalesce(read.served_position('organizations'), 0),
                                coalesce(read.served_position('organization_memberships'), 0))
                              AS position,
                          EXISTS (SELECT FROM read.organizations WHERE id = $1 AND $5) AS found
                   OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT organization_id, principal_kind, principal_id, role, added_at, updated_at,
                        sequence
                 FROM read.organization_memberships
                 WHERE organization_id = $1 AND (added_at, principal_id) < ($2, $3) AND $5
                 ORDER BY added_at DESC, principal_id DESC LIMIT $4
             ) m ON true
             ORDER BY m.added_at DESC, m.principal_id DESC",
        )
        .bind(id.0)
        .bind(before.0)
        .bind(before.1)
        .bind(read.query.rows())
        .bind(may_see)
        .fetch_all(&app.reads)
        .await?;
        let exists = rows.first().map_or(Ok(false), |row| row.try_get("found"))?;
        let (position, rows) = with_position::<OrganizationMember>(&rows)?;
        Ok::<_, ReadError>((position, (exists, rows)))
    })
    .await?;
    if !exists {
        return Err(ReadError::not_found(position, "There is no organization of this id."));
    }
    let place = |last: &OrganizationMember| PlaceInTime(last.added_at.0, last.principal_id);
    Ok(read.list(position, &read.query.cut(&app, &list, rows, place)))
}
