//! One's own votes (E15). Nobody else's are shown to anybody here (PVT-10).

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
    paging::Page,
    reply::List,
    request::Read,
    rows::{Instant, with_position},
};

/// A vote on a post (E15).
#[derive(Serialize, FromRow, ToSchema)]
pub struct PostVote {
    id: Uuid,
    community_platform_post_id: Uuid,
    voter_memberuser_id: Option<Uuid>,
    voter_adminuser_id: Option<Uuid>,
    /// `upvote`, `downvote`, or `none`: taken back.
    #[schema(example = "upvote")]
    vote_state: String,
    /// Of the first vote on the post.
    created_at: Instant,
    updated_at: Instant,
}

const OF_MEMBER: &str = "SELECT p.*, v.*
     FROM (SELECT coalesce(read.served_position('post_votes'), 0)) p
     LEFT JOIN LATERAL (
         SELECT id, community_platform_post_id, voter_memberuser_id, voter_adminuser_id,
                vote_state, created_at, updated_at
         FROM read.post_votes WHERE voter_memberuser_id = $1 AND id < $2
         ORDER BY id DESC LIMIT $3
     ) v ON true
     ORDER BY v.id DESC";
const OF_ADMIN: &str = "SELECT p.*, v.*
     FROM (SELECT coalesce(read.served_position('post_votes'), 0)) p
     LEFT JOIN LATERAL (
         SELECT id, community_platform_post_id, voter_memberuser_id, voter_adminuser_id,
                vote_state, created_at, updated_at
         FROM read.post_votes WHERE voter_adminuser_id = $1 AND id < $2
         ORDER BY id DESC LIMIT $3
     ) v ON true
     ORDER BY v.id DESC";

/// Lists one's votes, the latest post voted on first.
#[utoipa::path(get, path = "/v1/me/votes", tag = "Own account", params(Page),
    responses((status = 200, description = "A part of the list", body = List<PostVote>)))]
pub async fn list(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let me = read.principal()?.actor;
    let list = format!("votes/{me}");
    // A vote's id is a UUIDv7: it sorts by the time of the first vote.
    let before: Uuid = read.query.place(&app, &list, Uuid::max())?;
    let statement = if me.kind == ActorKind::Admin { OF_ADMIN } else { OF_MEMBER };
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(statement)
            .bind(me.id)
            .bind(before)
            .bind(read.query.rows())
            .fetch_all(&app.reads)
            .await?;
        with_position::<PostVote>(&rows)
    })
    .await?;
    let part = read.query.cut(&app, &list, rows, |last| last.id);
    Ok(read.list(position, &part))
}
