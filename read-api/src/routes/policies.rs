//! The privacy policy (E28): which version holds, which held at a time, and the text of each with its
//! hash. Everybody reads what is published; admins and auditors also what is being written.

use std::sync::LazyLock;

use agora_domain::compliance::policy_values::VersionNumber;
use agora_service::clock;
use axum::{extract::State, response::Response};
use chrono::{DateTime, Months, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, Row, types::Json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    access::Roles,
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{self, FromParams, Params},
    reply::List,
    request::Read,
    rows::{Instant, with_position},
};

/// A version of the privacy policy, without its text.
#[derive(Serialize, ToSchema, FromRow)]
pub struct PolicySummary {
    version_id: Uuid,
    #[schema(example = "v3.2")]
    version_number: String,
    /// From when it holds; of what is not published, from when it is to hold.
    effective_date: Instant,
    /// When another took its place; null for the version that holds, and for later ones.
    expiry_date: Option<Instant>,
    /// SHA-256 of the text as UTF-8.
    content_hash: String,
    #[schema(value_type = Option<Vec<String>>)]
    major_changes: Option<Json<Value>>,
    /// DRAFT, UNDER_REVIEW, APPROVED or PUBLISHED.
    #[schema(example = "PUBLISHED")]
    legal_review_status: String,
    reviewed_by: Option<Uuid>,
    reviewed_at: Option<Instant>,
    published_at: Option<Instant>,
    acceptance_required: bool,
    notification_sent: bool,
    /// Whether it holds, at the time that is asked about.
    is_current: bool,
    created_at: Instant,
    updated_at: Instant,
    /// The number of its events: for `If-Match` of commands.
    sequence: i64,
    #[serde(skip)]
    position: i64,
}

/// A version with its text.
#[derive(Serialize, ToSchema, FromRow)]
pub struct Policy {
    #[serde(flatten)]
    #[sqlx(flatten)]
    summary: PolicySummary,
    policy_content: String,
    /// A year after it took effect: a policy is to be looked through once a year (CCPA regulations).
    #[sqlx(default)]
    update_due_at: Option<Instant>,
}

impl Policy {
    fn with_due(mut self) -> Self {
        let due = self.summary.effective_date.0.checked_add_months(Months::new(12));
        self.update_due_at = due.map(Instant);
        self
    }
}

/// `$1` is the time that is asked about.
const COLUMNS: &str = "version_id, version_number, effective_date, \
     CASE WHEN next_effective <= $1 THEN next_effective END AS expiry_date, content_hash, \
     major_changes, legal_review_status, reviewed_by, reviewed_at, published_at, \
     acceptance_required, notification_sent, \
     coalesce(published_at <= $1 AND effective_date <= $1 \
              AND (next_effective IS NULL OR next_effective > $1), false) AS is_current, \
     created_at, updated_at, sequence, position";

/// When the next published version takes effect after a published one.
const NEXT: &str = "LEFT JOIN LATERAL (
         SELECT n.effective_date AS next_effective FROM read.policy_versions n
         WHERE n.legal_review_status = 'PUBLISHED' AND v.legal_review_status = 'PUBLISHED'
           AND n.effective_date > v.effective_date
         ORDER BY n.effective_date LIMIT 1) n ON true";

const POSITION: &str =
    "(SELECT coalesce(read.served_position('policy_versions'), 0) AS served OFFSET 0) p";

/// As of when.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AsOf {
    /// What was published, and which version held, at this time; now where it is left out.
    #[param(value_type = Option<String>, format = DateTime)]
    as_of: Option<DateTime<Utc>>,
}

impl FromParams for AsOf {
    fn from_params(params: &mut Params) -> Self {
        Self { as_of: params.value("as_of", params::instant) }
    }
}

/// Who sees what is being written.
const SEE_DRAFTS: Roles = Roles::ADMIN.and(Roles::GLOBAL_ADMIN).and(Roles::AUDITOR);

static LIST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT p.*, x.* FROM {POSITION}
         LEFT JOIN LATERAL (
             SELECT {COLUMNS} FROM read.policy_versions v {NEXT}
             WHERE v.position < $2 AND (v.published_at <= $1 OR $3)
             ORDER BY v.position DESC LIMIT $4
         ) x ON true
         ORDER BY x.position DESC"
    )
});

/// Lists the versions of the privacy policy, the newest first.
///
/// Admins and auditors see drafts too, unless they ask about a time.
#[utoipa::path(get, path = "/v1/policies", tag = "Compliance", params(AsOf, Page),
    responses((status = 200, description = "A part of the list", body = List<PolicySummary>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(AsOf, Page)>,
) -> Result<Response, ReadError> {
    let (AsOf { as_of }, page) = &read.query;
    let sees_drafts = as_of.is_none() && read.caller.roles().include(SEE_DRAFTS);
    let list = format!("policies/{sees_drafts}/{as_of:?}");
    let before: i64 = page.place(&app, &list, i64::MAX)?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(&LIST)
            .bind(as_of.unwrap_or_else(clock::now))
            .bind(before)
            .bind(sees_drafts)
            .bind(page.rows())
            .fetch_all(&app.reads)
            .await?;
        with_position::<PolicySummary>(&rows)
    })
    .await?;
    Ok(read.list(position, &page.cut(&app, &list, rows, |last| last.position)))
}

static CURRENT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT p.*, x.* FROM {POSITION}
         LEFT JOIN LATERAL (
             SELECT {COLUMNS}, policy_content FROM read.policy_versions v {NEXT}
             WHERE v.legal_review_status = 'PUBLISHED' AND v.effective_date <= $1
             ORDER BY v.effective_date DESC LIMIT 1
         ) x ON true"
    )
});

/// Shows the version of the privacy policy that holds, or held at a time.
#[utoipa::path(get, path = "/v1/policies/current", tag = "Compliance", params(AsOf),
    responses((status = 200, description = "The version", body = Policy), (status = 304),
              (status = 404)))]
pub async fn current(State(app): State<Shared>, read: Read<AsOf>) -> Result<Response, ReadError> {
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let at = read.query.as_of.unwrap_or_else(clock::now);
        with_position::<Policy>(&sqlx::query(&CURRENT).bind(at).fetch_all(&app.reads).await?)
    })
    .await?;
    match rows.into_iter().next() {
        Some(policy) => Ok(read.object(position, &policy.with_due())),
        None => Err(ReadError::not_found(position, "No privacy policy holds, or held then.")),
    }
}

static SHOW: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT p.*, x.* FROM {POSITION}
         LEFT JOIN LATERAL (
             SELECT {COLUMNS}, policy_content FROM read.policy_versions v {NEXT}
             WHERE v.version_number = $2 AND (v.legal_review_status = 'PUBLISHED' OR $3)
         ) x ON true"
    )
});

/// Shows a version of the privacy policy with its text and the hash of that.
#[utoipa::path(get, path = "/v1/policies/{version_number}", tag = "Compliance",
    params(("version_number" = String, Path, description = "Such as `v3.2`")),
    responses((status = 200, description = "The version", body = Policy), (status = 304),
              (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let number: VersionNumber = read.path.parse("version_number")?;
    let sees_drafts = read.caller.roles().include(SEE_DRAFTS);
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let query = sqlx::query(&SHOW).bind(clock::now()).bind(number.as_str()).bind(sees_drafts);
        with_position::<Policy>(&query.fetch_all(&app.reads).await?)
    })
    .await?;
    match rows.into_iter().next() {
        Some(policy) => Ok(read.object(position, &policy.with_due())),
        None => Err(ReadError::not_found(position, "There is no version of this number.")),
    }
}

/// Somebody's acceptance of a version.
#[derive(Serialize, ToSchema, FromRow)]
pub struct Acceptance {
    user_id: Uuid,
    /// `member` or `admin`.
    #[schema(example = "member")]
    user_kind: String,
    version_number: String,
    /// Of the text that was accepted.
    content_hash: String,
    accepted_at: Instant,
    /// Of the event, in the log.
    position: i64,
}

/// Lists who accepted a version of the privacy policy, the latest first.
#[utoipa::path(get, path = "/v1/policies/{version_number}/acceptances", tag = "Compliance",
    params(("version_number" = String, Path, description = "Such as `v3.2`"), Page),
    responses((status = 200, description = "A part of the list", body = List<Acceptance>),
              (status = 404)))]
pub async fn acceptances(
    State(app): State<Shared>,
    read: Read<Page>,
) -> Result<Response, ReadError> {
    let number: VersionNumber = read.path.parse("version_number")?;
    let list = format!("policies/{number}/acceptances");
    let before: i64 = read.query.place(&app, &list, i64::MAX)?;
    let (position, (exists, rows)) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.served, x.*, p.found
             FROM (SELECT least(coalesce(read.served_position('policy_versions'), 0),
                                coalesce(read.served_position('policy_acceptances'), 0))
                              AS served,
                          EXISTS (SELECT FROM read.policy_versions WHERE version_number = $1)
                              AS found
                   OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT user_id, user_kind, version_number, content_hash, accepted_at, position
                 FROM read.policy_acceptances
                 WHERE version_number = $1 AND position < $2
                 ORDER BY position DESC LIMIT $3
             ) x ON true
             ORDER BY x.position DESC",
        )
        .bind(number.as_str())
        .bind(before)
        .bind(read.query.rows())
        .fetch_all(&app.reads)
        .await?;
        let exists = rows.first().map_or(Ok(false), |row| row.try_get("found"))?;
        let (position, rows) = with_position::<Acceptance>(&rows)?;
        Ok::<_, ReadError>((position, (exists, rows)))
    })
    .await?;
    if !exists {
        return Err(ReadError::not_found(position, "There is no version of this number."));
    }
    read.record_audit_read(&app, "/v1/policies/{version_number}/acceptances").await;
    Ok(read.list(position, &read.query.cut(&app, &list, rows, |last| last.position)))
}
