//! Objections (Art. 21 GDPR, LAW-06) and restrictions (Art. 18, LAW-05): one's own; for admins and auditors
//! everybody's. Who reads others' leaves a record.

use agora_domain::ids::MemberId;
use agora_event_store::{Opener, vault::VaultError};
use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{self, FromParams, Params},
    reply::List,
    request::Read,
    routes::data_export_requests::whose,
    rows::{Instant, Sealed, with_position},
};

/// An objection or a restriction. What was erased is null.
#[derive(Serialize, ToSchema)]
pub struct ProcessingLimit {
    #[serde(flatten)]
    row: LimitRow,
    /// What the person said about it.
    reason: Option<String>,
    /// Why an admin lifted it.
    lifting_reason: Option<String>,
}

#[derive(Serialize, ToSchema, FromRow)]
pub struct LimitRow {
    limit_id: Uuid,
    user_id: Uuid,
    /// `member` or `admin`.
    user_kind: String,
    /// Of an objection: the type and the purpose that it is to.
    #[schema(example = "ANALYTICS")]
    consent_type: Option<String>,
    purpose: Option<String>,
    /// Of a restriction: ACCURACY_CONTESTED, UNLAWFUL_PROCESSING, NEEDED_FOR_CLAIMS or OBJECTION_PENDING.
    ground: Option<String>,
    since: Instant,
    /// Null while it holds.
    ended_at: Option<Instant>,
    /// The admin who lifted a restriction; null where the person ended it.
    lifted_by: Option<Uuid>,
    updated_at: Instant,
    /// The number of its last event in its stream: for `If-Match` of commands.
    sequence: i64,
    #[serde(skip)]
    position: i64,
    #[serde(skip)]
    stream_id: String,
    #[serde(skip)]
    #[sqlx(rename = "reason")]
    sealed_reason: Option<String>,
    #[serde(skip)]
    #[sqlx(rename = "lifting_reason")]
    sealed_lifting_reason: Option<String>,
}

async fn open(opener: &Opener, rows: Vec<LimitRow>) -> Result<Vec<ProcessingLimit>, VaultError> {
    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(rows.len());
    for row in &rows {
        let fields =
            [("limit.reason", &row.sealed_reason), ("lifting_reason", &row.sealed_lifting_reason)];
        slots.push(fields.map(|(field, text)| {
            sealed.add("processing_limit", &row.stream_id, field, text.as_deref())
        }));
    }
    let open = sealed.open(opener).await?;
    let texts: Vec<_> = slots.into_iter().map(|slots| slots.map(|slot| open.text(slot))).collect();
    let shown = rows
        .into_iter()
        .zip(texts)
        .map(|(row, [reason, lifting_reason])| ProcessingLimit { row, reason, lifting_reason });
    Ok(shown.collect())
}

/// Whose.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only of one person; of others than oneself for admins and auditors.
    #[param(rename = "user_id")]
    user: Option<Uuid>,
}

impl FromParams for Filter {
    fn from_params(params: &mut Params) -> Self {
        Self { user: params.value("user_id", |text| params::id::<MemberId>(text).map(|id| id.0)) }
    }
}

async fn of_kind(
    app: &Shared,
    read: &Read<(Filter, Page)>,
    route: &'static str,
    kind: &'static str,
) -> Result<Response, ReadError> {
    let (Filter { user }, page) = &read.query;
    let user = whose(read, app, route, *user).await?;
    let list = format!("processing-limits/{kind}/{user:?}");
    let before: i64 = page.place(app, &list, i64::MAX)?;
    let of_user = if user.is_some() { "AND user_id = $4" } else { "AND $4::uuid IS NULL" };
    let statement = format!(
        "SELECT p.*, x.* FROM
             (SELECT coalesce(read.served_position('processing_limits'), 0) AS served OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT limit_id, user_id, user_kind, consent_type, purpose, ground, since, ended_at,
                    lifted_by, updated_at, sequence, position, stream_id, reason, lifting_reason
             FROM read.processing_limits
             WHERE limit_kind = $1 AND position < $2 {of_user}
             ORDER BY position DESC LIMIT $3
         ) x ON true
         ORDER BY x.position DESC"
    );
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let query = sqlx::query(&statement).bind(kind).bind(before).bind(page.rows()).bind(user);
        with_position::<LimitRow>(&query.fetch_all(&app.reads).await?)
    })
    .await?;
    let part = page.cut(app, &list, rows, |last| last.position);
    let items = open(&app.opener, part.items).await?;
    Ok(read.list(position, &List { items, next: part.next }))
}

/// Lists objections, the newest first: one's own; for admins and auditors everybody's.
#[utoipa::path(get, path = "/v1/objections", tag = "Compliance", params(Filter, Page),
    responses((status = 200, description = "A part of the list", body = List<ProcessingLimit>)))]
pub async fn objections(
    State(app): State<Shared>,
    read: Read<(Filter, Page)>,
) -> Result<Response, ReadError> {
    of_kind(&app, &read, "/v1/objections", "OBJECTION").await
}

/// Lists restrictions of the processing, the newest first: one's own; for admins and auditors everybody's.
#[utoipa::path(get, path = "/v1/restrictions", tag = "Compliance", params(Filter, Page),
    responses((status = 200, description = "A part of the list", body = List<ProcessingLimit>)))]
pub async fn restrictions(
    State(app): State<Shared>,
    read: Read<(Filter, Page)>,
) -> Result<Response, ReadError> {
    of_kind(&app, &read, "/v1/restrictions", "RESTRICTION").await
}
