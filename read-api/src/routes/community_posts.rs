//! A community's feed, served from the read tables (PST-11).

use agora_domain::values::CommunityName;
use agora_event_store::Position;
use axum::{extract::State, response::Response};
use serde::{Deserialize, Serialize};
use sqlx::{Row, postgres::PgRow};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::posts::{Post, PostRow, open};
use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{FromParams, Params},
    reply::List,
    request::{Freshness, Read},
    rows::{PlaceInTime, with_position},
};

#[derive(Clone, Copy, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Sort {
    /// The newest first.
    #[default]
    New,
    /// The highest score first.
    Top,
}

/// Which posts are asked for, and in which order.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Feed {
    /// `new`: the newest first; `top`: the highest score first.
    #[param(required = false, inline)]
    sort: Sort,
}

impl FromParams for Feed {
    fn from_params(params: &mut Params) -> Self {
        let sort = params.value("sort", |text| match text {
            "new" => Ok(Sort::New),
            "top" => Ok(Sort::Top),
            _ => Err("must be new or top".into()),
        });
        Self { sort: sort.unwrap_or_default() }
    }
}

/// A place in the list by score.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct PlaceByScore(i64, Uuid);

/// Lists a community's posts.
#[utoipa::path(get, path = "/v1/communities/{name}/posts", tag = "Posts",
    params(("name" = String, Path, description = "The community's name, in upper or lower case",
            min_length = 5, max_length = 32, pattern = "^[A-Za-z0-9_-]+$"), Feed, Page),
    responses((status = 200, description = "A part of the list", body = List<Post>),
              (status = 404)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Feed, Page)>,
) -> Result<Response, ReadError> {
    let name: CommunityName = read.path.parse("name")?;
    let name = name.folded();
    let (Feed { sort }, page) = &read.query;
    let (position, list) = match sort {
        Sort::New => {
            let list = format!("posts/new/{name}");
            let before = page.place(&app, &list, PlaceInTime::start())?;
            let (position, rows) = newest(&app, read.freshness, &name, before, page).await?;
            let rows = rows.ok_or_else(|| no_community(position))?;
            let part = page.cut(&app, &list, rows, |last| PlaceInTime(last.created_at.0, last.id));
            (position, part)
        }
        Sort::Top => {
            let list = format!("posts/top/{name}");
            let below = page.place(&app, &list, PlaceByScore(i64::MAX, Uuid::max()))?;
            let (position, rows) = highest(&app, read.freshness, &name, below, page).await?;
            let rows = rows.ok_or_else(|| no_community(position))?;
            let part = page.cut(&app, &list, rows, |last| PlaceByScore(last.score, last.id));
            (position, part)
        }
    };
    let posts = List { items: open(&app.opener, list.items).await?, next: list.next };
    Ok(read.list(position, &posts))
}

async fn newest(
    app: &Shared,
    freshness: Freshness,
    name: &str,
    before: PlaceInTime,
    page: &Page,
) -> Result<(Position, Option<Vec<PostRow>>), ReadError> {
    fresh(&app.projected, freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, x.*, c.id AS community_id, c.name AS community_name
             FROM (SELECT least(coalesce(read.served_position('posts'), 0),
                                coalesce(read.served_position('post_scores'), 0),
                                coalesce(read.served_position('comments'), 0),
                                coalesce(read.served_position('communities'), 0))) p
             LEFT JOIN read.communities c ON lower(c.name) = $1 AND c.deleted_at IS NULL
             LEFT JOIN LATERAL (
                 SELECT o.id, o.community_platform_community_id, o.author_memberuser_id,
                        o.author_adminuser_id, o.title, o.body, o.author_display_name,
                        o.created_at, o.updated_at, o.deleted_at, o.sequence,
                        coalesce(s.score, 0) AS score, coalesce(s.upvotes, 0) AS upvotes,
                        coalesce(s.downvotes, 0) AS downvotes,
                        coalesce(k.comments, 0) AS comment_count
                 FROM read.posts o
                 LEFT JOIN read.post_scores s ON s.post_id = o.id
                 LEFT JOIN read.post_comment_counts k ON k.post_id = o.id
                 WHERE o.community_platform_community_id = c.id AND o.deleted_at IS NULL
                   AND (o.created_at, o.id) < ($2, $3)
                 ORDER BY o.created_at DESC, o.id DESC LIMIT $4
             ) x ON true
             ORDER BY x.created_at DESC, x.id DESC",
        )
        .bind(name)
        .bind(before.0)
        .bind(before.1)
        .bind(page.rows())
        .fetch_all(&app.reads)
        .await?;
        in_community(&rows)
    })
    .await
}

async fn highest(
    app: &Shared,
    freshness: Freshness,
    name: &str,
    below: PlaceByScore,
    page: &Page,
) -> Result<(Position, Option<Vec<PostRow>>), ReadError> {
    fresh(&app.projected, freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, x.*, c.id AS community_id, c.name AS community_name
             FROM (SELECT least(coalesce(read.served_position('posts'), 0),
                                coalesce(read.served_position('post_scores'), 0),
                                coalesce(read.served_position('comments'), 0),
                                coalesce(read.served_position('communities'), 0))) p
             LEFT JOIN read.communities c ON lower(c.name) = $1 AND c.deleted_at IS NULL
             LEFT JOIN LATERAL (
                 SELECT o.id, o.community_platform_community_id, o.author_memberuser_id,
                        o.author_adminuser_id, o.title, o.body, o.author_display_name,
                        o.created_at, o.updated_at, o.deleted_at, o.sequence,
                        s.score, s.upvotes, s.downvotes, coalesce(k.comments, 0) AS comment_count
                 FROM read.post_scores s
                 JOIN read.posts o ON o.id = s.post_id AND o.deleted_at IS NULL
                 LEFT JOIN read.post_comment_counts k ON k.post_id = o.id
                 WHERE s.community_id = c.id AND (s.score, s.post_id) < ($2, $3)
                 ORDER BY s.score DESC, s.post_id DESC LIMIT $4
             ) x ON true
             ORDER BY x.score DESC, x.id DESC",
        )
        .bind(name)
        .bind(below.0)
        .bind(below.1)
        .bind(page.rows())
        .fetch_all(&app.reads)
        .await?;
        in_community(&rows)
    })
    .await
}

/// The posts with their position; none where there is no such community.
fn in_community(rows: &[PgRow]) -> Result<(Position, Option<Vec<PostRow>>), ReadError> {
    let (position, posts) = with_position(rows)?;
    let community: Option<Uuid> =
        rows.first().map(|row| row.try_get("community_id")).transpose()?.flatten();
    Ok((position, community.map(|_| posts)))
}

fn no_community(position: Position) -> ReadError {
    ReadError::not_found(position, "There is no community of this name.")
}
