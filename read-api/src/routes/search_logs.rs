//! Who searched for what (E19), one's own searches, and what is searched for often. Reading what
//! others searched for is itself recorded, before the reply goes out (AUD-09).

use std::collections::BTreeMap;

use agora_domain::{Actor, ActorKind};
use agora_event_store::{
    Position,
    searches::{RECORD, Scope, normalised},
};
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{self, FromParams, Params, Says, number},
    reply::List,
    request::Read,
    rows::{Instant, PlaceInTime, Sealed, with_position},
};

/// A search (E19).
#[derive(Serialize, ToSchema)]
pub struct SearchRecord {
    id: Uuid,
    /// Set where a member searched who consents to analytics.
    member_user_id: Option<Uuid>,
    /// Set where an admin searched who consents to analytics.
    admin_user_id: Option<Uuid>,
    /// Null where it was erased.
    #[schema(max_length = 512)]
    search_query: Option<String>,
    #[schema(example = "posts")]
    target_scope: String,
    /// Of who is not named only the network: the first address of a /24, of a /48 of IPv6. Null where
    /// it is not known, or was erased.
    #[schema(example = "192.0.2.0")]
    ip_address: Option<String>,
    user_agent: Option<String>,
    created_at: Instant,
    /// Always null: what is deleted is in no list (SRL-04).
    deleted_at: Option<Instant>,
}

/// Which searches are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only of one `target_scope`: `communities`, `posts` or `comments`.
    #[param(value_type = Option<String>, example = "posts")]
    scope: Option<Scope>,
    /// Only what somebody searched for: `member:<uuid>` or `admin:<uuid>`.
    #[param(value_type = Option<String>, example = "member:0191d1b2-0000-7000-8000-000000000000")]
    actor: Option<Actor>,
    /// Only from this time on.
    from: Option<DateTime<Utc>>,
    /// Only before this time.
    to: Option<DateTime<Utc>>,
}

impl FromParams for Filter {
    fn from_params(params: &mut Params) -> Self {
        Self {
            scope: params.value("scope", scope),
            actor: params.value("actor", params::actor),
            from: params.value("from", params::instant),
            to: params.value("to", params::instant),
        }
    }
}

fn scope(text: &str) -> Result<Scope, Says> {
    Scope::ALL
        .into_iter()
        .find(|scope| scope.as_str() == text)
        .ok_or(Says::Borrowed("must be communities, posts or comments"))
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    member_user_id: Option<Uuid>,
    admin_user_id: Option<Uuid>,
    search_query: Option<String>,
    target_scope: String,
    ip_address: Option<String>,
    user_agent: Option<String>,
    created_at: Instant,
}

/// Lists searches, the latest first.
#[utoipa::path(get, path = "/v1/search-logs", tag = "Audit", params(Filter, Page),
    responses((status = 200, description = "A part of the list", body = List<SearchRecord>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Filter, Page)>,
) -> Result<Response, ReadError> {
    let (filter, page) = &read.query;
    let Filter { scope, actor, from, to } = filter;
    let name = format!("search-logs/{scope:?}/{actor:?}/{from:?}/{to:?}");
    let place = page.place(&app, &name, PlaceInTime::start())?;
    read.record_audit_read(&app, "/v1/search-logs").await;
    let (position, list) = records(&app, &read, filter, page, (&name, place)).await?;
    Ok(read.list(position, &list))
}

/// Lists one's own searches, the latest first: those that were noted under one's name, which needs
/// one's consent to analytics (SRL-05).
#[utoipa::path(get, path = "/v1/me/searches", tag = "Own account", params(Page),
    responses((status = 200, description = "A part of the list", body = List<SearchRecord>)))]
pub async fn own(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let me = read.principal()?.actor;
    let mine = Filter { scope: None, actor: Some(me), from: None, to: None };
    let name = format!("searches/{me}");
    let place = read.query.place(&app, &name, PlaceInTime::start())?;
    let (position, list) = records(&app, &read, &mine, &read.query, (&name, place)).await?;
    Ok(read.list(position, &list))
}

async fn records(
    app: &Shared,
    read: &Read<impl Send + Sync>,
    filter: &Filter,
    page: &Page,
    (name, before): (&str, PlaceInTime),
) -> Result<(Position, List<SearchRecord>), ReadError> {
    // A column of its own for each kind, so that the index of its own is used.
    let of_actor = match filter.actor.map(|actor| actor.kind) {
        Some(ActorKind::Member) => "AND member_user_id = $4",
        Some(ActorKind::Admin) => "AND admin_user_id = $4",
        // Of the platform itself there is none.
        Some(_) | None => "AND $4::uuid IS NULL",
    };
    let statement = format!(
        "SELECT p.*, x.*
         FROM (SELECT position FROM read.progress) p
         LEFT JOIN LATERAL (
             SELECT id, member_user_id, admin_user_id, search_query, target_scope, ip_address,
                    user_agent, created_at
             FROM log.search_records
             WHERE deleted_at IS NULL AND (created_at, id) < ($1, $2) AND created_at <= $1 {of_actor}
               AND ($5::text IS NULL OR target_scope = $5)
               AND ($6::timestamptz IS NULL OR created_at >= $6)
               AND ($7::timestamptz IS NULL OR created_at < $7)
             ORDER BY created_at DESC, id DESC LIMIT $3
         ) x ON true
         ORDER BY x.created_at DESC, x.id DESC"
    );
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(&statement)
            .bind(before.0)
            .bind(before.1)
            .bind(page.rows())
            .bind(filter.actor.map(|actor| actor.id))
            .bind(filter.scope.map(Scope::as_str))
            .bind(filter.from)
            .bind(filter.to)
            .fetch_all(&app.reads)
            .await?;
        with_position::<Row>(&rows)
    })
    .await?;
    let part = page.cut(app, name, rows, |last| PlaceInTime(last.created_at.0, last.id));
    let mut sealed = Sealed::default();
    let slots: Vec<_> = part
        .items
        .iter()
        .map(|row| {
            (
                sealed.add(RECORD, row.id, "search_query", row.search_query.as_deref()),
                sealed.add(RECORD, row.id, "ip_address", row.ip_address.as_deref()),
                sealed.add(RECORD, row.id, "user_agent", row.user_agent.as_deref()),
            )
        })
        .collect();
    let open = sealed.open(&app.opener).await?;
    let items = part.items.iter().zip(slots).map(|(row, (query, address, agent))| SearchRecord {
        id: row.id,
        member_user_id: row.member_user_id,
        admin_user_id: row.admin_user_id,
        search_query: open.text(query),
        target_scope: row.target_scope.clone(),
        ip_address: open.text(address),
        user_agent: open.text(agent),
        created_at: row.created_at,
        deleted_at: None,
    });
    let items = items.collect();
    Ok((position, List { items, next: part.next }))
}

/// How often a query was searched for.
#[derive(Serialize, ToSchema)]
pub struct SearchTrend {
    /// In lower case, with single spaces.
    #[schema(example = "sourdough bread")]
    query: String,
    #[schema(example = "posts")]
    target_scope: String,
    searches: i64,
}

/// Of what time, and how many.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Span {
    /// Today and the days before it, so many in all.
    #[param(required = false, minimum = 1, maximum = 365, default = 7)]
    days: i32,
    /// Only of one `target_scope`.
    #[param(value_type = Option<String>, example = "posts")]
    scope: Option<Scope>,
    /// At most so many queries.
    #[param(required = false, minimum = 1, maximum = 100, default = 20)]
    limit: i64,
}

impl FromParams for Span {
    fn from_params(params: &mut Params) -> Self {
        let days = params.value("days", |text| number(text, 1..=365)).unwrap_or(7);
        let limit = params.value("limit", |text| number(text, 1..=100)).unwrap_or(20);
        Self {
            days: i32::try_from(days).unwrap_or(7),
            scope: params.value("scope", scope),
            limit: i64::try_from(limit).unwrap_or(20),
        }
    }
}

#[derive(FromRow)]
struct TrendRow {
    target_scope: String,
    searches: i64,
    sample_ids: Vec<Uuid>,
    samples: Vec<String>,
}

/// Lists the queries that were searched for most often.
///
/// Only what at least five different members, admins or networks searched for is shown, so that no
/// query points to anybody; and only while the text of one of its searches is not erased.
#[utoipa::path(get, path = "/v1/analytics/search-trends", tag = "Analytics", params(Span),
    responses((status = 200, description = "The list; it has no further parts",
               body = List<SearchTrend>)))]
pub async fn trends(State(app): State<Shared>, read: Read<Span>) -> Result<Response, ReadError> {
    let Span { days, scope, limit } = read.query;
    read.record_audit_read(&app, "/v1/analytics/search-trends").await;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, x.*
             FROM (SELECT position FROM read.progress) p
             LEFT JOIN LATERAL (
                 SELECT t.target_scope, sum(t.searches)::bigint AS searches,
                        (array_agg(t.sample_id ORDER BY t.day DESC))[1:3] AS sample_ids,
                        (array_agg(coalesce(t.sample, '') ORDER BY t.day DESC))[1:3] AS samples
                 FROM log.search_trends t
                 WHERE t.day > (clock_timestamp() AT TIME ZONE 'UTC')::date - $1
                   AND ($2::text IS NULL OR t.target_scope = $2)
                 GROUP BY t.target_scope, t.query_key
                 HAVING log.search_trend_searchers() <= (
                     SELECT count(DISTINCT k)
                     FROM unnest(string_to_array(
                         string_agg(array_to_string(t.searchers, ','), ','), ',')) AS k)
                 ORDER BY searches DESC, t.query_key LIMIT $3
             ) x ON true
             ORDER BY x.searches DESC",
        )
        .bind(days)
        .bind(scope.map(Scope::as_str))
        .bind(limit)
        .fetch_all(&app.reads)
        .await?;
        with_position::<TrendRow>(&rows)
    })
    .await?;
    let mut sealed = Sealed::default();
    let mut slots: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    for (number, row) in rows.iter().enumerate() {
        for (id, sample) in row.sample_ids.iter().zip(&row.samples) {
            let slot = sealed.add(RECORD, *id, "search_query", Some(sample));
            slots.entry(number).or_default().push(slot);
        }
    }
    let open = sealed.open(&app.opener).await?;
    let items = rows.into_iter().enumerate().filter_map(|(number, row)| {
        let samples = slots.get(&number)?;
        let query = samples.iter().find_map(|slot| open.text(*slot))?;
        Some(SearchTrend {
            query: normalised(&query),
            target_scope: row.target_scope,
            searches: row.searches,
        })
    });
    let items: Vec<_> = items.collect();
    Ok(read.list(position, &List { items, next: None }))
}
