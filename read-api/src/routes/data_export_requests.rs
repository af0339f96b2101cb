//! What people ask for about themselves (E23): one's own, and for admins and auditors everybody's, with
//! the queue of those that wait and those that are overdue (DXR-10).

use agora_domain::{exports::export_job::ExportStatus, ids::ExportJobId};
use agora_event_store::{Opener, vault::VaultError};
use agora_service::{clock, problem::Problem};
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, types::Json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    access::Roles,
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{self, FromParams, Params, Says},
    reply::List,
    request::Read,
    rows::{Instant, PlaceInTime, Sealed, with_position},
};

/// A request for one's own data (E23). Where its file lies, and what its token is, is told to nobody.
#[derive(Serialize, ToSchema)]
pub struct DataExportRequest {
    #[serde(flatten)]
    row: RequestRow,
    /// Null where it was erased, and to others than the person.
    delivery_address: Option<String>,
    /// Why the answer was put off; null where it was erased.
    processing_notes: Option<String>,
}

#[derive(Serialize, ToSchema, FromRow)]
pub struct RequestRow {
    request_id: Uuid,
    user_id: Uuid,
    /// `member` or `admin`.
    user_kind: String,
    /// The admin who asked on the person's behalf.
    requested_by_admin: Option<Uuid>,
    #[schema(example = "FULL_EXPORT")]
    request_type: String,
    #[schema(value_type = Vec<String>)]
    data_categories: Json<Value>,
    #[schema(example = "JSON")]
    export_format: String,
    /// PENDING, PROCESSING, COMPLETED, FAILED or CANCELLED.
    #[schema(example = "PENDING")]
    status: String,
    requested_at: Instant,
    processed_at: Option<Instant>,
    completed_at: Option<Instant>,
    /// When the link is dead.
    expires_at: Option<Instant>,
    file_name: Option<String>,
    file_size_bytes: Option<i64>,
    checksum_sha256: Option<String>,
    download_count: i64,
    last_downloaded_at: Option<Instant>,
    #[schema(example = "DOWNLOAD_LINK")]
    delivery_method: String,
    failure_reason: Option<String>,
    error_code: Option<String>,
    created_at: Instant,
    updated_at: Instant,
    /// When the answer is due: a month after the request, or three where it was put off.
    due_at: Instant,
    /// Whether the person has no answer though it was due.
    is_overdue: bool,
    /// Whether there is a file to download.
    file_available: bool,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Json<Value>>,
    /// The number of the job's events: for `If-Match` of commands.
    sequence: i64,
    #[serde(skip)]
    #[sqlx(rename = "delivery_address")]
    sealed_address: Option<String>,
    #[serde(skip)]
    #[sqlx(rename = "processing_notes")]
    sealed_notes: Option<String>,
}

/// Of a request `r`: whether its person still has no answer. One that failed waits for another that
/// does not.
const UNANSWERED: &str = "r.status IN ('PENDING', 'PROCESSING', 'FAILED')
     AND (r.status <> 'FAILED' OR NOT EXISTS (
         SELECT FROM read.data_export_requests a
         WHERE a.user_id = r.user_id AND a.requested_at > r.requested_at AND a.status = 'COMPLETED'))";

/// `$1` is the time now.
const COLUMNS: &str = "request_id, user_id, user_kind, requested_by_admin, request_type, data_categories, \
     export_format, status, requested_at, processed_at, completed_at, expires_at, file_name, \
     file_size_bytes, checksum_sha256, download_count, last_downloaded_at, delivery_method, \
     failure_reason, error_code, created_at, updated_at, due_at, \
     coalesce(status = 'COMPLETED' AND file_purged_at IS NULL AND expires_at > $1, false) \
         AS file_available, \
     metadata, sequence, delivery_address, processing_notes";

async fn open(
    opener: &Opener,
    me: Uuid,
    rows: Vec<RequestRow>,
) -> Result<Vec<DataExportRequest>, VaultError> {
    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(rows.len());
    for row in &rows {
        let address = row.sealed_address.as_deref().filter(|_| row.user_id == me);
        let field = "content.delivery_address";
        let address = sealed.add("export_job", row.request_id, field, address);
        let notes = row.sealed_notes.as_deref();
        slots.push((address, sealed.add("export_job", row.request_id, "reason", notes)));
    }
    let open = sealed.open(opener).await?;
    let texts: Vec<_> =
        slots.into_iter().map(|(address, notes)| (open.text(address), open.text(notes))).collect();
    let requests = rows.into_iter().zip(texts).map(|(row, (delivery_address, notes))| {
        DataExportRequest { row, delivery_address, processing_notes: notes }
    });
    Ok(requests.collect())
}

/// Which of those that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Open,
    Overdue,
}

pub(super) fn due(text: &str) -> Result<Due, Says> {
    match text {
        "open" => Ok(Due::Open),
        "overdue" => Ok(Due::Overdue),
        _ => Err("must be open or overdue".into()),
    }
}

/// Which requests.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// `open`: only those whose person has no answer, the first to be due first; one that failed is among
    /// them until a later one is completed. `overdue`: of these only those whose time has passed.
    #[param(value_type = Option<String>, example = "overdue")]
    due: Option<Due>,
    /// Only of one person; of others than oneself for admins and auditors.
    #[param(rename = "user_id")]
    user: Option<Uuid>,
    /// Only of one status.
    #[param(value_type = Option<String>, example = "COMPLETED")]
    status: Option<ExportStatus>,
}

impl FromParams for Filter {
    fn from_params(params: &mut Params) -> Self {
        Self {
            due: params.value("due", due),
            user: params.value("user_id", |text| {
                params::id::<agora_domain::ids::MemberId>(text).map(|id| id.0)
            }),
            status: params.value("status", |text| {
                let of = |status: &ExportStatus| status.as_str().to_uppercase() == text;
                ExportStatus::ALL.into_iter().find(of).ok_or(Says::Borrowed(
                    "must be PENDING, PROCESSING, COMPLETED, FAILED or CANCELLED",
                ))
            }),
        }
    }
}

/// Who sees everybody's.
pub(super) const SEE_ALL: Roles = Roles::ADMIN.and(Roles::GLOBAL_ADMIN).and(Roles::AUDITOR);

/// Whose entries a list shows: nobody's in particular where somebody may see everybody's, which is
/// recorded; else one's own, whatever the filter names.
pub(super) async fn whose<Q>(
    read: &Read<Q>,
    app: &Shared,
    route: &'static str,
    named: Option<Uuid>,
) -> Result<Option<Uuid>, Problem> {
    let me = read.principal()?;
    let is_own = named == Some(me.actor.id);
    if me.roles.include(SEE_ALL) {
        if !is_own {
            read.record_audit_read(app, route).await;
        }
        return Ok(named);
    }
    // A filter never shows more: of others there is nothing.
    Ok(Some(if is_own || named.is_none() { me.actor.id } else { Uuid::nil() }))
}

/// Lists requests for one's own data, the newest first; for admins and auditors everybody's.
#[utoipa::path(get, path = "/v1/data-export-requests", tag = "Exports", params(Filter, Page),
    responses((status = 200, description = "A part of the list", body = List<DataExportRequest>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Filter, Page)>,
) -> Result<Response, ReadError> {
    let me = read.principal()?;
    let (Filter { due, user, status }, page) = &read.query;
    let user = whose(&read, &app, "/v1/data-export-requests", *user).await?;
    let list = format!("data-export-requests/{user:?}/{due:?}/{status:?}");
    let of_user = if user.is_some() { "AND user_id = $5" } else { "AND $5::uuid IS NULL" };
    let of_status = if status.is_some() { "AND status = $6" } else { "AND $6::text IS NULL" };
    let (start, waiting, compare, order, way) = match due {
        None => (PlaceInTime::start(), String::new(), "<", "requested_at", "DESC"),
        Some(due) => {
            let start = PlaceInTime(DateTime::<Utc>::UNIX_EPOCH, Uuid::nil());
            let waiting = match due {
                Due::Open => format!("AND {UNANSWERED}"),
                Due::Overdue => format!("AND {UNANSWERED} AND due_at < $1"),
            };
            (start, waiting, ">", "due_at", "ASC")
        }
    };
    let place = page.place(&app, &list, start)?;
    let statement = format!(
        "SELECT p.*, x.*
         FROM (SELECT coalesce(read.served_position('data_export_requests'), 0) OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT {COLUMNS}, ({UNANSWERED} AND due_at < $1) AS is_overdue
             FROM read.data_export_requests r
             WHERE ({order}, request_id) {compare} ($2, $3) {waiting} {of_user} {of_status}
             ORDER BY {order} {way}, request_id {way} LIMIT $4
         ) x ON true
         ORDER BY x.{order} {way}, x.request_id {way}"
    );
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let query = sqlx::query(&statement)
            .bind(clock::now())
            .bind(place.0)
            .bind(place.1)
            .bind(page.rows())
            .bind(user)
            .bind(status.map(|status| status.as_str().to_uppercase()));
        with_position::<RequestRow>(&query.fetch_all(&app.reads).await?)
    })
    .await?;
    let part = page.cut(&app, &list, rows, |last| {
        let at = if due.is_some() { last.due_at } else { last.requested_at };
        PlaceInTime(at.0, last.request_id)
    });
    let items = open(&app.opener, me.actor.id, part.items).await?;
    Ok(read.list(position, &List { items, next: part.next }))
}

/// Shows a request for one's own data; for admins and auditors anybody's.
#[utoipa::path(get, path = "/v1/data-export-requests/{id}", tag = "Exports",
    params(("id" = Uuid, Path, description = "The request's id")),
    responses((status = 200, description = "The request", body = DataExportRequest),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let me = read.principal()?;
    let request_id: ExportJobId = read.path.parse("id")?;
    let statement = format!(
        "SELECT p.*, x.*
         FROM (SELECT coalesce(read.served_position('data_export_requests'), 0) OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT {COLUMNS}, ({UNANSWERED} AND due_at < $1) AS is_overdue
             FROM read.data_export_requests r
             WHERE request_id = $2 AND (user_id = $3 OR $4)
         ) x ON true"
    );
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let query = sqlx::query(&statement)
            .bind(clock::now())
            .bind(request_id.0)
            .bind(me.actor.id)
            .bind(me.roles.include(SEE_ALL));
        with_position::<RequestRow>(&query.fetch_all(&app.reads).await?)
    })
    .await?;
    if rows.iter().any(|row| row.user_id != me.actor.id) {
        read.record_audit_read(&app, "/v1/data-export-requests/{id}").await;
    }
    match open(&app.opener, me.actor.id, rows).await?.first() {
        Some(request) => Ok(read.object(position, request)),
        None => Err(ReadError::not_found(position, "There is no such request.")),
    }
}
