//! A statutory export as its readers see it (E21), whatever list it stands in. Where its file lies is told
//! to nobody (BUF-22).

use agora_domain::{
    exports::export_job::ExportStatus,
    ids::{BufdirReportId, OrganizationId},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, types::Json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    params::{self, FromParams, Params, Says, id},
    rows::Instant,
};

/// A statutory export (E21).
#[derive(Serialize, ToSchema, FromRow)]
pub struct Export {
    pub id: Uuid,
    pub bufdir_report_id: Uuid,
    pub organization_id: Uuid,
    /// Null where the platform itself asked (SYSTEM_BATCH).
    pub exported_by_user_id: Option<Uuid>,
    /// `member` or `admin`.
    pub exported_by_kind: Option<String>,
    /// MOBILE_ONE_CLICK, ADMIN_PORTAL or SYSTEM_BATCH.
    #[schema(example = "ADMIN_PORTAL")]
    pub export_source: String,
    /// PDF, CSV, XLSX, JSON or XML.
    #[schema(example = "PDF")]
    pub export_format: String,
    /// `pending`, `processing`, `completed` or `failed`.
    #[schema(example = "completed")]
    pub status: String,
    #[schema(example = "bufdir-report-2025-q1.pdf")]
    pub file_name: Option<String>,
    pub file_size_bytes: Option<i64>,
    /// SHA-256 of the file in lower-case hexadecimal.
    pub checksum_sha256: Option<String>,
    pub error_message: Option<String>,
    #[schema(example = "RATE_LIMIT_EXCEEDED")]
    pub error_code: Option<String>,
    pub download_count: i64,
    pub last_downloaded_at: Option<Instant>,
    pub triggered_at: Instant,
    pub processing_started_at: Option<Instant>,
    pub completed_at: Option<Instant>,
    /// 90 × 24 hours after `triggered_at`.
    pub expires_at: Instant,
    #[schema(example = "2025-Q1")]
    pub report_period_label: Option<String>,
    /// Row and page counts, schema version, log position, the device's system.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Json<Value>>,
    /// The report's events up to here are what the file shows.
    pub report_sequence: i64,
    /// Whether there is a file to download (K11).
    pub file_available: bool,
    /// Of one that the quota refused: when there was room again.
    pub retry_at: Option<Instant>,
    /// When the row went to the archive.
    pub archived_at: Option<Instant>,
    /// The number of the job's events: for `If-Match` of commands.
    pub sequence: i64,
}

/// What is read of a row; `$1` is the time now.
pub const COLUMNS: &str = "id, bufdir_report_id, organization_id, exported_by_user_id, exported_by_kind, export_source, \
     export_format, status, file_name, file_size_bytes, checksum_sha256, error_message, error_code, \
     download_count, last_downloaded_at, triggered_at, processing_started_at, completed_at, \
     expires_at, report_period_label, metadata, report_sequence, \
     (status = 'completed' AND file_purged_at IS NULL AND expires_at > $1) AS file_available, \
     retry_at, archived_at, sequence";

/// Which exports, of those that one may see.
#[derive(Clone, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Chosen {
    /// Only of one report.
    #[param(value_type = Option<Uuid>)]
    pub report: Option<BufdirReportId>,
    /// Only what one member or admin asked for.
    pub user: Option<Uuid>,
    /// Only `pending`, `processing`, `completed` or `failed`.
    #[param(value_type = Option<String>, example = "completed")]
    pub status: Option<ExportStatus>,
    /// Only from this time on.
    pub from: Option<DateTime<Utc>>,
    /// Only before this time.
    pub to: Option<DateTime<Utc>>,
}

impl FromParams for Chosen {
    fn from_params(params: &mut Params) -> Self {
        Self {
            report: params.value("report", id),
            user: params
                .value("user", |text| id::<agora_domain::ids::MemberId>(text).map(|id| id.0)),
            status: params.value("status", status),
            from: params.value("from", params::instant),
            to: params.value("to", params::instant),
        }
    }
}

impl Chosen {
    /// Part of a list's name: with all that chooses its rows.
    pub fn name(&self) -> String {
        let Self { report, user, status, from, to } = self;
        format!("{report:?}/{user:?}/{status:?}/{from:?}/{to:?}")
    }

    /// Conditions with their numbers from `first` on, in the order of [`Self::bind`]. What is not asked
    /// for is no part of the plan.
    pub fn conditions(&self, first: usize) -> String {
        let one = |given: bool, number: usize, column: &str, kind: &str| {
            let number = first + number;
            if given {
                format!(" AND {column} ${number}::{kind}")
            } else {
                format!(" AND ${number}::{kind} IS NULL")
            }
        };
        one(self.report.is_some(), 0, "bufdir_report_id =", "uuid")
            + &one(self.user.is_some(), 1, "exported_by_user_id =", "uuid")
            + &one(self.status.is_some(), 2, "status =", "text")
            + &one(self.from.is_some(), 3, "triggered_at >=", "timestamptz")
            + &one(self.to.is_some(), 4, "triggered_at <", "timestamptz")
    }

    pub fn bind<'q>(
        &self,
        query: sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>,
    ) -> sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments> {
        query
            .bind(self.report.map(|report| report.0))
            .bind(self.user)
            .bind(self.status.map(ExportStatus::as_str))
            .bind(self.from)
            .bind(self.to)
    }
}

/// A status of E21.
pub fn status(text: &str) -> Result<ExportStatus, Says> {
    ExportStatus::ALL
        .into_iter()
        .find(|status| status.as_str() == text && *status != ExportStatus::Cancelled)
        .ok_or(Says::Borrowed("must be pending, processing, completed or failed"))
}

/// An organization's id.
pub fn organization(text: &str) -> Result<OrganizationId, Says> {
    id(text)
}
