//! A member's own memberships (E11) and recent communities (E13).

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

/// A membership of a community (E11).
#[derive(Serialize, FromRow, ToSchema)]
pub struct Membership {
    id: Uuid,
    community_id: Uuid,
    #[schema(example = "rustaceans")]
    community_name: Option<String>,
    memberuser_id: Uuid,
    /// Of the latest join.
    joined_at: Instant,
}

/// Lists the communities that one is a member of, the latest joined first.
#[utoipa::path(get, path = "/v1/me/memberships", tag = "Own account", params(Page),
    responses((status = 200, description = "A part of the list", body = List<Membership>)))]
pub async fn memberships(
    State(app): State<Shared>,
    read: Read<Page>,
) -> Result<Response, ReadError> {
    let me = read.principal()?.actor;
    let list = format!("memberships/{me}");
    let before = read.query.place(&app, &list, PlaceInTime::start())?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, m.*
             FROM (SELECT least(coalesce(read.served_position('memberships'), 0),
                                coalesce(read.served_position('communities'), 0)) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT m.id, m.community_id, c.name AS community_name, m.memberuser_id, m.joined_at
                 FROM read.memberships m LEFT JOIN read.communities c ON c.id = m.community_id
                 WHERE m.memberuser_id = $1 AND (m.joined_at, m.id) < ($2, $3)
                 ORDER BY m.joined_at DESC, m.id DESC LIMIT $4
             ) m ON true
             ORDER BY m.joined_at DESC, m.id DESC",
        )
        .bind(me.id)
        .bind(before.0)
        .bind(before.1)
        .bind(read.query.rows())
        .fetch_all(&app.reads)
        .await?;
        with_position::<Membership>(&rows)
    })
    .await?;
    let part = read.query.cut(&app, &list, rows, |last| PlaceInTime(last.joined_at.0, last.id));
    Ok(read.list(position, &part))
}

/// A community that one visited (E13).
#[derive(Serialize, FromRow, ToSchema)]
pub struct RecentCommunity {
    id: Uuid,
    memberuser_id: Uuid,
    community_id: Uuid,
    #[schema(example = "rustaceans")]
    community_name: Option<String>,
    /// From 1, the most recent.
    #[schema(minimum = 1, maximum = 5, example = 1)]
    recent_rank: i32,
    /// Of the last visit.
    last_activity_at: Instant,
}

/// Lists the communities visited last, five at most, the most recent first. Being a member of them
/// plays no part (REC-04); deleted ones are left out (REC-06).
#[utoipa::path(get, path = "/v1/me/recent-communities", tag = "Own account", params(Page),
    responses((status = 200, description = "The list", body = List<RecentCommunity>)))]
pub async fn recent(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let me = read.principal()?.actor;
    let list = format!("recent-communities/{me}");
    let below: i32 = read.query.place(&app, &list, 0)?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, r.*
             FROM (SELECT least(coalesce(read.served_position('recent_communities'), 0),
                                coalesce(read.served_position('communities'), 0)) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT r.id, r.memberuser_id, r.community_id, c.name AS community_name,
                        r.recent_rank, r.last_activity_at
                 FROM read.recent_communities r LEFT JOIN read.communities c ON c.id = r.community_id
                 WHERE r.memberuser_id = $1 AND r.recent_rank > $2
                 ORDER BY r.recent_rank LIMIT $3
             ) r ON true
             ORDER BY r.recent_rank",
        )
        .bind(me.id)
        .bind(below)
        .bind(read.query.rows())
        .fetch_all(&app.reads)
        .await?;
        with_position::<RecentCommunity>(&rows)
    })
    .await?;
    let part = read.query.cut(&app, &list, rows, |last| last.recent_rank);
    Ok(read.list(position, &part))
}
