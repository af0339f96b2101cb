//! Statutory exports by their status, across organizations, for those who run the platform and those who
//! audit it: what waits, what fails, what is to be cleaned up (O7). Each read is itself recorded (AUD-09).

use agora_domain::exports::export_job::ExportStatus;
use agora_service::clock;
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    app::Shared,
    error::ReadError,
    exported::{self, COLUMNS, Export},
    freshness::fresh,
    paging::Page,
    params::{FromParams, Params},
    reply::List,
    request::Read,
    rows::with_position,
};

/// Which exports.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// `pending`, `processing`, `completed` or `failed`.
    #[param(value_type = Option<String>, required = false, default = "pending")]
    status: ExportStatus,
    /// True: only those whose file is to go, the first to expire first, instead of those of a status.
    #[param(required = false, default = false)]
    expired: bool,
}

impl FromParams for Filter {
    fn from_params(params: &mut Params) -> Self {
        let status = params.value("status", exported::status);
        let expired = params.value("expired", |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("must be true or false".into()),
        });
        Self {
            status: status.unwrap_or(ExportStatus::Pending),
            expired: expired.unwrap_or_default(),
        }
    }
}

/// Lists exports of a status, the oldest first.
#[utoipa::path(get, path = "/v1/exports/queue", tag = "Exports", params(Filter, Page),
    responses((status = 200, description = "A part of the list", body = List<Export>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Filter, Page)>,
) -> Result<Response, ReadError> {
    read.record_audit_read(&app, "/v1/exports/queue").await;
    let (Filter { status, expired }, page) = &read.query;
    let list = format!("export-queue/{}/{expired}", status.as_str());
    let start = (DateTime::<Utc>::UNIX_EPOCH, Uuid::nil());
    let after = page.place(&app, &list, start)?;
    let statement = list_statement(*expired);
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let query = sqlx::query(&statement)
            .bind(clock::now())
            .bind(after.0)
            .bind(after.1)
            .bind(page.rows())
            .bind(status.as_str());
        with_position::<Export>(&query.fetch_all(&app.reads).await?)
    })
    .await?;
    let place = |last: &Export| {
        let at = if *expired { last.expires_at } else { last.triggered_at };
        (at.0, last.id)
    };
    let part = page.cut(&app, &list, rows, place);
    Ok(read.list(position, &part))
}

/// `$1` is now, then the place after, the number of rows, and the status.
pub fn list_statement(expired: bool) -> String {
    let (chosen, order) = if expired {
        (
            "status = 'completed' AND file_purged_at IS NULL AND expires_at <= $1 AND $5 <> ''",
            "expires_at",
        )
    } else {
        ("status = $5", "triggered_at")
    };
    format!(
        "SELECT p.*, x.*
         FROM (SELECT coalesce(read.served_position('bufdir_export_logs'), 0) OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT {COLUMNS} FROM read.bufdir_export_logs
             WHERE {chosen} AND ({order}, id) > ($2, $3)
             ORDER BY {order}, id LIMIT $4
         ) x ON true
         ORDER BY x.{order}, x.id"
    )
}
