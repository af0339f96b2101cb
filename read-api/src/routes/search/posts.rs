//! Search of posts by title and body (PST-10).

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

/// A post that was found; all of it is at `/v1/posts/{id}`.
#[derive(Serialize, ToSchema)]
pub struct FoundPost {
    id: Uuid,
    community_platform_community_id: Uuid,
    #[schema(example = "rustaceans")]
    community_name: String,
    /// Set where a member wrote it.
    author_memberuser_id: Option<Uuid>,
    /// Set where an admin wrote it.
    author_adminuser_id: Option<Uuid>,
    #[schema(example = "Anonymous")]
    author_display_name: String,
    created_at: Instant,
    /// Upvotes less downvotes.
    score: i64,
    /// The title as HTML: escaped, with `<mark>` around words that were found.
    #[schema(example = "My first <mark>sourdough</mark>")]
    title_html: String,
    /// Parts of the body in which words were found, or its beginning, as HTML like the title.
    body_html: String,
    /// The greater the better; comparable within one query only.
    rank: i64,
}

#[derive(Clone, FromRow)]
pub(crate) struct PostRow {
    id: Uuid,
    community_platform_community_id: Uuid,
    community_name: String,
    author_memberuser_id: Option<Uuid>,
    author_adminuser_id: Option<Uuid>,
    author_display_name: Option<String>,
    title: String,
    body: String,
    created_at: Instant,
    score: i64,
    rank: i64,
}

impl Ranked for PostRow {
    fn rank(&self) -> (i64, Uuid) {
        (self.rank, self.id)
    }

    fn bytes(&self) -> usize {
        self.texts().iter().map(|(_, text)| text.len()).sum()
    }

    fn kept(all: &KeptFound) -> &Kept<Self> {
        &all.posts
    }
}

impl Written for PostRow {
    const KIND: &'static str = "post";

    fn texts(&self) -> Vec<(&'static str, &str)> {
        vec![("title", &self.title), ("body", &self.body)]
    }

    fn name(&self) -> (&'static str, Option<&str>) {
        ("author_display_name", self.author_display_name.as_deref())
    }
}

const INDEX: Index = Index {
    table: "post_search",
    position: "least(coalesce(read.served_position('post_search'), 0),
               coalesce(read.served_position('posts'), 0),
               coalesce(read.served_position('post_scores'), 0),
               coalesce(read.served_position('communities'), 0))",
    rows: "SELECT r.id, o.community_platform_community_id, c.name AS community_name,
                o.author_memberuser_id, o.author_adminuser_id, o.author_display_name, o.title,
                o.body, o.created_at, coalesce(v.score, 0) AS score, r.rank
         FROM ranked r
         JOIN read.posts o ON o.id = r.id
         JOIN read.communities c ON c.id = o.community_platform_community_id
         LEFT JOIN read.post_scores v ON v.post_id = o.id
         WHERE o.deleted_at IS NULL AND c.deleted_at IS NULL",
};

/// Finds posts by their titles and bodies.
///
/// Sorted by rank; of more than 200 matches the 200 newest come first, ranked, then the next 200. A
/// part may be shorter than `limit`: it is the last where `next` is null. The first part may be the answer
/// that somebody else was given up to a second ago; a read with `min_position` gets nothing older than that.
#[utoipa::path(get, path = "/v1/search/posts", tag = "Search", params(Asked, Within, Page),
    responses((status = 200, description = "A part of the list", body = List<FoundPost>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Asked, (Within, Page))>,
) -> Result<Response, ReadError> {
    let (asked, (within, page)) = &read.query;
    let within = within.folded();
    let asked = Search { scope: Scope::Posts, query: asked.query()?, within, page };
    let (position, words, part) = asked.part::<PostRow>(&app, &read, &INDEX).await?;
    let found = readable(&app, &words, part.items).await?;
    let items = found.into_iter().map(|(row, Readable { name, html })| {
        let mut html = html.into_iter();
        FoundPost {
            id: row.id,
            community_platform_community_id: row.community_platform_community_id,
            community_name: row.community_name,
            author_memberuser_id: row.author_memberuser_id,
            author_adminuser_id: row.author_adminuser_id,
            author_display_name: name,
            created_at: row.created_at,
            score: row.score,
            title_html: html.next().unwrap_or_default(),
            body_html: html.next().unwrap_or_default(),
            rank: row.rank,
        }
    });
    let items = items.collect();
    Ok(read.list(position, &List { items, next: part.next }))
}
