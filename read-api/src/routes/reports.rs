//! Statutory reports of the organization that one's session is of (E21). Another organization's do not
//! exist, for admins neither: across tenants there is the log (BUF-15, BUF-16).

use agora_domain::{exports::report_content::PeriodLabel, ids::BufdirReportId};
use agora_event_store::{Opener, vault::VaultError};
use agora_service::problem::Problem;
use axum::{extract::State, response::Response};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{FromParams, Params, id},
    reply::List,
    request::Read,
    rows::{Instant, Sealed, with_position},
};

/// A statutory report, without its figures.
#[derive(Serialize, ToSchema, FromRow)]
pub struct ReportSummary {
    id: Uuid,
    organization_id: Uuid,
    /// A year, a quarter or a month.
    #[schema(example = "2025-Q1")]
    period_label: String,
    /// The first day that it is about.
    period_from: NaiveDate,
    /// The last day.
    period_to: NaiveDate,
    #[schema(example = "1.0")]
    schema_version: String,
    /// `draft`, or `submitted`: then it does not change any more.
    #[schema(example = "draft")]
    status: String,
    measure_count: i32,
    created_by_user_id: Uuid,
    created_at: Instant,
    updated_at: Instant,
    submitted_by_user_id: Option<Uuid>,
    submitted_at: Option<Instant>,
    /// The number of its events: for `If-Match` of commands.
    sequence: i64,
    #[serde(skip)]
    position: i64,
}

/// A statutory report with its figures.
#[derive(Serialize, ToSchema)]
pub struct Report {
    #[serde(flatten)]
    summary: ReportSummary,
    sections: Vec<ReportSection>,
}

/// A part of a report.
#[derive(Serialize, ToSchema)]
pub struct ReportSection {
    #[schema(example = "families")]
    key: String,
    title: String,
    measures: Vec<ReportMeasure>,
}

/// A named figure.
#[derive(Serialize, ToSchema)]
pub struct ReportMeasure {
    #[schema(example = "families_counselled")]
    key: String,
    label: String,
    /// `number` or `text`.
    #[schema(example = "number")]
    value_type: &'static str,
    /// A number as it was written, so that no digit is lost: `-12.50`.
    #[schema(example = "128")]
    value: String,
    #[schema(example = "families")]
    unit: Option<String>,
    /// Null where there is none, and where it was erased.
    note: Option<String>,
}

/// As the read table has it, notes sealed.
#[derive(Deserialize)]
struct StoredSection {
    key: String,
    title: String,
    measures: Vec<StoredMeasure>,
}

#[derive(Deserialize)]
struct StoredMeasure {
    key: String,
    label: String,
    value: StoredValue,
    unit: Option<String>,
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
enum StoredValue {
    Number(String),
    Text(String),
}

#[derive(FromRow)]
struct Row {
    #[sqlx(flatten)]
    summary: ReportSummary,
    sections: String,
}

/// Which reports.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Chosen {
    /// Only drafts, or only what was submitted.
    #[param(required = false, pattern = "^(draft|submitted)$")]
    status: Option<&'static str>,
    /// Only of this year, quarter or month, as `period_label` says it.
    #[param(required = false, example = "2025-Q1")]
    period: Option<String>,
}

impl FromParams for Chosen {
    fn from_params(params: &mut Params) -> Self {
        let status = params.value("status", |text| match text {
            "draft" => Ok("draft"),
            "submitted" => Ok("submitted"),
            _ => Err("must be draft or submitted".into()),
        });
        let period = params.value("period", |text| {
            let label: PeriodLabel = id(text)?;
            Ok(label.as_str().to_owned())
        });
        Self { status, period }
    }
}

/// Lists the reports of the organization that one's session is of, the newest first.
#[utoipa::path(get, path = "/v1/reports", tag = "Reports", params(Chosen, Page),
    responses((status = 200, description = "A part of the list", body = List<ReportSummary>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Chosen, Page)>,
) -> Result<Response, ReadError> {
    let organization_id = read.tenant()?.organization_id;
    let (Chosen { status, period }, page) = &read.query;
    let list = format!("reports/{organization_id}/{status:?}/{period:?}");
    let before: i64 = page.place(&app, &list, i64::MAX)?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, r.*
             FROM (SELECT coalesce(read.served_position('bufdir_reports'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT id, organization_id, period_label, period_from, period_to, schema_version,
                        status, measure_count, created_by_user_id, created_at, updated_at,
                        submitted_by_user_id, submitted_at, sequence, position
                 FROM read.bufdir_reports
                 WHERE organization_id = $1 AND position < $2
                   AND ($3::text IS NULL OR status = $3)
                   AND ($4::text IS NULL OR period_label = $4)
                 ORDER BY position DESC LIMIT $5
             ) r ON true
             ORDER BY r.position DESC",
        )
        .bind(organization_id.0)
        .bind(before)
        .bind(*status)
        .bind(period.as_deref())
        .bind(page.rows())
        .fetch_all(&app.reads)
        .await?;
        with_position::<ReportSummary>(&rows)
    })
    .await?;
    Ok(read.list(position, &page.cut(&app, &list, rows, |last| last.position)))
}

/// Shows a report of the organization that one's session is of.
#[utoipa::path(get, path = "/v1/reports/{id}", tag = "Reports",
    params(("id" = Uuid, Path, description = "The report's id")),
    responses((status = 200, description = "The report", body = Report),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let id: BufdirReportId = read.path.parse("id")?;
    let organization_id = read.tenant()?.organization_id;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, r.*
             FROM (SELECT coalesce(read.served_position('bufdir_reports'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT id, organization_id, period_label, period_from, period_to, schema_version,
                        status, measure_count, created_by_user_id, created_at, updated_at,
                        submitted_by_user_id, submitted_at, sequence, position,
                        sections::text AS sections
                 FROM read.bufdir_reports WHERE id = $1 AND organization_id = $2
             ) r ON true",
        )
        .bind(id.0)
        .bind(organization_id.0)
        .fetch_all(&app.reads)
        .await?;
        with_position::<Row>(&rows)
    })
    .await?;
    let Some(Row { summary, sections }) = rows.into_iter().next() else {
        return Err(ReadError::not_found(position, "There is no report of this id."));
    };
    let stored: Vec<StoredSection> = serde_json::from_str(&sections).map_err(|_| {
        tracing::error!("the sections of a report cannot be read");
        Problem::internal()
    })?;
    let sections = open(&app.opener, summary.id, stored).await?;
    Ok(read.object(position, &Report { summary, sections }))
}

/// The sections with their notes in the clear.
async fn open(
    opener: &Opener,
    report_id: Uuid,
    stored: Vec<StoredSection>,
) -> Result<Vec<ReportSection>, VaultError> {
    let mut sealed = Sealed::default();
    let mut slots = Vec::new();
    for (place, section) in stored.iter().enumerate() {
        for (index, measure) in section.measures.iter().enumerate() {
            let field = format!("report.sections.{place}.measures.{index}.note");
            slots.push(sealed.add("bufdir_report", report_id, field, measure.note.as_deref()));
        }
    }
    let open = sealed.open(opener).await?;
    let mut notes = slots.into_iter().map(|slot| open.text(slot)).collect::<Vec<_>>().into_iter();
    let mut measure = |measure: StoredMeasure| {
        let (value_type, value) = match measure.value {
            StoredValue::Number(number) => ("number", number),
            StoredValue::Text(text) => ("text", text),
        };
        let (key, label, unit) = (measure.key, measure.label, measure.unit);
        ReportMeasure { key, label, value_type, value, unit, note: notes.next().flatten() }
    };
    let sections = stored.into_iter().map(|section| ReportSection {
        key: section.key,
        title: section.title,
        measures: section.measures.into_iter().map(&mut measure).collect(),
    });
    Ok(sections.collect())
}
