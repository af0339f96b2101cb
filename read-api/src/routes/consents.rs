//! Consents (E22): one's own; for admins and auditors everybody's, by person, by version of the policy,
//! and as of any time (CON-08). Who reads another's leaves a record.

use std::sync::LazyLock;

use agora_domain::{
    compliance::policy_values::VersionNumber,
    ids::{ConsentId, MemberId},
};
use agora_event_store::{Opener, vault::VaultError};
use agora_service::clock;
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, types::Json};
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
    routes::data_export_requests::{SEE_ALL, whose},
    rows::{Instant, PlaceInTime, Sealed, with_position},
};

/// One answer of one person to one question for consent (E22). What was erased is null.
#[derive(Serialize, ToSchema)]
pub struct ConsentShown {
    #[serde(flatten)]
    pub(super) row: ConsentRow,
    /// What the person read.
    pub(super) purpose_description: Option<String>,
    ip_address: Option<String>,
    user_agent: Option<String>,
    #[schema(value_type = Option<Object>)]
    evidence_data: Option<Value>,
    withdrawal_reason: Option<String>,
}

#[derive(Serialize, ToSchema, FromRow)]
pub struct ConsentRow {
    pub(super) consent_id: Uuid,
    pub(super) user_id: Uuid,
    /// `member` or `admin`.
    user_kind: String,
    /// DATA_PROCESSING, MARKETING, ANALYTICS or COOKIES.
    #[schema(example = "ANALYTICS")]
    pub(super) consent_type: String,
    /// GRANTED, DENIED, WITHDRAWN or EXPIRED, at the time that is asked about.
    #[schema(example = "GRANTED")]
    pub(super) consent_status: String,
    #[schema(example = "EXPLICIT_OPT_IN")]
    pub(super) consent_method: String,
    /// The version of the privacy policy that was shown, and the hash of its text.
    pub(super) consent_version: String,
    pub(super) policy_hash: String,
    #[schema(example = "CONSENT")]
    pub(super) legal_basis: String,
    #[schema(value_type = Vec<String>)]
    pub(super) data_categories: Json<Value>,
    #[schema(value_type = Vec<String>)]
    pub(super) processing_purposes: Json<Value>,
    pub(super) third_party_sharing: bool,
    pub(super) retention_period_days: Option<i32>,
    pub(super) granted_at: Option<Instant>,
    pub(super) withdrawn_at: Option<Instant>,
    pub(super) expires_at: Option<Instant>,
    /// When a later grant for the same purpose made it history.
    superseded_at: Option<Instant>,
    /// Whether it is a consent that holds: granted, not over, and neither imported nor on another ground.
    pub(super) valid_consent: bool,
    /// The browser's `Sec-GPC` denied it.
    denied_by_signal: bool,
    /// What another system knew: history.
    is_imported: bool,
    pub(super) created_at: Instant,
    pub(super) updated_at: Instant,
    /// The number of its last event in its stream: for `If-Match` of commands.
    pub(super) sequence: i64,
    #[serde(skip)]
    pub(super) position: i64,
    #[serde(skip)]
    stream_id: String,
    #[serde(skip)]
    sealed_description: Option<String>,
    #[serde(skip)]
    sealed_address: Option<String>,
    #[serde(skip)]
    sealed_agent: Option<String>,
    #[serde(skip)]
    sealed_evidence: Option<String>,
    #[serde(skip)]
    sealed_reason: Option<String>,
}

/// The columns as of a time: `$1` is that, for what has happened since, and `$2` the same or now, for
/// what ends by itself.
const COLUMNS: &str = "
    c.consent_id, c.user_id, c.user_kind, c.consent_type, s.consent_status, c.consent_method,
    c.consent_version, c.policy_hash, c.legal_basis, c.data_categories, c.processing_purposes,
    c.third_party_sharing, c.retention_period_days, c.granted_at,
    CASE WHEN s.consent_status = 'WITHDRAWN' THEN c.withdrawn_at END AS withdrawn_at, c.expires_at,
    s.superseded_at,
    (s.consent_status = 'GRANTED' AND s.superseded_at IS NULL AND NOT c.is_imported
     AND c.legal_basis = 'CONSENT') AS valid_consent,
    c.denied_by_signal, c.is_imported, c.created_at,
    CASE WHEN c.updated_at <= $1 THEN c.updated_at ELSE c.created_at END AS updated_at, c.sequence,
    c.position, c.stream_id, c.purpose_description AS sealed_description,
    c.ip_address AS sealed_address, c.user_agent AS sealed_agent,
    c.evidence_data AS sealed_evidence,
    CASE WHEN s.consent_status = 'WITHDRAWN' THEN c.withdrawal_reason END AS sealed_reason";

/// What a record said then.
const STATUS: &str = "CROSS JOIN LATERAL (
    SELECT CASE WHEN (c.consent_status = 'GRANTED'
                      OR c.consent_status = 'WITHDRAWN' AND c.withdrawn_at > $1)
                THEN CASE WHEN c.expires_at <= $2 THEN 'EXPIRED' ELSE 'GRANTED' END
                ELSE c.consent_status END AS consent_status,
           CASE WHEN c.superseded_at <= $1 THEN c.superseded_at END AS superseded_at) s";

const POSITION: &str =
    "(SELECT coalesce(read.served_position('consents'), 0) AS served OFFSET 0) p";

async fn open(opener: &Opener, rows: Vec<ConsentRow>) -> Result<Vec<ConsentShown>, VaultError> {
    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(rows.len());
    for row in &rows {
        let fields = [
            ("consent.purpose_description", &row.sealed_description),
            ("consent.ip_address", &row.sealed_address),
            ("consent.user_agent", &row.sealed_agent),
            ("consent.evidence_data", &row.sealed_evidence),
            ("consent.withdrawal_reason", &row.sealed_reason),
        ];
        slots
            .push(fields.map(|(field, text)| {
                sealed.add("consent", &row.stream_id, field, text.as_deref())
            }));
    }
    let open = sealed.open(opener).await?;
    let texts: Vec<_> = slots.into_iter().map(|slots| slots.map(|slot| open.text(slot))).collect();
    let shown = rows.into_iter().zip(texts).map(|(row, texts)| {
        let [purpose_description, ip_address, user_agent, evidence, withdrawal_reason] = texts;
        let evidence_data = evidence.and_then(|text| serde_json::from_str(&text).ok());
        ConsentShown {
            row,
            purpose_description,
            ip_address,
            user_agent,
            evidence_data,
            withdrawal_reason,
        }
    });
    Ok(shown.collect())
}

/// Which consents.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only of one person; of others than oneself for admins and auditors.
    #[param(rename = "user_id")]
    user: Option<Uuid>,
    /// Only to one version of the privacy policy.
    #[param(rename = "policy_version", value_type = Option<String>, example = "v3.2")]
    version: Option<VersionNumber>,
    /// As they were at this time; now where it is left out.
    #[param(value_type = Option<String>, format = DateTime)]
    as_of: Option<DateTime<Utc>>,
}

impl FromParams for Filter {
    fn from_params(params: &mut Params) -> Self {
        Self {
            user: params.value("user_id", |text| params::id::<MemberId>(text).map(|id| id.0)),
            version: params.value("policy_version", params::id),
            as_of: params.value("as_of", params::instant),
        }
    }
}

/// The two times of [`COLUMNS`].
fn times(as_of: Option<DateTime<Utc>>) -> (DateTime<Utc>, DateTime<Utc>) {
    // Clocks of two machines differ: what has been recorded has happened.
    (as_of.unwrap_or(PlaceInTime::start().0), as_of.unwrap_or_else(clock::now))
}

/// Lists consents, the newest first: one's own; for admins and auditors everybody's.
#[utoipa::path(get, path = "/v1/consents", tag = "Compliance", params(Filter, Page),
    responses((status = 200, description = "A part of the list", body = List<ConsentShown>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Filter, Page)>,
) -> Result<Response, ReadError> {
    let (Filter { user, version, as_of }, page) = &read.query;
    let user = whose(&read, &app, "/v1/consents", *user).await?;
    let list = format!("consents/{user:?}/{version:?}/{as_of:?}");
    let before: i64 = page.place(&app, &list, i64::MAX)?;
    let of_user = if user.is_some() { "AND c.user_id = $5" } else { "AND $5::uuid IS NULL" };
    let of_version =
        if version.is_some() { "AND c.consent_version = $6" } else { "AND $6::text IS NULL" };
    let statement = format!(
        "SELECT p.*, x.* FROM {POSITION}
         LEFT JOIN LATERAL (
             SELECT {COLUMNS} FROM read.consents c {STATUS}
             WHERE c.position < $3 AND c.created_at <= $1 {of_user} {of_version}
             ORDER BY c.position DESC LIMIT $4
         ) x ON true
         ORDER BY x.position DESC"
    );
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let (happened, ended) = times(*as_of);
        let query = sqlx::query(&statement)
            .bind(happened)
            .bind(ended)
            .bind(before)
            .bind(page.rows())
            .bind(user)
            .bind(version.as_ref().map(VersionNumber::as_str));
        with_position::<ConsentRow>(&query.fetch_all(&app.reads).await?)
    })
    .await?;
    let part = page.cut(&app, &list, rows, |last| last.position);
    let items = open(&app.opener, part.items).await?;
    Ok(read.list(position, &List { items, next: part.next }))
}

static SHOW: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT p.*, x.* FROM {POSITION}
         LEFT JOIN LATERAL (
             SELECT {COLUMNS} FROM read.consents c {STATUS}
             WHERE c.consent_id = $3 AND (c.user_id = $4 OR $5)
         ) x ON true"
    )
});

/// The consent that the path names, where the asker may see it.
pub(super) async fn find(
    app: &Shared,
    read: &Read,
    route: &'static str,
) -> Result<(u64, ConsentShown), ReadError> {
    let me = read.principal()?;
    let consent_id: ConsentId = read.path.parse("id")?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let (happened, ended) = times(None);
        let query = sqlx::query(&SHOW)
            .bind(happened)
            .bind(ended)
            .bind(consent_id.0)
            .bind(me.actor.id)
            .bind(me.roles.include(SEE_ALL));
        with_position::<ConsentRow>(&query.fetch_all(&app.reads).await?)
    })
    .await?;
    if rows.iter().any(|row| row.user_id != me.actor.id) {
        read.record_audit_read(app, route).await;
    }
    match open(&app.opener, rows).await?.into_iter().next() {
        Some(consent) => Ok((position, consent)),
        None => Err(ReadError::not_found(position, "There is no such consent.")),
    }
}

/// Shows a consent; for admins and auditors anybody's.
#[utoipa::path(get, path = "/v1/consents/{id}", tag = "Compliance",
    params(("id" = Uuid, Path, description = "The record's id")),
    responses((status = 200, description = "The consent", body = ConsentShown), (status = 304),
              (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let (position, consent) = find(&app, &read, "/v1/consents/{id}").await?;
    Ok(read.object(position, &consent))
}
