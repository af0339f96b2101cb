//! Search of communities by name and description (COM-11).

use agora_event_store::searches::Scope;
use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Search;
use crate::{
    app::Shared,
    error::ReadError,
    paging::Page,
    reply::List,
    request::Read,
    rows::Instant,
    search::{Asked, Index, Kept, KeptFound, Ranked, Shown},
};

/// A community that was found; all of it is at `/v1/communities/{name}`.
#[derive(Serialize, ToSchema)]
pub struct FoundCommunity {
    id: Uuid,
    #[schema(example = "rustaceans")]
    name: String,
    member_count: i64,
    created_at: Instant,
    /// The name as HTML: escaped, with `<mark>` around words that were found.
    #[schema(example = "<mark>rustaceans</mark>")]
    name_html: String,
    /// The same of the description.
    description_html: Option<String>,
    /// The greater the better; comparable within one query only.
    rank: i64,
}

#[derive(Clone, FromRow)]
pub(crate) struct CommunityRow {
    id: Uuid,
    name: String,
    description: Option<String>,
    member_count: i64,
    created_at: Instant,
    rank: i64,
}

impl Ranked for CommunityRow {
    fn rank(&self) -> (i64, Uuid) {
        (self.rank, self.id)
    }

    fn bytes(&self) -> usize {
        self.name.len() + self.description.as_ref().map_or(0, String::len)
    }

    fn kept(all: &KeptFound) -> &Kept<Self> {
        &all.communities
    }
}

const INDEX: Index = Index {
    table: "community_search",
    position: "least(coalesce(read.served_position('community_search'), 0),
               coalesce(read.served_position('communities'), 0))",
    rows: "SELECT r.id, c.name, c.description, c.member_count, c.created_at, r.rank
         FROM ranked r JOIN read.communities c ON c.id = r.id
         WHERE c.deleted_at IS NULL",
};

/// Finds communities by their names and descriptions.
///
/// Sorted by rank; of more than 200 matches the 200 newest come first, ranked, then the next 200. A
/// part may be shorter than `limit`: it is the last where `next` is null. The first part may be the answer
/// that somebody else was given up to a second ago; a read with `min_position` gets nothing older than that.
#[utoipa::path(get, path = "/v1/search/communities", tag = "Search", params(Asked, Page),
    responses((status = 200, description = "A part of the list", body = List<FoundCommunity>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Asked, Page)>,
) -> Result<Response, ReadError> {
    let (asked, page) = &read.query;
    let asked = Search { scope: Scope::Communities, query: asked.query()?, within: None, page };
    let (position, words, part) = asked.part::<CommunityRow>(&app, &read, &INDEX).await?;
    let mut texts = Vec::new();
    for row in &part.items {
        texts.push((Shown::Whole, row.name.clone()));
        texts.push((Shown::Whole, row.description.clone().unwrap_or_default()));
    }
    let mut html = words.marked(&app.rankings, &texts).await.into_iter();
    let items = part.items.into_iter().map(|row| FoundCommunity {
        name_html: html.next().unwrap_or_default(),
        description_html: html.next().filter(|_| row.description.is_some()),
        id: row.id,
        name: row.name,
        member_count: row.member_count,
        created_at: row.created_at,
        rank: row.rank,
    });
    let items = items.collect();
    Ok(read.list(position, &List { items, next: part.next }))
}
