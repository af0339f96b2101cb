//! Requests to be erased (E24): one's own, and for admins with the scope `privacy` and for auditors
//! everybody's, with the queue of those that wait and those that are overdue (DDR-11).

use agora_domain::{
    compliance::{
        deletion_request,
        deletion_values::{DeletionStatus, RetentionGround},
    },
    ids::DeletionId,
};
use agora_event_store::{Opener, vault::VaultError};
use agora_service::{clock, problem::Problem};
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, types::Json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::data_export_requests::{Due, due};
use crate::{
    access::Roles,
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{self, FromParams, Params},
    reply::List,
    request::Read,
    rows::{Instant, PlaceInTime, Sealed, with_position},
};

/// A request to be erased (E24). Its reasons are null once they are erased with the rest.
#[derive(Serialize, ToSchema)]
pub struct DataDeletionRequest {
    #[serde(flatten)]
    row: DeletionRow,
    /// Why it was refused; `withdrawn by subject` where its person took it back.
    rejection_reason: Option<String>,
    /// Why something stays.
    retention_reason: Option<String>,
    /// Why the answer was put off.
    deadline_reason: Option<String>,
    /// The exception by which something stays.
    #[schema(example = "17(3)(e)")]
    retention_article: Option<&'static str>,
    /// Where a person can turn that does not agree (Art. 12(4) GDPR).
    complaint: &'static str,
}

#[derive(Serialize, ToSchema, FromRow)]
pub struct DeletionRow {
    deletion_id: Uuid,
    user_id: Uuid,
    /// `member` or `admin`.
    user_kind: String,
    /// The person itself, or the admin who asked for it.
    requested_by: Uuid,
    #[schema(example = "COMPLETE_DELETION")]
    deletion_scope: String,
    #[schema(value_type = Option<Vec<String>>)]
    data_categories: Option<Json<Value>>,
    /// CONSENT_WITHDRAWN, UNLAWFUL_PROCESSING, NO_LONGER_NECESSARY or OBJECTION; LEGAL_OBLIGATION or
    /// SERVICE_OFFERED_TO_CHILD where it was asked for while `extended_deletion_grounds` was set.
    #[schema(example = "CONSENT_WITHDRAWN")]
    legal_ground: String,
    /// PENDING, UNDER_REVIEW, APPROVED, REJECTED, PROCESSING or COMPLETED.
    #[schema(example = "PENDING")]
    status: String,
    requested_at: Instant,
    reviewed_at: Option<Instant>,
    approved_at: Option<Instant>,
    processing_started_at: Option<Instant>,
    completed_at: Option<Instant>,
    /// Null before the review, and where the person took the request back.
    reviewer_id: Option<Uuid>,
    /// Who approved first, where it takes two.
    first_approved_by: Option<Uuid>,
    retention_override: bool,
    retention_ground: Option<String>,
    #[schema(value_type = Option<Vec<String>>)]
    retained_categories: Option<Json<Value>>,
    /// PENDING, IN_PROGRESS, COMPLETED or NOT_APPLICABLE.
    #[schema(example = "PENDING")]
    backup_deletion_status: String,
    /// When the last backup that holds it is gone.
    backups_gone_at: Option<Instant>,
    /// By recipient: PENDING, NOTIFIED, FAILED or IMPOSSIBLE.
    #[schema(value_type = Option<Object>)]
    third_party_notification: Option<Json<Value>>,
    verification_required: bool,
    verification_completed_at: Option<Instant>,
    #[schema(value_type = Option<Vec<Object>>)]
    processing_log: Option<Json<Value>>,
    #[schema(value_type = Option<Vec<Object>>)]
    data_subjects_notified: Option<Json<Value>>,
    created_at: Instant,
    updated_at: Instant,
    /// When the answer is due: a month after the request, or three where it was put off.
    due_at: Instant,
    /// Whether it has no end though it was due.
    is_overdue: bool,
    /// The number of its events: for `If-Match` of commands.
    sequence: i64,
    #[serde(skip)]
    is_withdrawn: bool,
    #[serde(skip)]
    #[sqlx(rename = "rejection_reason")]
    sealed_rejection: Option<String>,
    #[serde(skip)]
    #[sqlx(rename = "retention_reason")]
    sealed_retention: Option<String>,
    #[serde(skip)]
    #[sqlx(rename = "deadline_reason")]
    sealed_deadline: Option<String>,
}

/// `$1` is the time now.
const COLUMNS: &str = "deletion_id, user_id, user_kind, requested_by, deletion_scope, data_categories, \
     legal_ground, status, requested_at, reviewed_at, approved_at, processing_started_at, \
     completed_at, reviewer_id, first_approved_by, retention_override, retention_ground, \
     retained_categories, backup_deletion_status, backups_gone_at, third_party_notification, \
     verification_required, verification_completed_at, processing_log, data_subjects_notified, \
     created_at, updated_at, due_at, sequence, is_withdrawn, rejection_reason, retention_reason, \
     deadline_reason, \
     (status NOT IN ('REJECTED', 'COMPLETED') AND due_at < $1) AS is_overdue";

async fn open(
    opener: &Opener,
    rows: Vec<DeletionRow>,
) -> Result<Vec<DataDeletionRequest>, VaultError> {
    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(rows.len());
    for row in &rows {
        let (of, id) = ("deletion_request", row.deletion_id);
        let rejection = sealed.add(of, id, "reason", row.sealed_rejection.as_deref());
        let retention = sealed.add(of, id, "retention.reason", row.sealed_retention.as_deref());
        let deadline = sealed.add(of, id, "reason", row.sealed_deadline.as_deref());
        slots.push((rejection, retention, deadline));
    }
    let open = sealed.open(opener).await?;
    let texts: Vec<_> = slots
        .into_iter()
        .map(|(rejection, retention, deadline)| {
            (open.text(rejection), open.text(retention), open.text(deadline))
        })
        .collect();
    let requests = rows.into_iter().zip(texts).map(|(row, (rejection, retention, deadline))| {
        let withdrawn = row.is_withdrawn.then(|| deletion_request::WITHDRAWN.to_owned());
        let ground = row.retention_ground.as_deref().map(str::parse::<RetentionGround>);
        DataDeletionRequest {
            rejection_reason: rejection.or(withdrawn),
            retention_reason: retention,
            deadline_reason: deadline,
            retention_article: ground.and_then(Result::ok).map(RetentionGround::article),
            complaint: "Whoever does not agree may complain to the data protection authority of its \
                        country, and turn to a court.",
            row,
        }
    });
    Ok(requests.collect())
}

/// Which requests.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// `open`: only those that have no end, the first to be due first. `overdue`: of these only those
    /// whose time has passed.
    #[param(value_type = Option<String>, example = "overdue")]
    due: Option<Due>,
    /// Only of one person; of others than oneself for admins with the scope `privacy` and auditors.
    #[param(rename = "user_id")]
    user: Option<Uuid>,
    /// Only of one status.
    #[param(value_type = Option<String>, example = "PENDING")]
    status: Option<DeletionStatus>,
}

impl FromParams for Filter {
    fn from_params(params: &mut Params) -> Self {
        Self {
            due: params.value("due", due),
            user: params.value("user_id", |text| {
                params::id::<agora_domain::ids::MemberId>(text).map(|id| id.0)
            }),
            status: params.value("status", |text| {
                text.parse().map_err(|error: agora_domain::RuleBreak| error.detail.into())
            }),
        }
    }
}

/// Who sees everybody's.
pub(super) const SEE_ALL: Roles = Roles::PRIVACY.and(Roles::AUDITOR);

async fn whose(
    read: &Read<(Filter, Page)>,
    app: &Shared,
    named: Option<Uuid>,
) -> Result<Option<Uuid>, Problem> {
    let me = read.principal()?;
    let is_own = named == Some(me.actor.id);
    if me.roles.include(SEE_ALL) {
        if !is_own {
            read.record_audit_read(app, "/v1/data-deletion-requests").await;
        }
        return Ok(named);
    }
    // A filter never shows more: of others there is nothing.
    Ok(Some(if is_own || named.is_none() { me.actor.id } else { Uuid::nil() }))
}

/// Lists requests to be erased, the newest first; for admins with the scope `privacy` and for auditors
/// everybody's.
#[utoipa::path(get, path = "/v1/data-deletion-requests", tag = "Erasure", params(Filter, Page),
    responses((status = 200, description = "A part of the list", body = List<DataDeletionRequest>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Filter, Page)>,
) -> Result<Response, ReadError> {
    let (Filter { due, user, status }, page) = &read.query;
    let user = whose(&read, &app, *user).await?;
    let list = format!("data-deletion-requests/{user:?}/{due:?}/{status:?}");
    let of_user = if user.is_some() { "AND user_id = $5" } else { "AND $5::uuid IS NULL" };
    let of_status = if status.is_some() { "AND status = $6" } else { "AND $6::text IS NULL" };
    let (start, waiting, compare, order, way) = match due {
        None => (PlaceInTime::start(), "", "<", "requested_at", "DESC"),
        Some(due) => {
            let start = PlaceInTime(DateTime::<Utc>::UNIX_EPOCH, Uuid::nil());
            let waiting = match due {
                Due::Open => "AND status NOT IN ('REJECTED', 'COMPLETED')",
                Due::Overdue => "AND status NOT IN ('REJECTED', 'COMPLETED') AND due_at < $1",
            };
            (start, waiting, ">", "due_at", "ASC")
        }
    };
    let place = page.place(&app, &list, start)?;
    let statement = format!(
        "SELECT p.*, x.*
         FROM (SELECT coalesce(read.served_position('data_deletion_requests'), 0) OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT {COLUMNS} FROM read.data_deletion_requests
             WHERE ({order}, deletion_id) {compare} ($2, $3) {waiting} {of_user} {of_status}
             ORDER BY {order} {way}, deletion_id {way} LIMIT $4
         ) x ON true
         ORDER BY x.{order} {way}, x.deletion_id {way}"
    );
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let query = sqlx::query(&statement)
            .bind(clock::now())
            .bind(place.0)
            .bind(place.1)
            .bind(page.rows())
            .bind(user)
            .bind(status.map(DeletionStatus::as_str));
        with_position::<DeletionRow>(&query.fetch_all(&app.reads).await?)
    })
    .await?;
    let part = page.cut(&app, &list, rows, |last| {
        let at = if due.is_some() { last.due_at } else { last.requested_at };
        PlaceInTime(at.0, last.deletion_id)
    });
    let items = open(&app.opener, part.items).await?;
    Ok(read.list(position, &List { items, next: part.next }))
}

/// Shows a request to be erased; for admins with the scope `privacy` and for auditors anybody's.
#[utoipa::path(get, path = "/v1/data-deletion-requests/{id}", tag = "Erasure",
    params(("id" = Uuid, Path, description = "The request's id")),
    responses((status = 200, description = "The request", body = DataDeletionRequest),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let me = read.principal()?;
    let deletion_id: DeletionId = read.path.parse("id")?;
    let statement = format!(
        "SELECT p.*, x.*
         FROM (SELECT coalesce(read.served_position('data_deletion_requests'), 0) OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT {COLUMNS} FROM read.data_deletion_requests
             WHERE deletion_id = $2 AND (user_id = $3 OR $4)
         ) x ON true"
    );
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let query = sqlx::query(&statement)
            .bind(clock::now())
            .bind(deletion_id.0)
            .bind(me.actor.id)
            .bind(me.roles.include(SEE_ALL));
        with_position::<DeletionRow>(&query.fetch_all(&app.reads).await?)
    })
    .await?;
    if rows.iter().any(|row| row.user_id != me.actor.id) {
        read.record_audit_read(&app, "/v1/data-deletion-requests/{id}").await;
    }
    match open(&app.opener, rows).await?.first() {
        Some(request) => Ok(read.object(position, request)),
        None => Err(ReadError::not_found(position, "There is no such request.")),
    }
}

/// Lists what stays though it was asked to go, with the exception of Art. 17(3) GDPR and why; until a
/// later request takes it.
#[utoipa::path(get, path = "/v1/retained-data", tag = "Erasure", params(Page),
    responses((status = 200, description = "A part of the register",
               body = List<DataDeletionRequest>)))]
pub async fn retained(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let page = &read.query;
    let place = page.place(&app, "retained-data", PlaceInTime::start())?;
    let statement = format!(
        "SELECT p.*, x.*
         FROM (SELECT coalesce(read.served_position('data_deletion_requests'), 0) OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT {COLUMNS} FROM read.data_deletion_requests kept
             WHERE retention_override AND (requested_at, deletion_id) < ($2, $3)
               AND NOT EXISTS (
                   SELECT FROM read.data_deletion_requests later
                   WHERE later.user_id = kept.user_id AND later.requested_at > kept.requested_at
                     AND later.deletion_scope = 'COMPLETE_DELETION'
                     AND later.status = 'COMPLETED' AND NOT later.retention_override)
             ORDER BY requested_at DESC, deletion_id DESC LIMIT $4
         ) x ON true
         ORDER BY x.requested_at DESC, x.deletion_id DESC"
    );
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let query = sqlx::query(&statement)
            .bind(clock::now())
            .bind(place.0)
            .bind(place.1)
            .bind(page.rows());
        with_position::<DeletionRow>(&query.fetch_all(&app.reads).await?)
    })
    .await?;
    read.record_audit_read(&app, "/v1/retained-data").await;
    let part = page.cut(&app, "retained-data", rows, |last| {
        PlaceInTime(last.requested_at.0, last.deletion_id)
    });
    let items = open(&app.opener, part.items).await?;
    Ok(read.list(position, &List { items, next: part.next }))
}
