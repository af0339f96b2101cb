//! One's own votes (E15, E18). Nobody else's are shown to anybody here (PVT-10).

use agora_domain::ActorKind;
use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::{FromRow, postgres::PgRow};
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

/// A vote on a comment (E18).
#[derive(Serialize, FromRow, ToSchema)]
pub struct CommentVote {
    id: Uuid,
    comment_id: Uuid,
    voter_memberuser_id: Option<Uuid>,
    voter_guestuser_id: Option<Uuid>,
    voter_adminuser_id: Option<Uuid>,
    /// `upvote`, `downvote`, or `none`: taken back.
    #[schema(example = "upvote")]
    vote_type: String,
    /// Of the first vote on the comment.
    created_at: Instant,
    updated_at: Instant,
}

/// Lists one's votes on posts, the latest post voted on first.
#[utoipa::path(get, path = "/v1/me/votes", tag = "Own account", params(Page),
    responses((status = 200, description = "A part of the list", body = List<PostVote>)))]
pub async fn list(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    votes(&app, &read, "post_votes", |vote: &PostVote| vote.id).await
}

/// Lists one's votes on comments, the latest comment voted on first.
#[utoipa::path(get, path = "/v1/me/comment-votes", tag = "Own account", params(Page),
    responses((status = 200, description = "A part of the list", body = List<CommentVote>)))]
pub async fn on_comments(
    State(app): State<Shared>,
    read: Read<Page>,
) -> Result<Response, ReadError> {
    votes(&app, &read, "comment_votes", |vote: &CommentVote| vote.id).await
}

/// A vote's id is a UUIDv7: it sorts by the time of the first vote.
async fn votes<V>(
    app: &Shared,
    read: &Read<Page>,
    table: &str,
    id: impl FnOnce(&V) -> Uuid,
) -> Result<Response, ReadError>
where
    V: Serialize + Send + Unpin + for<'r> FromRow<'r, PgRow>,
{
    let me = read.principal()?.actor;
    let list = format!("{table}/{me}");
    let before: Uuid = read.query.place(app, &list, Uuid::max())?;
    let voter = if me.kind == ActorKind::Admin { "adminuser" } else { "memberuser" };
    let statement = format!(
        "SELECT p.*, v.*
         FROM (SELECT coalesce(read.served_position('{table}'), 0) OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT * FROM read.{table} WHERE voter_{voter}_id = $1 AND id < $2
             ORDER BY id DESC LIMIT $3
         ) v ON true
         ORDER BY v.id DESC"
    );
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(&statement)
            .bind(me.id)
            .bind(before)
            .bind(read.query.rows())
            .fetch_all(&app.reads)
            .await?;
        with_position::<V>(&rows)
    })
    .await?;
    let part = read.query.cut(app, &list, rows, id);
    Ok(read.list(position, &part))
}
