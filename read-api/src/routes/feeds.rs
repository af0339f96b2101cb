//! What the feeds have in common: orders, windows, as-of, and places that hold while scores move
//! (PST-11, PST-14; docs/ranking.md).

use agora_domain::{
    Actor,
    content::ranking::{controversy, top_level},
    values::CommunityName,
};
use agora_event_store::Position;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{FromRow, Row, postgres::PgRow};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::posts::{Post, PostRow, open};
use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{FromParams, Params, instant},
    ranked::{
        Things,
        walk::{Standing, Walk},
        warm::RANKED_POSTS,
    },
    reply::ListAsOf,
    request::Freshness,
    rows::{Instant, with_position},
};

#[derive(Clone, Copy, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Sort {
    /// The newest first.
    #[default]
    New,
    /// The highest score first.
    Top,
    /// Score and age in one.
    Hot,
    /// What is most disagreed on first.
    Controversial,
}

impl Sort {
    const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Top => "top",
            Self::Hot => "hot",
            Self::Controversial => "controversial",
        }
    }
}

/// How far back a list by rank goes.
#[derive(Clone, Copy, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Window {
    Day,
    Week,
    Month,
    Year,
    #[default]
    All,
}

impl Window {
    const NAMES: [(&'static str, Self); 5] = [
        ("day", Self::Day),
        ("week", Self::Week),
        ("month", Self::Month),
        ("year", Self::Year),
        ("all", Self::All),
    ];

    const fn days(self) -> Option<i64> {
        match self {
            Self::Day => Some(1),
            Self::Week => Some(7),
            Self::Month => Some(30),
            Self::Year => Some(365),
            Self::All => None,
        }
    }

    fn since(self, as_of: DateTime<Utc>) -> DateTime<Utc> {
        let since = self.days().and_then(|days| as_of.checked_sub_signed(TimeDelta::days(days)));
        // No post is older than Agora.
        since.unwrap_or(DateTime::UNIX_EPOCH)
    }
}

/// In which order, how far back, and as of when.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Order {
    /// `new`: the newest first; `top`: the highest score first; `hot`: score and age in one;
    /// `controversial`: what is most disagreed on first. docs/ranking.md has the formulas.
    #[param(required = false, inline)]
    sort: Sort,
    /// With `top` and `controversial`: only posts of the last day, week, month (30 days) or year.
    #[param(required = false, inline)]
    window: Window,
    /// The feed as if it were then: without later posts, and with ages and windows counted from
    /// then. Votes, edits and deletions count as they are now.
    #[param(required = false)]
    as_of: Option<DateTime<Utc>>,
}

impl FromParams for Order {
    fn from_params(params: &mut Params) -> Self {
        let sort = params.value("sort", |text| match text {
            "new" => Ok(Sort::New),
            "top" => Ok(Sort::Top),
            "hot" => Ok(Sort::Hot),
            "controversial" => Ok(Sort::Controversial),
            _ => Err("must be new, top, hot or controversial".into()),
        });
        let window = params.value("window", |text| {
            let found = Window::NAMES.iter().find(|(name, _)| *name == text);
            found.map(|(_, window)| *window).ok_or("must be day, week, month, year or all".into())
        });
        let as_of = params.value("as_of", instant);
        let sort = sort.unwrap_or_default();
        if window.is_some() && matches!(sort, Sort::New | Sort::Hot) {
            params.wrong("query", "window", "goes with sort=top and sort=controversial");
        }
        Self { sort, window: window.unwrap_or_default(), as_of }
    }
}

/// Whose posts.
pub(super) enum Scope {
    /// One community's.
    Community(CommunityName),
    /// Those of all communities that a member is in.
    Home(Actor),
}

impl Scope {
    /// The communities, from `$1`.
    const fn places(&self) -> &'static str {
        match self {
            Self::Community(_) => {
                "SELECT c.id, c.name FROM read.communities c
                 WHERE lower(c.name) = $1 AND c.deleted_at IS NULL"
            }
            Self::Home(_) => {
                "SELECT c.id, c.name FROM read.memberships m
                 JOIN read.communities c ON c.id = m.community_id AND c.deleted_at IS NULL
                 WHERE m.memberuser_id = ($1::text)::uuid"
            }
        }
    }

    const fn position(&self) -> &'static str {
        match self {
            Self::Community(_) => "coalesce(read.served_position('communities'), 0)",
            Self::Home(_) => {
                "coalesce(read.served_position('communities'), 0),
                 coalesce(read.served_position('memberships'), 0)"
            }
        }
    }

    fn key(&self) -> String {
        match self {
            Self::Community(name) => name.folded(),
            Self::Home(member) => member.id.to_string(),
        }
    }
}

const POSTS: Things = Things {
    table: "read.posts",
    place: "community_platform_community_id",
    listed: "o.deleted_at IS NULL",
    scores: "read.post_scores",
    ranks: "read.post_ranks",
    rank_place: "community_id",
    id: "post_id",
};

pub(super) async fn list(
    app: &Shared,
    freshness: Freshness,
    scope: &Scope,
    order: &Order,
    page: &Page,
) -> Result<(Position, ListAsOf<Post>), ReadError> {
    let (sort, days) = (order.sort, order.window.days().unwrap_or(0));
    let list = format!("posts/{}/{}/{days}", scope.key(), sort.as_str());
    let walk = Walk::begin(app, page, &list, order.as_of)?;
    let (position, rows) = fresh(&app.projected, freshness, || async {
        if let Some((position, posts)) = warm(app, scope, order, &walk, page, freshness).await? {
            return Ok((position, Some(posts)));
        }
        let rows = fetch(app, scope, order, &walk, page).await?;
        let communities: i64 = rows.first().map_or(Ok(0), |row| row.try_get("communities"))?;
        let (position, posts) = with_position::<PostRow>(&rows)?;
        let there = communities > 0 || matches!(scope, Scope::Home(_));
        Ok((position, there.then_some(posts)))
    })
    .await?;
    let rows =
        rows.ok_or_else(|| ReadError::not_found(position, "There is no community of this name."))?;
    let as_of = Instant(walk.as_of());
    let (posts, next) = walk.cut(app, page, rows, sort != Sort::New, PostRow::standing);
    let items = open(&app.opener, posts).await?;
    Ok((position, ListAsOf { as_of, items, next }))
}

/// The first part of a hot feed, where what is needed for it is known.
async fn warm(
    app: &Shared,
    scope: &Scope,
    order: &Order,
    walk: &Walk,
    page: &Page,
    freshness: Freshness,
) -> Result<Option<(Position, Vec<PostRow>)>, ReadError> {
    #[derive(FromRow)]
    struct Place {
        id: Uuid,
    }
    if order.sort != Sort::Hot || order.as_of.is_some() || walk.last().is_some() {
        return Ok(None);
    }
    let statement = format!(
        "SELECT p.*, c.id FROM (SELECT least({}) OFFSET 0) p LEFT JOIN ({}) c ON true",
        scope.position(),
        scope.places()
    );
    let rows = sqlx::query(&statement).bind(scope.key()).fetch_all(&app.rankings).await?;
    let (position, places) = with_position::<Place>(&rows)?;
    let communities: Vec<Uuid> = places.into_iter().map(|place| place.id).collect();
    if communities.is_empty() {
        return Ok(None);
    }
    let wanted = (page.limit + 1, walk.as_of(), freshness.min_position);
    let found = app.warm_lists.hottest(&app.rankings, &POSTS, &communities, wanted).await;
    Ok(found.map(|(looked_at, posts)| (looked_at.min(position), posts)))
}

/// The rows of one part, and one more, with the number of communities that were looked through.
async fn fetch(
    app: &Shared,
    scope: &Scope,
    order: &Order,
    walk: &Walk,
    page: &Page,
) -> Result<Vec<PgRow>, sqlx::Error> {
    let ranked = match order.sort {
        Sort::New => POSTS.newest(),
        Sort::Top => POSTS.top(),
        Sort::Hot => POSTS.hot(),
        Sort::Controversial => POSTS.controversial(),
    };
    let (places, served) = (scope.places(), scope.position());
    let statement = format!(
        "WITH RECURSIVE places AS MATERIALIZED ({places}), {ranked}
         SELECT p.*, x.*, n.communities
         FROM (SELECT least(coalesce(read.served_position('posts'), 0),
                            coalesce(read.served_position('post_scores'), 0),
                            coalesce(read.served_position('comments'), 0), {served}) OFFSET 0) p
         CROSS JOIN (SELECT count(*) AS communities FROM places) n
         LEFT JOIN (
             SELECT {RANKED_POSTS}
         ) x ON true
         ORDER BY x.value DESC, x.created_at DESC, x.id DESC"
    );
    let (at, until, last) = (walk.at(), walk.until(), walk.last());
    let since = order.window.since(walk.as_of());
    let score = last.map(|last| last.score());
    let query = sqlx::query(&statement).bind(scope.key()).bind(page.rows());
    let query = match order.sort {
        Sort::New => query.bind(at.0.min(until)).bind(at.1),
        Sort::Top => query
            .bind(at.0)
            .bind(at.1)
            .bind(since)
            .bind(until)
            .bind(score.map_or(i32::MAX, top_level))
            .bind(score.unwrap_or(i64::MAX)),
        Sort::Hot => query.bind(at.0).bind(at.1).bind(walk.as_of()).bind(until).bind(score),
        Sort::Controversial => {
            let level = |last: Standing| controversy(last.upvotes, last.downvotes);
            query.bind(at.0).bind(at.1).bind(since).bind(until).bind(last.map_or(i32::MAX, level))
        }
    };
    query.fetch_all(&app.rankings).await
}
