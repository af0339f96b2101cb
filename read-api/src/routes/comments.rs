//! Comments (E17) with their scores (E18): the threads of a post, the replies to a comment, or all of
//! a post's comments in the order of their age. Any depth costs the same: a part of a list is one
//! range of an index, and replies are counted when they are written (CMT-03, CMT-11).

use agora_domain::ids::{CommentId, PostId};
use agora_event_store::{Opener, Position, vault::VaultError};
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Row};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    access::Caller,
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{FromParams, Params},
    reply::List,
    request::Read,
    rows::{Instant, PlaceInTime, Sealed, with_position},
};

/// A comment (E17) with its score (E18).
#[derive(Serialize, ToSchema)]
pub struct Comment {
    id: Uuid,
    post_id: Uuid,
    /// The comment that it answers; null where it is about the post.
    parent_comment_id: Option<Uuid>,
    /// 0 for a comment on the post, else one more than the parent's.
    depth: i64,
    /// Set where a member wrote it. No author is told of a deleted comment.
    author_memberuser_id: Option<Uuid>,
    /// Set where a guest wrote it.
    author_guestuser_id: Option<Uuid>,
    /// Set where an admin wrote it.
    author_adminuser_id: Option<Uuid>,
    /// Plain text with line breaks. Null where it was deleted (then only its author still reads it)
    /// or erased.
    body: Option<String>,
    /// As it was when the comment was written; `Anonymous` where there is none, or it was erased.
    /// Null where the comment was deleted.
    #[schema(example = "Anonymous")]
    display_name: Option<String>,
    created_at: Instant,
    updated_at: Instant,
    /// Set where it was deleted: it stays in its tree as a placeholder.
    deleted_at: Option<Instant>,
    /// Upvotes less downvotes.
    score: i64,
    upvotes: i64,
    downvotes: i64,
    /// Direct replies, placeholders too.
    reply_count: i64,
    /// True where the body was erased for good.
    erased: bool,
    /// The number of its events: for `If-Match` of commands.
    sequence: i64,
}

/// As it stands in the read tables, personal fields sealed.
#[derive(FromRow)]
struct CommentRow {
    id: Uuid,
    post_id: Uuid,
    parent_comment_id: Option<Uuid>,
    depth: i64,
    author_memberuser_id: Option<Uuid>,
    author_guestuser_id: Option<Uuid>,
    author_adminuser_id: Option<Uuid>,
    body: String,
    display_name: Option<String>,
    created_at: Instant,
    updated_at: Instant,
    deleted_at: Option<Instant>,
    score: i64,
    upvotes: i64,
    downvotes: i64,
    reply_count: i64,
    sequence: i64,
}

impl CommentRow {
    fn is_hidden_from(&self, caller: &Caller) -> bool {
        let author =
            self.author_memberuser_id.or(self.author_adminuser_id).or(self.author_guestuser_id);
        self.deleted_at.is_some() && caller.actor().map(|actor| actor.id) != author
    }
}

/// Opens the comments' personal fields, with one question to the vault for all. What is hidden from
/// the caller is not opened.
async fn open(
    opener: &Opener,
    caller: &Caller,
    rows: Vec<CommentRow>,
) -> Result<Vec<Comment>, VaultError> {
    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(rows.len());
    for row in &rows {
        let hidden = row.is_hidden_from(caller);
        let shown = |text| if hidden { None } else { text };
        let body = sealed.add("comment", row.id, "body", shown(Some(row.body.as_str())));
        let name = row.display_name.as_deref();
        slots.push((hidden, body, sealed.add("comment", row.id, "display_name", shown(name))));
    }
    let open = sealed.open(opener).await?;
    let comments = rows.into_iter().zip(slots).map(|(row, (hidden, body, name))| {
        let body = open.text(body);
        let author = |id: Option<Uuid>| id.filter(|_| !hidden);
        Comment {
            id: row.id,
            post_id: row.post_id,
            parent_comment_id: row.parent_comment_id,
            depth: row.depth,
            author_memberuser_id: author(row.author_memberuser_id),
            author_guestuser_id: author(row.author_guestuser_id),
            author_adminuser_id: author(row.author_adminuser_id),
            erased: !hidden && body.is_none(),
            body,
            display_name: (!hidden).then(|| open.name(name)),
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
            score: row.score,
            upvotes: row.upvotes,
            downvotes: row.downvotes,
            reply_count: row.reply_count,
            sequence: row.sequence,
        }
    });
    Ok(comments.collect())
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Sort {
    /// The oldest first.
    Old,
    /// The newest first.
    New,
    /// The highest score first.
    #[default]
    Top,
}

impl Sort {
    fn parse(params: &mut Params) -> Self {
        let sort = params.value("sort", |text| match text {
            "old" => Ok(Self::Old),
            "new" => Ok(Self::New),
            "top" => Ok(Self::Top),
            _ => Err("must be old, new or top".into()),
        });
        sort.unwrap_or_default()
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
            Self::Top => "top",
        }
    }
}

/// In which order.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Order {
    /// `top`: the highest score first; `new`: the newest first; `old`: the oldest first.
    #[param(required = false, inline)]
    sort: Sort,
}

impl FromParams for Order {
    fn from_params(params: &mut Params) -> Self {
        Self { sort: Sort::parse(params) }
    }
}

/// A place in the list by score.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct PlaceByScore(i64, Uuid);

const COLUMNS: &str = "c.id, c.post_id, c.parent_comment_id, c.depth, c.author_memberuser_id,
    c.author_guestuser_id, c.author_adminuser_id, c.body, c.display_name, c.created_at,
    c.updated_at, c.deleted_at, coalesce(s.score, 0) AS score, coalesce(s.upvotes, 0) AS upvotes,
    coalesce(s.downvotes, 0) AS downvotes, c.reply_count, c.sequence";

const POSITION: &str = "(SELECT least(coalesce(read.served_position('comments'), 0),
                        coalesce(read.served_position('comment_scores'), 0),
                        coalesce(read.served_position('posts'), 0),
                        coalesce(read.served_position('communities'), 0))) p";

/// That the post `o` and its community are there for everybody.
const OPEN: &str = "o.deleted_at IS NULL AND EXISTS (
    SELECT FROM read.communities m
    WHERE m.id = o.community_platform_community_id AND m.deleted_at IS NULL)";

/// What a list is of.
#[derive(Clone, Copy)]
enum Scope {
    /// The threads of a post.
    Threads(PostId),
    /// The direct replies to a comment.
    Replies(CommentId),
    /// All comments of a post.
    All(PostId),
}

impl Scope {
    /// The post `o` that must be open for the list to be there.
    const fn post(self) -> &'static str {
        match self {
            Self::Threads(_) | Self::All(_) => "o.id = $1",
            Self::Replies(_) => "o.id = (SELECT r.post_id FROM read.comments r WHERE r.id = $1)",
        }
    }

    const fn column(self) -> &'static str {
        match self {
            Self::Threads(_) | Self::Replies(_) => "answers",
            Self::All(_) => "post_id",
        }
    }

    const fn id(self) -> Uuid {
        match self {
            Self::Threads(post) | Self::All(post) => post.0,
            Self::Replies(comment) => comment.0,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Threads(_) => "threads",
            Self::Replies(_) => "replies",
            Self::All(_) => "all",
        }
    }

    /// By age, in either direction. Placeholders stay where the comment was.
    fn by_age(self, sort: Sort) -> String {
        let (after, direction) = if sort == Sort::Old { (">", "ASC") } else { ("<", "DESC") };
        let (post, column) = (self.post(), self.column());
        format!(
            "SELECT p.*, x.*, o.id AS open_post
             FROM {POSITION}
             LEFT JOIN read.posts o ON {post} AND {OPEN}
             LEFT JOIN LATERAL (
                 SELECT {COLUMNS}
                 FROM read.comments c LEFT JOIN read.comment_scores s ON s.comment_id = c.id
                 WHERE o.id IS NOT NULL AND c.{column} = $1 AND (c.created_at, c.id) {after} ($2, $3)
                 ORDER BY c.created_at {direction}, c.id {direction} LIMIT $4
             ) x ON true
             ORDER BY x.created_at {direction}, x.id {direction}"
        )
    }

    fn by_score(self) -> String {
        let post = self.post();
        format!(
            "SELECT p.*, x.*, o.id AS open_post
             FROM {POSITION}
             LEFT JOIN read.posts o ON {post} AND {OPEN}
             LEFT JOIN LATERAL (
                 SELECT {COLUMNS}
                 FROM read.comment_scores s JOIN read.comments c ON c.id = s.comment_id
                 WHERE o.id IS NOT NULL AND s.answers = $1 AND (s.score, s.comment_id) < ($2, $3)
                 ORDER BY s.score DESC, s.comment_id DESC LIMIT $4
             ) x ON true
             ORDER BY x.score DESC, x.id DESC"
        )
    }
}

async fn list(
    app: &Shared,
    read: &Read<impl Send + Sync>,
    scope: Scope,
    sort: Sort,
    page: &Page,
) -> Result<Response, ReadError> {
    let list = format!("comments/{}/{}/{}", scope.as_str(), sort.as_str(), scope.id());
    let (position, part) = if sort == Sort::Top {
        let below = page.place(app, &list, PlaceByScore(i64::MAX, Uuid::max()))?;
        let (position, rows) =
            fetch(app, read, &scope.by_score(), scope, (below.0, below.1), page).await?;
        (position, page.cut(app, &list, rows, |last| PlaceByScore(last.score, last.id)))
    } else {
        let start = match sort {
            Sort::Old => PlaceInTime(DateTime::<Utc>::UNIX_EPOCH, Uuid::nil()),
            Sort::New | Sort::Top => PlaceInTime::start(),
        };
        let from = page.place(app, &list, start)?;
        let (position, rows) =
            fetch(app, read, &scope.by_age(sort), scope, (from.0, from.1), page).await?;
        (position, page.cut(app, &list, rows, |last| PlaceInTime(last.created_at.0, last.id)))
    };
    let items = open(&app.opener, &read.caller, part.items).await?;
    Ok(read.list(position, &List { items, next: part.next }))
}

async fn fetch<P>(
    app: &Shared,
    read: &Read<impl Send + Sync>,
    statement: &str,
    scope: Scope,
    place: (P, Uuid),
    page: &Page,
) -> Result<(Position, Vec<CommentRow>), ReadError>
where
    P: Copy + Send + Sync + for<'q> sqlx::Encode<'q, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(statement)
            .bind(scope.id())
            .bind(place.0)
            .bind(place.1)
            .bind(page.rows())
            .fetch_all(&app.reads)
            .await?;
        let open: Option<Uuid> =
            rows.first().map(|row| row.try_get("open_post")).transpose()?.flatten();
        let (position, comments) = with_position::<CommentRow>(&rows)?;
        Ok((position, open.map(|_| comments)))
    })
    .await?;
    let rows = rows.ok_or_else(|| match scope {
        Scope::Threads(_) | Scope::All(_) => {
            ReadError::not_found(position, "There is no post of this id, or it is deleted.")
        }
        Scope::Replies(_) => ReadError::not_found(position, NOT_FOUND),
    })?;
    Ok((position, rows))
}

const NOT_FOUND: &str = "There is no comment of this id, or its post is deleted.";

/// Lists the comments on a post itself, each with the number of its replies.
#[utoipa::path(get, path = "/v1/posts/{id}/comments", tag = "Comments",
    params(("id" = Uuid, Path, description = "The post's id"), Order, Page),
    responses((status = 200, description = "A part of the list", body = List<Comment>),
              (status = 404)))]
pub async fn threads(
    State(app): State<Shared>,
    read: Read<(Order, Page)>,
) -> Result<Response, ReadError> {
    let post: PostId = read.path.parse("id")?;
    let (Order { sort }, page) = &read.query;
    list(&app, &read, Scope::Threads(post), *sort, page).await
}

/// Lists the direct replies to a comment, each with the number of its own.
#[utoipa::path(get, path = "/v1/comments/{id}/replies", tag = "Comments",
    params(("id" = Uuid, Path, description = "The comment's id"), Order, Page),
    responses((status = 200, description = "A part of the list", body = List<Comment>),
              (status = 404)))]
pub async fn replies(
    State(app): State<Shared>,
    read: Read<(Order, Page)>,
) -> Result<Response, ReadError> {
    let comment: CommentId = read.path.parse("id")?;
    let (Order { sort }, page) = &read.query;
    list(&app, &read, Scope::Replies(comment), *sort, page).await
}

/// Lists all comments of a post, of every depth, the oldest first: parents come before replies.
#[utoipa::path(get, path = "/v1/posts/{id}/comments/all", tag = "Comments",
    params(("id" = Uuid, Path, description = "The post's id"), Page),
    responses((status = 200, description = "A part of the list", body = List<Comment>),
              (status = 404)))]
pub async fn all(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let post: PostId = read.path.parse("id")?;
    list(&app, &read, Scope::All(post), Sort::Old, &read.query).await
}

/// Shows a comment.
#[utoipa::path(get, path = "/v1/comments/{id}", tag = "Comments",
    params(("id" = Uuid, Path, description = "The comment's id")),
    responses((status = 200, description = "The comment", body = Comment),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let id: CommentId = read.path.parse("id")?;
    let statement = format!(
        "SELECT p.*, x.*
         FROM {POSITION}
         LEFT JOIN LATERAL (
             SELECT {COLUMNS}
             FROM read.comments c
             JOIN read.posts o ON o.id = c.post_id AND {OPEN}
             LEFT JOIN read.comment_scores s ON s.comment_id = c.id
             WHERE c.id = $1
         ) x ON true"
    );
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(&statement).bind(id.0).fetch_all(&app.reads).await?;
        with_position::<CommentRow>(&rows)
    })
    .await?;
    match open(&app.opener, &read.caller, rows).await?.first() {
        Some(comment) => Ok(read.object(position, comment)),
        None => Err(ReadError::not_found(position, NOT_FOUND)),
    }
}
