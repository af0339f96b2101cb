//! A post (E14) with its score: public while it and its community are not deleted; a deleted post
//! stays readable for its author (PST-15).

use agora_domain::ids::PostId;
use agora_event_store::{Opener, vault::VaultError};
use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    access::Caller,
    app::Shared,
    error::ReadError,
    freshness::fresh,
    ranked::walk::Standing,
    removal::{Removal, RemovalRow, last_act},
    request::Read,
    rows::{Instant, PlaceInTime, Sealed, with_position},
};

/// A post (E14) with its score (E15).
#[derive(Serialize, ToSchema)]
pub struct Post {
    id: Uuid,
    community_platform_community_id: Uuid,
    #[schema(example = "rustaceans")]
    community_name: String,
    /// Set where a member wrote it.
    author_memberuser_id: Option<Uuid>,
    /// Set where an admin wrote it.
    author_adminuser_id: Option<Uuid>,
    /// Null where it was erased.
    title: Option<String>,
    /// Plain text with line breaks. Null where it was erased.
    body: Option<String>,
    /// As it was when the post was written; `Anonymous` where there is none, or it was erased.
    #[schema(example = "Anonymous")]
    author_display_name: String,
    created_at: Instant,
    updated_at: Instant,
    deleted_at: Option<Instant>,
    /// Upvotes less downvotes.
    score: i64,
    upvotes: i64,
    downvotes: i64,
    /// Comments that are not deleted, of any depth.
    comment_count: i64,
    /// True where title and body were erased for good.
    erased: bool,
    /// The number of its events: for `If-Match` of commands.
    sequence: i64,
    /// Why a moderator removed it. Only its author still reads it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    removal: Option<Removal>,
}

/// As it stands in the read tables, personal fields sealed.
#[derive(Clone, FromRow)]
pub(crate) struct PostRow {
    pub(crate) id: Uuid,
    community_platform_community_id: Uuid,
    community_name: String,
    author_memberuser_id: Option<Uuid>,
    author_adminuser_id: Option<Uuid>,
    title: String,
    body: String,
    author_display_name: Option<String>,
    pub(crate) created_at: Instant,
    updated_at: Instant,
    deleted_at: Option<Instant>,
    pub(crate) score: i64,
    upvotes: i64,
    downvotes: i64,
    comment_count: i64,
    sequence: i64,
}

impl PostRow {
    pub(super) fn standing(&self) -> Standing {
        let at = PlaceInTime(self.created_at.0, self.id);
        Standing { upvotes: self.upvotes, downvotes: self.downvotes, at }
    }

    /// What it takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let name = self.author_display_name.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.community_name.len() + self.title.len() + self.body.len() + name
    }

    /// One that only matters by its place in a list.
    #[cfg(test)]
    pub(crate) fn of_score(
        id: Uuid,
        created_at: chrono::DateTime<chrono::Utc>,
        score: i64,
    ) -> Self {
        Self {
            id,
            community_platform_community_id: Uuid::nil(),
            community_name: String::new(),
            author_memberuser_id: None,
            author_adminuser_id: None,
            title: String::new(),
            body: String::new(),
            author_display_name: None,
            created_at: Instant(created_at),
            updated_at: Instant(created_at),
            deleted_at: None,
            score,
            upvotes: score,
            downvotes: 0,
            comment_count: 0,
            sequence: 1,
        }
    }

    fn is_visible_to(&self, caller: &Caller) -> bool {
        let author = self.author_memberuser_id.or(self.author_adminuser_id);
        self.deleted_at.is_none() || caller.actor().map(|actor| actor.id) == author
    }
}

/// Opens the posts' personal fields, with one question to the vault for all.
pub(super) async fn open(opener: &Opener, rows: Vec<PostRow>) -> Result<Vec<Post>, VaultError> {
    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(rows.len());
    for row in &rows {
        slots.push((
            sealed.add("post", row.id, "title", Some(&row.title)),
            sealed.add("post", row.id, "body", Some(&row.body)),
            sealed.add("post", row.id, "author_display_name", row.author_display_name.as_deref()),
        ));
    }
    let open = sealed.open(opener).await?;
    let texts: Vec<_> = slots
        .into_iter()
        .map(|(title, body, name)| (open.text(title), open.text(body), open.name(name)))
        .collect();
    Ok(rows
        .into_iter()
        .zip(texts)
        .map(|(row, (title, body, author_display_name))| Post {
            id: row.id,
            community_platform_community_id: row.community_platform_community_id,
            community_name: row.community_name,
            author_memberuser_id: row.author_memberuser_id,
            author_adminuser_id: row.author_adminuser_id,
            erased: title.is_none() && body.is_none(),
            title,
            body,
            author_display_name,
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
            score: row.score,
            upvotes: row.upvotes,
            downvotes: row.downvotes,
            comment_count: row.comment_count,
            sequence: row.sequence,
            removal: None,
        })
        .collect())
}

/// A post with what removed it.
#[derive(FromRow)]
struct Shown {
    #[sqlx(flatten)]
    post: PostRow,
    #[sqlx(flatten)]
    removal: RemovalRow,
}

const NOT_FOUND: &str = "There is no post of this id, or it is deleted.";

/// Shows a post with its score.
#[utoipa::path(get, path = "/v1/posts/{id}", tag = "Posts",
    params(("id" = Uuid, Path, description = "The post's id")),
    responses((status = 200, description = "The post", body = Post),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let id: PostId = read.path.parse("id")?;
    let last_act = last_act("community_platform_post_id", "o.id");
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(&format!(
            "SELECT p.*, o.*
             FROM (SELECT least(coalesce(read.served_position('posts'), 0),
                                coalesce(read.served_position('post_scores'), 0),
                                coalesce(read.served_position('comments'), 0),
                                coalesce(read.served_position('moderation_log'), 0),
                                coalesce(read.served_position('communities'), 0)) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT o.id, o.community_platform_community_id, c.name AS community_name,
                        o.author_memberuser_id, o.author_adminuser_id, o.title, o.body,
                        o.author_display_name, o.created_at, o.updated_at, o.deleted_at,
                        coalesce(s.score, 0) AS score, coalesce(s.upvotes, 0) AS upvotes,
                        coalesce(s.downvotes, 0) AS downvotes,
                        coalesce(k.comments, 0) AS comment_count, o.sequence, m.*
                 FROM read.posts o
                 JOIN read.communities c
                   ON c.id = o.community_platform_community_id AND c.deleted_at IS NULL
                 LEFT JOIN read.post_scores s ON s.post_id = o.id
                 LEFT JOIN read.post_comment_counts k ON k.post_id = o.id
                 LEFT JOIN LATERAL ({last_act}) m ON o.deleted_at IS NOT NULL
                 WHERE o.id = $1
             ) o ON true"
        ))
        .bind(id.0)
        .fetch_all(&app.reads)
        .await?;
        with_position::<Shown>(&rows)
    })
    .await?;
    let visible = rows.into_iter().find(|shown| shown.post.is_visible_to(&read.caller));
    let Some(Shown { post, removal }) = visible else {
        return Err(ReadError::not_found(position, NOT_FOUND));
    };
    let removal = removal.open(&app.opener, "post", id.0).await?;
    let post = open(&app.opener, vec![post]).await?.pop();
    let post = post.map(|post| Post { removal, ..post });
    Ok(read.object(position, &post))
}

/// A post's score (E15).
#[derive(Serialize, FromRow, ToSchema)]
pub struct PostScore {
    post_id: Uuid,
    /// Upvotes less downvotes (PVT-04).
    score: i64,
    upvotes: i64,
    downvotes: i64,
    /// Of the last vote.
    updated_at: Instant,
}

/// Shows a post's score alone.
#[utoipa::path(get, path = "/v1/posts/{id}/score", tag = "Posts",
    params(("id" = Uuid, Path, description = "The post's id")),
    responses((status = 200, description = "The score", body = PostScore),
              (status = 304), (status = 404)))]
pub async fn score(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let id: PostId = read.path.parse("id")?;
    let viewer = read.caller.actor().map(|actor| actor.id);
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, s.*
             FROM (SELECT least(coalesce(read.served_position('posts'), 0),
                                coalesce(read.served_position('post_scores'), 0),
                                coalesce(read.served_position('communities'), 0)) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT o.id AS post_id, coalesce(s.score, 0) AS score,
                        coalesce(s.upvotes, 0) AS upvotes, coalesce(s.downvotes, 0) AS downvotes,
                        coalesce(s.updated_at, o.created_at) AS updated_at
                 FROM read.posts o
                 JOIN read.communities c
                   ON c.id = o.community_platform_community_id AND c.deleted_at IS NULL
                 LEFT JOIN read.post_scores s ON s.post_id = o.id
                 WHERE o.id = $1
                   AND (o.deleted_at IS NULL
                        OR coalesce(o.author_memberuser_id, o.author_adminuser_id) = $2)
             ) s ON true",
        )
        .bind(id.0)
        .bind(viewer)
        .fetch_all(&app.reads)
        .await?;
        with_position::<PostScore>(&rows)
    })
    .await?;
    match rows.first() {
        Some(score) => Ok(read.object(position, score)),
        None => Err(ReadError::not_found(position, NOT_FOUND)),
    }
}
