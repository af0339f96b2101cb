//! Lists of comments (E17): the threads of a post, the replies to a comment, or all of a post's comments
//! in the order of their age. Any depth costs the same: a part of a list is one range of an index, and
//! replies are counted when they are written (CMT-03, CMT-11). Placeholders keep their places.

use agora_domain::{
    content::ranking::top_level,
    ids::{CommentId, PostId},
};
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use sqlx::{Row, postgres::PgRow};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::comments::{COLUMNS, Comment, CommentRow, NOT_FOUND, OPEN, POSITION, open};
use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{FromParams, Params, instant},
    ranked::{Things, walk::Walk},
    reply::{List, ListAsOf},
    request::Read,
    rows::{Instant, PlaceInTime, with_position},
};

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
    /// Score and age in one.
    Hot,
}

impl Sort {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
            Self::Top => "top",
            Self::Hot => "hot",
        }
    }
}

/// In which order, and as of when.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Order {
    /// `top`: the highest score first; `hot`: score and age in one; `new`: the newest first; `old`:
    /// the oldest first. docs/ranking.md has the formulas.
    #[param(required = false, inline)]
    sort: Sort,
    /// The list as if it were then: without later comments, and with ages counted from then. Votes,
    /// edits and deletions count as they are now.
    #[param(required = false)]
    as_of: Option<DateTime<Utc>>,
}

impl FromParams for Order {
    fn from_params(params: &mut Params) -> Self {
        let sort = params.value("sort", |text| match text {
            "old" => Ok(Sort::Old),
            "new" => Ok(Sort::New),
            "top" => Ok(Sort::Top),
            "hot" => Ok(Sort::Hot),
            _ => Err("must be old, new, top or hot".into()),
        });
        Self { sort: sort.unwrap_or_default(), as_of: params.value("as_of", instant) }
    }
}

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
    /// The place, `$1`, if its post is open.
    fn places(self) -> String {
        match self {
            Self::Threads(_) | Self::All(_) => {
                format!("SELECT o.id FROM read.posts o WHERE o.id = $1 AND {OPEN}")
            }
            Self::Replies(_) => format!(
                "SELECT r.id FROM read.comments r JOIN read.posts o ON o.id = r.post_id AND {OPEN}
                 WHERE r.id = $1"
            ),
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

    const fn things(self) -> Things {
        Things {
            table: "read.comments",
            place: match self {
                Self::Threads(_) | Self::Replies(_) => "answers",
                Self::All(_) => "post_id",
            },
            listed: "true",
            scores: "read.comment_scores",
            ranks: "read.comment_ranks",
            rank_place: "answers",
            id: "comment_id",
        }
    }
}

async fn list(
    app: &Shared,
    read: &Read<impl Send + Sync>,
    scope: Scope,
    order: &Order,
    page: &Page,
) -> Result<Response, ReadError> {
    let sort = order.sort;
    let list = format!("comments/{}/{}/{}", scope.as_str(), sort.as_str(), scope.id());
    let walk = Walk::begin(app, page, &list, order.as_of)?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = fetch(app, scope, sort, &walk, page).await?;
        let places: i64 = rows.first().map_or(Ok(0), |row| row.try_get("places"))?;
        let (position, comments) = with_position::<CommentRow>(&rows)?;
        Ok((position, (places > 0).then_some(comments)))
    })
    .await?;
    let rows = rows.ok_or_else(|| match scope {
        Scope::Threads(_) | Scope::All(_) => {
            ReadError::not_found(position, "There is no post of this id, or it is deleted.")
        }
        Scope::Replies(_) => ReadError::not_found(position, NOT_FOUND),
    })?;
    let as_of = Instant(walk.as_of());
    let moves = matches!(sort, Sort::Top | Sort::Hot);
    let (comments, next) = walk.cut(app, page, rows, moves, CommentRow::standing);
    let items = open(&app.opener, &read.caller, comments).await?;
    Ok(match scope {
        Scope::Threads(_) | Scope::Replies(_) => {
            read.part(position, &ListAsOf { as_of, items, next })
        }
        Scope::All(_) => read.list(position, &List { items, next }),
    })
}

/// The rows of one part, and one more, with whether the place is there.
async fn fetch(
    app: &Shared,
    scope: Scope,
    sort: Sort,
    walk: &Walk,
    page: &Page,
) -> Result<Vec<PgRow>, sqlx::Error> {
    let (things, places) = (scope.things(), scope.places());
    let ranked = match sort {
        Sort::Old => things.oldest(),
        Sort::New => things.newest(),
        Sort::Top => things.top(),
        Sort::Hot => things.hot(),
    };
    let direction = if sort == Sort::Old { "ASC" } else { "DESC" };
    let statement = format!(
        "WITH RECURSIVE places AS MATERIALIZED ({places}), {ranked}
         SELECT p.*, x.*, n.places
         FROM {POSITION}
         CROSS JOIN (SELECT count(*) AS places FROM places) n
         LEFT JOIN (
             SELECT {COLUMNS}, r.value
             FROM ranked r JOIN read.comments c ON c.id = r.id
             LEFT JOIN read.comment_scores s ON s.comment_id = c.id
         ) x ON true
         ORDER BY x.value {direction}, x.created_at {direction}, x.id {direction}"
    );
    let (at, until, last) = (walk.at(), walk.until(), walk.last());
    let score = last.map(|last| last.score());
    let query = sqlx::query(&statement).bind(scope.id()).bind(page.rows());
    let query = match sort {
        Sort::Old => {
            let at = last.map_or(PlaceInTime(DateTime::UNIX_EPOCH, Uuid::nil()), |last| last.at);
            query.bind(at.0).bind(at.1).bind(until)
        }
        Sort::New => query.bind(at.0.min(until)).bind(at.1),
        Sort::Top => query
            .bind(at.0)
            .bind(at.1)
            .bind(DateTime::UNIX_EPOCH)
            .bind(until)
            .bind(score.map_or(i32::MAX, top_level))
            .bind(score.unwrap_or(i64::MAX)),
        Sort::Hot => query.bind(at.0).bind(at.1).bind(walk.as_of()).bind(until).bind(score),
    };
    query.fetch_all(&app.rankings).await
}

/// Lists the comments on a post itself, each with the number of its replies.
#[utoipa::path(get, path = "/v1/posts/{id}/comments", tag = "Comments",
    params(("id" = Uuid, Path, description = "The post's id"), Order, Page),
    responses((status = 200, description = "A part of the list", body = ListAsOf<Comment>),
              (status = 404)))]
pub async fn threads(
    State(app): State<Shared>,
    read: Read<(Order, Page)>,
) -> Result<Response, ReadError> {
    let post: PostId = read.path.parse("id")?;
    let (order, page) = &read.query;
    list(&app, &read, Scope::Threads(post), order, page).await
}

/// Lists the direct replies to a comment, each with the number of its own.
#[utoipa::path(get, path = "/v1/comments/{id}/replies", tag = "Comments",
    params(("id" = Uuid, Path, description = "The comment's id"), Order, Page),
    responses((status = 200, description = "A part of the list", body = ListAsOf<Comment>),
              (status = 404)))]
pub async fn replies(
    State(app): State<Shared>,
    read: Read<(Order, Page)>,
) -> Result<Response, ReadError> {
    let comment: CommentId = read.path.parse("id")?;
    let (order, page) = &read.query;
    list(&app, &read, Scope::Replies(comment), order, page).await
}

/// Lists all comments of a post, of every depth, the oldest first: parents come before replies.
#[utoipa::path(get, path = "/v1/posts/{id}/comments/all", tag = "Comments",
    params(("id" = Uuid, Path, description = "The post's id"), Page),
    responses((status = 200, description = "A part of the list", body = List<Comment>),
              (status = 404)))]
pub async fn all(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let post: PostId = read.path.parse("id")?;
    let order = Order { sort: Sort::Old, as_of: None };
    list(&app, &read, Scope::All(post), &order, &read.query).await
}
