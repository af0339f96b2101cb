//! Every export of a person's or of the platform's data (E20): one's own, and for admins and auditors
//! everybody's. What is hidden is shown to auditors alone (DEL-05).

use agora_event_store::{Opener, vault::VaultError};
use agora_service::clock;
use axum::{extract::State, response::Response};
use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, types::Json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::data_export_requests::{SEE_ALL, whose};
use crate::{
    access::Roles,
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{FromParams, Params, Says, id},
    reply::List,
    request::Read,
    rows::{Instant, PlaceInTime, Sealed, with_position},
};

/// An entry of the log of data exports (E20).
#[derive(Serialize, ToSchema)]
pub struct DataExportLog {
    #[serde(flatten)]
    row: LogRow,
    /// Null where it was erased, and to a member where an admin asked; `::` where it is not known.
    requested_ip: Option<String>,
}

#[derive(Serialize, ToSchema, FromRow)]
pub struct LogRow {
    id: Uuid,
    /// Who asked, or, where an admin asked for a member, whose data it is.
    member_user_id: Option<Uuid>,
    admin_user_id: Option<Uuid>,
    /// `user_data`, `communities`, `posts` or `comments`.
    #[schema(example = "user_data")]
    export_type: String,
    #[schema(example = "json")]
    export_format: String,
    /// `pending`, `completed` or `failed`.
    #[schema(example = "completed")]
    status: String,
    created_at: Instant,
    /// When the entry was hidden.
    deleted_at: Option<Instant>,
    /// `subject_data` or `platform_data`.
    kind: String,
    completed_at: Option<Instant>,
    expires_at: Option<Instant>,
    file_name: Option<String>,
    file_size_bytes: Option<i64>,
    checksum_sha256: Option<String>,
    error_code: Option<String>,
    error_message: Option<String>,
    download_count: i64,
    last_downloaded_at: Option<Instant>,
    /// Whether there is a file to download.
    file_available: bool,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Json<Value>>,
    /// The number of the job's events: for `If-Match` of commands.
    sequence: i64,
    #[serde(skip)]
    #[sqlx(rename = "requested_ip")]
    sealed_ip: String,
}

/// `me`: whose own entries they are; none where somebody may see everybody's.
async fn open(
    opener: &Opener,
    rows: Vec<LogRow>,
    me: Option<Uuid>,
) -> Result<Vec<DataExportLog>, VaultError> {
    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(rows.len());
    for row in &rows {
        let ip = Some(row.sealed_ip.as_str()).filter(|ip| *ip != NO_ADDRESS);
        // Where an admin asked for a member, the address is the admin's (DXR-12).
        let of_another = me.is_some() && row.admin_user_id.is_some() && row.admin_user_id != me;
        let shown = ip.filter(|_| !of_another);
        slots.push((ip.is_none(), sealed.add("export_job", row.id, "metadata.ip", shown)));
    }
    let open = sealed.open(opener).await?;
    let ips: Vec<_> = slots
        .into_iter()
        .map(|(unknown, slot)| if unknown { Some(NO_ADDRESS.to_owned()) } else { open.text(slot) })
        .collect();
    let entry = |(row, requested_ip)| DataExportLog { row, requested_ip };
    Ok(rows.into_iter().zip(ips).map(entry).collect())
}

/// Stands where nobody's address is known (K20).
const NO_ADDRESS: &str = "::";

/// Which entries.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only of one member or admin; of others than oneself for admins and auditors.
    #[param(rename = "user_id")]
    user: Option<Uuid>,
    /// Only `pending`, `completed` or `failed`.
    #[param(value_type = Option<String>)]
    status: Option<&'static str>,
}

impl FromParams for Filter {
    fn from_params(params: &mut Params) -> Self {
        let status = |text: &str| {
            let mut words = ["pending", "completed", "failed"].into_iter();
            let found = words.find(|word| *word == text);
            found.ok_or(Says::Borrowed("must be pending, completed or failed"))
        };
        Self {
            user: params
                .value("user_id", |text| id::<agora_domain::ids::MemberId>(text).map(|id| id.0)),
            status: params.value("status", status),
        }
    }
}

/// Lists exports of data, the newest first: one's own; for admins and auditors everybody's.
#[utoipa::path(get, path = "/v1/data-export-logs", tag = "Exports", params(Filter, Page),
    responses((status = 200, description = "A part of the list", body = List<DataExportLog>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Filter, Page)>,
) -> Result<Response, ReadError> {
    let me = read.principal()?;
    let (Filter { user, status }, page) = &read.query;
    let user = whose(&read, &app, "/v1/data-export-logs", *user).await?;
    let sees_hidden = me.roles.include(Roles::AUDITOR);
    let list = format!("data-export-logs/{user:?}/{status:?}/{sees_hidden}");
    let before = page.place(&app, &list, PlaceInTime::start())?;
    let of_user = match user {
        Some(_) => "AND (member_user_id = $5 OR admin_user_id = $5)",
        None => "AND $5::uuid IS NULL",
    };
    let of_status = if status.is_some() { "AND status = $6" } else { "AND $6::text IS NULL" };
    let shown = if sees_hidden { "" } else { "AND deleted_at IS NULL" };
    let statement = format!(
        "SELECT p.*, x.*
         FROM (SELECT coalesce(read.served_position('data_export_logs'), 0) OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT id, member_user_id, admin_user_id, export_type, export_format, status,
                    created_at, deleted_at, kind, completed_at, expires_at, file_name,
                    file_size_bytes, checksum_sha256, error_code, error_message, download_count,
                    last_downloaded_at,
                    coalesce(status = 'completed' AND file_purged_at IS NULL AND expires_at > $1,
                             false) AS file_available,
                    metadata, sequence, requested_ip
             FROM read.data_export_logs
             WHERE (created_at, id) < ($2, $3) {of_user} {of_status} {shown}
             ORDER BY created_at DESC, id DESC LIMIT $4
         ) x ON true
         ORDER BY x.created_at DESC, x.id DESC"
    );
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let query = sqlx::query(&statement)
            .bind(clock::now())
            .bind(before.0)
            .bind(before.1)
            .bind(page.rows())
            .bind(user)
            .bind(*status);
        with_position::<LogRow>(&query.fetch_all(&app.reads).await?)
    })
    .await?;
    let part = page.cut(&app, &list, rows, |last| PlaceInTime(last.created_at.0, last.id));
    let items =
        open(&app.opener, part.items, (!me.roles.include(SEE_ALL)).then_some(me.actor.id)).await?;
    Ok(read.list(position, &List { items, next: part.next }))
}
