//! Search of comments by their text.

use agora_event_store::searches::Scope;
use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Readable, Search, Written, readable};
use crate::{
    app::Shared,
    error::ReadError,
    paging::Page,
    reply::List,
    request::Read,
    rows::Instant,
    search::{Asked, Index, Kept, KeptFound, Ranked, Within},
};

/// A comment that was found; all of it is at `/v1/comments/{id}`.
#[derive(Serialize, ToSchema)]
pub struct FoundComment {
    id: Uuid,
    post_id: Uuid,
    #[schema(example = "rustaceans")]
    community_name: String,
    /// Set where a member wrote it.
    author_memberuser_id: Option<Uuid>,
    /// Set where a guest wrote it.
    author_guestuser_id: Option<Uuid>,
    /// Set where an admin wrote it.
    author_adminuser_id: Option<Uuid>,
    #[schema(example = "Anonymous")]
    display_name: String,
    created_at: Instant,
    /// Upvotes less downvotes.
    score: i64,
    /// Parts of the comment in which words were found, as HTML: escaped, with `<mark>` around them.
    body_html: String,
    /// The greater the better; comparable within one query only.
    rank: i64,
}

#[derive(Clone, FromRow)]
pub(crate) struct CommentRow {
    id: Uuid,
    post_id: Uuid,
    community_name: String,
    author_memberuser_id: Option<Uuid>,
    author_guestuser_id: Option<Uuid>,
    author_adminuser_id: Option<Uuid>,
    display_name: Option<String>,
    body: String,
    created_at: Instant,
    score: i64,
    rank: i64,
}

impl Ranked for CommentRow {
    fn rank(&self) -> (i64, Uuid) {
        (self.rank, self.id)
    }

    fn bytes(&self) -> usize {
        self.texts().iter().map(|(_, text)| text.len()).sum()
    }

    fn kept(all: &KeptFound) -> &Kept<Self> {
        &all.comments
    }
}

impl Written for CommentRow {
    const KIND: &'static str = "comment";

    fn texts(&self) -> Vec<(&'static str, &str)> {
        vec![("body", &self.body)]
    }

    fn name(&self) -> (&'static str, Option<&str>) {
        ("display_name", self.display_name.as_deref())
    }
}

const INDEX: Index = Index {
    table: "comment_search",
    position: "least(coalesce(read.served_position('comment_search'), 0),
               coalesce(read.served_position('comments'), 0),
               coalesce(read.served_position('comment_scores'), 0),
               coalesce(read.served_position('posts'), 0),
               coalesce(read.served_position('communities'), 0))",
    rows: "SELECT r.id, k.post_id, c.name AS community_name, k.author_memberuser_id,
                k.author_guestuser_id, k.author_adminuser_id, k.display_name, k.body, k.created_at,
                coalesce(v.score, 0) AS score, r.rank
         FROM ranked r
         JOIN read.comments k ON k.id = r.id
         JOIN read.posts o ON o.id = k.post_id
         JOIN read.communities c ON c.id = o.community_platform_community_id
         LEFT JOIN read.comment_scores v ON v.comment_id = k.id
         WHERE k.deleted_at IS NULL AND o.deleted_at IS NULL AND c.deleted_at IS NULL",
};

/// Finds comments by their text.
///
/// Sorted by rank; of more than 200 matches the 200 newest come first, ranked, then the next 200. A
/// part may be shorter than `limit`: it is the last where `next` is null. The first part may be the answer
/// that somebody else was given up to a second ago; a read with `min_position` gets nothing older than that.
#[utoipa::path(get, path = "/v1/search/comments", tag = "Search", params(Asked, Within, Page),
    responses((status = 200, description = "A part of the list", body = List<FoundComment>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Asked, (Within, Page))>,
) -> Result<Response, ReadError> {
    let (asked, (within, page)) = &read.query;
    let within = within.folded();
    let asked = Search { scope: Scope::Comments, query: asked.query()?, within, page };
    let (position, words, part) = asked.part::<CommentRow>(&app, &read, &INDEX).await?;
    let found = readable(&app, &words, part.items).await?;
    let items = found.into_iter().map(|(row, Readable { name, html })| FoundComment {
        id: row.id,
        post_id: row.post_id,
        community_name: row.community_name,
        author_memberuser_id: row.author_memberuser_id,
        author_guestuser_id: row.author_guestuser_id,
        author_adminuser_id: row.author_adminuser_id,
        display_name: name,
        created_at: row.created_at,
        score: row.score,
        body_html: html.into_iter().next().unwrap_or_default(),
        rank: row.rank,
    });
    let items = items.collect();
    Ok(read.list(position, &List { items, next: part.next }))
}
