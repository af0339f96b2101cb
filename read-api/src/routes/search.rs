//! Full-text search of communities (COM-11), posts (PST-10) and comments. What is deleted, or stands
//! in what is deleted, is not found (COM-09, PST-08); nor is what was erased.
//!
//! Sorted by rank (Postgres' `ts_rank_cd`: cover density, less for long texts; words of a title or a
//! name count two and a half times those of a body), among equals the newest first. Of more than 200
//! matches the 200 newest come first, ranked, then the next 200.

use agora_domain::values::SearchQuery;
use agora_event_store::{Position, searches::Scope};
use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::{FromRow, postgres::PgRow};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::{App, Shared},
    error::ReadError,
    freshness::fresh,
    paging::Page,
    reply::List,
    request::{Freshness, Read},
    rows::{Instant, Sealed},
    search::{Asked, Place, Ranked, Shown, Window, Within, cut, found, marked, parsed, statement},
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

#[derive(FromRow)]
struct CommunityRow {
    id: Uuid,
    name: String,
    description: Option<String>,
    member_count: i64,
    created_at: Instant,
    rank: i64,
}

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

#[derive(FromRow)]
struct PostRow {
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

#[derive(FromRow)]
struct CommentRow {
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

impl Ranked for CommunityRow {
    fn rank(&self) -> (i64, Uuid) {
        (self.rank, self.id)
    }
}

impl Ranked for PostRow {
    fn rank(&self) -> (i64, Uuid) {
        (self.rank, self.id)
    }
}

impl Ranked for CommentRow {
    fn rank(&self) -> (i64, Uuid) {
        (self.rank, self.id)
    }
}

/// Finds communities by their names and descriptions.
///
/// Sorted by rank; of more than 200 matches the 200 newest come first, ranked, then the next 200. A
/// part may be shorter than `limit`: it is the last where `next` is null.
#[utoipa::path(get, path = "/v1/search/communities", tag = "Search", params(Asked, Page),
    responses((status = 200, description = "A part of the list", body = List<FoundCommunity>)))]
pub async fn communities(
    State(app): State<Shared>,
    read: Read<(Asked, Page)>,
) -> Result<Response, ReadError> {
    let (asked, page) = &read.query;
    let asked = Search { scope: Scope::Communities, query: asked.query()?, within: None, page };
    let statement = statement(
        "community_search",
        "least(coalesce(read.served_position('community_search'), 0),
               coalesce(read.served_position('communities'), 0))",
        "",
        "SELECT r.id, c.name, c.description, c.member_count, c.created_at, r.rank
         FROM ranked r JOIN read.communities c ON c.id = r.id
         WHERE c.deleted_at IS NULL",
    );
    let (position, query, part) =
        asked.part::<CommunityRow>(&app, &read, read.freshness, &statement).await?;
    let mut texts = Vec::new();
    for row in &part.items {
        texts.push((Shown::Whole, row.name.clone()));
        texts.push((Shown::Whole, row.description.clone().unwrap_or_default()));
    }
    let mut html = marked(&app.rankings, &query, &texts).await?.into_iter();
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

/// Finds posts by their titles and bodies.
///
/// Sorted by rank; of more than 200 matches the 200 newest come first, ranked, then the next 200. A
/// part may be shorter than `limit`: it is the last where `next` is null.
#[utoipa::path(get, path = "/v1/search/posts", tag = "Search", params(Asked, Within, Page),
    responses((status = 200, description = "A part of the list", body = List<FoundPost>)))]
pub async fn posts(
    State(app): State<Shared>,
    read: Read<(Asked, (Within, Page))>,
) -> Result<Response, ReadError> {
    let (asked, (within, page)) = &read.query;
    let within = within.folded();
    let asked = Search { scope: Scope::Posts, query: asked.query()?, within, page };
    let statement = statement(
        "post_search",
        "least(coalesce(read.served_position('post_search'), 0),
               coalesce(read.served_position('posts'), 0),
               coalesce(read.served_position('post_scores'), 0),
               coalesce(read.served_position('communities'), 0))",
        asked.in_community(),
        "SELECT r.id, o.community_platform_community_id, c.name AS community_name,
                o.author_memberuser_id, o.author_adminuser_id, o.author_display_name, o.title,
                o.body, o.created_at, coalesce(v.score, 0) AS score, r.rank
         FROM ranked r
         JOIN read.posts o ON o.id = r.id
         JOIN read.communities c ON c.id = o.community_platform_community_id
         LEFT JOIN read.post_scores v ON v.post_id = o.id
         WHERE o.deleted_at IS NULL AND c.deleted_at IS NULL",
    );
    let (position, query, part) =
        asked.part::<PostRow>(&app, &read, read.freshness, &statement).await?;
    let mut sealed = Sealed::default();
    let slots: Vec<_> = part
        .items
        .iter()
        .map(|row| {
            (
                sealed.add("post", row.id, "title", Some(&row.title)),
                sealed.add("post", row.id, "body", Some(&row.body)),
                sealed.add(
                    "post",
                    row.id,
                    "author_display_name",
                    row.author_display_name.as_deref(),
                ),
            )
        })
        .collect();
    let open = sealed.open(&app.opener).await?;
    // What was erased a moment ago may still be in the index.
    let readable: Vec<_> = part
        .items
        .iter()
        .zip(slots)
        .filter_map(|(row, (title, body, name))| {
            Some((row, open.text(title)?, open.text(body)?, open.name(name)))
        })
        .collect();
    let texts: Vec<_> = readable
        .iter()
        .flat_map(|(_, title, body, _)| {
            [(Shown::Whole, title.clone()), (Shown::of(body), body.clone())]
        })
        .collect();
    let mut html = marked(&app.rankings, &query, &texts).await?.into_iter();
    let items = readable.into_iter().map(|(row, _, _, author_display_name)| FoundPost {
        id: row.id,
        community_platform_community_id: row.community_platform_community_id,
        community_name: row.community_name.clone(),
        author_memberuser_id: row.author_memberuser_id,
        author_adminuser_id: row.author_adminuser_id,
        author_display_name,
        created_at: row.created_at,
        score: row.score,
        title_html: html.next().unwrap_or_default(),
        body_html: html.next().unwrap_or_default(),
        rank: row.rank,
    });
    let items = items.collect();
    Ok(read.list(position, &List { items, next: part.next }))
}

/// Finds comments by their text.
///
/// Sorted by rank; of more than 200 matches the 200 newest come first, ranked, then the next 200. A
/// part may be shorter than `limit`: it is the last where `next` is null.
#[utoipa::path(get, path = "/v1/search/comments", tag = "Search", params(Asked, Within, Page),
    responses((status = 200, description = "A part of the list", body = List<FoundComment>)))]
pub async fn comments(
    State(app): State<Shared>,
    read: Read<(Asked, (Within, Page))>,
) -> Result<Response, ReadError> {
    let (asked, (within, page)) = &read.query;
    let within = within.folded();
    let asked = Search { scope: Scope::Comments, query: asked.query()?, within, page };
    let statement = statement(
        "comment_search",
        "least(coalesce(read.served_position('comment_search'), 0),
               coalesce(read.served_position('comments'), 0),
               coalesce(read.served_position('comment_scores'), 0),
               coalesce(read.served_position('posts'), 0),
               coalesce(read.served_position('communities'), 0))",
        asked.in_community(),
        "SELECT r.id, k.post_id, c.name AS community_name, k.author_memberuser_id,
                k.author_guestuser_id, k.author_adminuser_id, k.display_name, k.body, k.created_at,
                coalesce(v.score, 0) AS score, r.rank
         FROM ranked r
         JOIN read.comments k ON k.id = r.id
         JOIN read.posts o ON o.id = k.post_id
         JOIN read.communities c ON c.id = o.community_platform_community_id
         LEFT JOIN read.comment_scores v ON v.comment_id = k.id
         WHERE k.deleted_at IS NULL AND o.deleted_at IS NULL AND c.deleted_at IS NULL",
    );
    let (position, query, part) =
        asked.part::<CommentRow>(&app, &read, read.freshness, &statement).await?;
    let mut sealed = Sealed::default();
    let slots: Vec<_> = part
        .items
        .iter()
        .map(|row| {
            (
                sealed.add("comment", row.id, "body", Some(&row.body)),
                sealed.add("comment", row.id, "display_name", row.display_name.as_deref()),
            )
        })
        .collect();
    let open = sealed.open(&app.opener).await?;
    let readable: Vec<_> = part
        .items
        .iter()
        .zip(slots)
        .filter_map(|(row, (body, name))| Some((row, open.text(body)?, open.name(name))))
        .collect();
    let texts: Vec<_> =
        readable.iter().map(|(_, body, _)| (Shown::of(body), body.clone())).collect();
    let html = marked(&app.rankings, &query, &texts).await?;
    let items =
        readable.into_iter().zip(html).map(|((row, _, display_name), body_html)| FoundComment {
            id: row.id,
            post_id: row.post_id,
            community_name: row.community_name.clone(),
            author_memberuser_id: row.author_memberuser_id,
            author_guestuser_id: row.author_guestuser_id,
            author_adminuser_id: row.author_adminuser_id,
            display_name,
            created_at: row.created_at,
            score: row.score,
            body_html,
            rank: row.rank,
        });
    let items = items.collect();
    Ok(read.list(position, &List { items, next: part.next }))
}

/// A search, as it was asked for.
struct Search<'r> {
    scope: Scope,
    query: &'r SearchQuery,
    /// Only in the community of this name, in lower case.
    within: Option<String>,
    page: &'r Page,
}

impl Search<'_> {
    fn in_community(&self) -> &'static str {
        match self.within {
            None => "",
            Some(_) => {
                "AND s.community_id = (SELECT m.id FROM read.communities m WHERE lower(m.name) = $6)"
            }
        }
    }

    /// A part of what is found, with the query as Postgres understands it. Notes the search, but not
    /// when somebody only turns the page.
    async fn part<T>(
        &self,
        app: &App,
        read: &Read<impl Send + Sync>,
        freshness: Freshness,
        statement: &str,
    ) -> Result<(Position, String, List<T>), ReadError>
    where
        T: Ranked + Send + Unpin + for<'r> FromRow<'r, PgRow>,
    {
        let scope = self.scope.as_str();
        let list = format!("search/{scope}/{:?}/{}", self.within, self.query.as_str());
        let from = self.page.place(app, &list, Place::start())?;
        if self.page.cursor.is_none() {
            read.note_search(app, self.scope, self.query);
        }
        let query = parsed(&app.rankings, self.query).await?;
        let (position, (rows, window)): (_, (Vec<T>, Option<Window>)) =
            fresh(&app.projected, freshness, || async {
                let rows = sqlx::query(statement)
                    // A statement that is kept would come to be planned for any words at all.
                    .persistent(false)
                    .bind(&query)
                    .bind(from.before)
                    .bind(from.rank)
                    .bind(from.id)
                    .bind(self.page.rows());
                let rows = match &self.within {
                    Some(name) => rows.bind(name),
                    None => rows,
                };
                found(&rows.fetch_all(&app.rankings).await?)
            })
            .await?;
        Ok((position, query, cut(app, &list, self.page, rows, window)))
    }
}
