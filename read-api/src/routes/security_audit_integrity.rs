//! Whether the security audit log is what was written (SAL-11).

use agora_domain::security::audit::RetentionCategory;
use agora_event_store::security_audit::chain;
use agora_service::clock;
use axum::{extract::State, response::Response};
use chrono::NaiveDate;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::security_audit_logs::{position, record};
use crate::{
    app::Shared,
    error::ReadError,
    params::{self, FromParams, Params, number},
    request::Read,
};

/// Whether a day's entries are what was written.
#[derive(Serialize, ToSchema)]
pub struct Integrity {
    #[schema(value_type = String, format = Date)]
    day: NaiveDate,
    retention_category: &'static str,
    /// Whether everything that was looked at holds.
    intact: bool,
    /// The last segment of the chain that holds. Go on with it as `after` where there are more.
    segment: i32,
    /// Entries in the segments that were looked at, and in all up to there.
    entries: i64,
    total: i64,
    goes_on: bool,
    /// The first segment that does not hold, and why.
    broken_segment: Option<i32>,
    reason: Option<&'static str>,
}

/// Of which chain.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Chain {
    /// The day; today where it is absent.
    #[param(value_type = Option<String>, example = "2026-11-26")]
    day: Option<NaiveDate>,
    /// The retention category; `OPERATIONAL` where it is absent.
    #[param(value_type = Option<String>, example = "SECURITY")]
    retention: Option<RetentionCategory>,
    /// Only after this segment.
    #[param(minimum = 0)]
    after: Option<u64>,
}

impl FromParams for Chain {
    fn from_params(params: &mut Params) -> Self {
        Self {
            day: params.value("day", |text| {
                let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
                // Years of four digits, as everywhere.
                let day = day.filter(|_| text.len() == 10 && !text.starts_with(['-', '+']));
                day.ok_or_else(|| "must be a day such as 2026-11-26".into())
            }),
            retention: params.value("retention", params::id),
            after: params.value("after", |text| number(text, 0..=i32::MAX as u64)),
        }
    }
}

/// Goes through the chain of a day and a retention category, a part at a time: entries that are gone or were
/// changed, and segments that are missing, break it (SAL-11).
#[utoipa::path(get, path = "/v1/security-audit-logs/integrity", tag = "Audit", params(Chain),
    responses((status = 200, description = "What was found", body = Integrity), (status = 304)))]
pub async fn show(State(app): State<Shared>, read: Read<Chain>) -> Result<Response, ReadError> {
    record(&app, &read, "/v1/security-audit-logs/integrity").await;
    let position = position(&app, &read).await?;
    let day = read.query.day.unwrap_or_else(|| clock::now().date_naive());
    let category = read.query.retention.unwrap_or(RetentionCategory::Operational);
    let after = read.query.after.and_then(|after| i32::try_from(after).ok()).unwrap_or(0);
    let key = chain::key(app.opener.vault().masters());
    let verdict = chain::verify(&app.reads, &key, day, category, after).await?;
    let integrity = Integrity {
        day,
        retention_category: category.as_str(),
        intact: verdict.broken.is_none(),
        segment: verdict.segment,
        entries: verdict.entries,
        total: verdict.total,
        goes_on: verdict.goes_on,
        broken_segment: verdict.broken.map(|broken| broken.0),
        reason: verdict.broken.map(|broken| broken.1),
    };
    Ok(read.object(position, &integrity))
}
