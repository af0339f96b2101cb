//! The security audit log (E27), for security admins and auditors. Each read of it is an entry of its own,
//! before the reply goes out (SAL-12).

use std::net::IpAddr;

use agora_domain::security::audit::{AuditEventType, AuditResult, RetentionCategory, RiskScore};
use agora_event_store::{
    Position,
    read::from_db,
    security_audit::{self, Entry, Opened, Person, Row},
};
use agora_service::{clock, http::access::Said, problem::Problem};
use axum::{
    body::{Body, Bytes},
    extract::State,
    response::Response,
};
use chrono::{DateTime, Utc};
use futures::stream;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::Sha256;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::{App, Shared},
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{self, FromParams, Params, Says, number},
    reply::{self, List},
    request::Read,
    rows::{Instant, PlaceInTime},
    security_audit::{Search, by_id},
};

/// An entry of the security audit log (E27).
#[derive(Serialize, ToSchema)]
pub struct SecurityAuditLog {
    log_id: Uuid,
    timestamp: Instant,
    #[schema(example = "API_ACCESS")]
    event_type: String,
    /// Null where nobody known acted, for a guest, and once it is anonymized.
    user_id: Option<Uuid>,
    /// A hash of the session, never the session itself (SAL-10).
    session_id: Option<String>,
    /// `::` where there was no peer (K20); null once it is anonymized.
    #[schema(example = "203.0.113.9")]
    ip_address: Option<String>,
    user_agent: Option<String>,
    /// The route's template. Null where no route matched, or the request was refused at the door.
    #[schema(example = "/v1/commands/cast-vote")]
    endpoint: Option<String>,
    http_method: Option<String>,
    response_code: Option<i16>,
    request_size_bytes: Option<i64>,
    response_size_bytes: Option<i64>,
    processing_time_ms: Option<i32>,
    #[schema(example = "SUCCESS")]
    event_result: String,
    /// From 0 to 100, the riskiest: the other way round than a `reputation_score` (SAL-03).
    #[schema(minimum = 0, maximum = 100)]
    risk_score: Option<i16>,
    threat_indicators: Option<Vec<String>>,
    /// The country of the address. Null where no database knew it when the entry was written, and once it
    /// is anonymized.
    geolocation: Option<Geolocation>,
    /// A keyed hash of what the client says of itself.
    device_fingerprint: Option<String>,
    /// Without its query.
    referrer: Option<String>,
    /// Some of the request's headers; never what authenticates (SAL-10).
    #[schema(value_type = Option<Object>)]
    additional_headers: Option<Box<RawValue>>,
    /// HMAC-SHA-256 of the request's payload under a key of the platform (SAL-07).
    payload_hash: Option<String>,
    compliance_flags: Vec<&'static str>,
    #[schema(example = "OPERATIONAL")]
    retention_category: String,
    /// Whether what was personal can be read no more: its keys are destroyed (SAL-08).
    anonymized: bool,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
}

/// Where an address is, as coarse as it is of use.
#[derive(Serialize, ToSchema)]
pub struct Geolocation {
    /// As ISO 3166 has it.
    #[schema(example = "NO")]
    country: String,
}

impl SecurityAuditLog {
    fn of(row: Row, opened: Option<Opened>, device: &Hmac<Sha256>) -> Self {
        let anonymized = opened.is_none();
        let person = opened.unwrap_or_default();
        let json = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
        let ip_address = match (person.ip, anonymized) {
            (Some(address), _) => Some(address.to_string()),
            (None, false) => Some("::".to_owned()),
            (None, true) => None,
        };
        let device_fingerprint = person.user_agent.as_ref().map(|agent| {
            let mut mac = device.clone();
            for part in [Some(agent), person.headers.as_ref()].into_iter().flatten() {
                mac.update(part.as_bytes());
                mac.update(b"\n");
            }
            hex::encode(&mac.finalize().into_bytes()[..16])
        });
        let event_type = row.event_type.parse::<AuditEventType>();
        Self {
            log_id: row.log_id,
            timestamp: Instant(row.recorded_at),
            user_id: person.user,
            session_id: person.session,
            ip_address,
            user_agent: person.user_agent,
            endpoint: row.endpoint,
            http_method: row.http_method,
            response_code: row.response_code,
            request_size_bytes: row.request_size_bytes,
            response_size_bytes: row.response_size_bytes,
            processing_time_ms: row.processing_time_ms,
            event_result: row.event_result,
            risk_score: row.risk_score,
            threat_indicators: row
                .threat_indicators
                .and_then(|text| serde_json::from_str(&text).ok()),
            geolocation: person.country.map(|country| Geolocation { country }),
            device_fingerprint,
            referrer: person.referrer,
            additional_headers: json(person.headers),
            payload_hash: row.payload_hash.map(hex::encode),
            compliance_flags: event_type.map_or(&[][..], |it| it.compliance_flags()).to_vec(),
            event_type: row.event_type,
            retention_category: row.retention_category,
            anonymized,
            metadata: json(row.metadata),
        }
    }
}

/// Which entries are asked for.
#[derive(Clone, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only what somebody did, by its id. Of whom was erased nothing is found.
    #[param(value_type = Option<Uuid>)]
    user: Option<Uuid>,
    /// Only from one address.
    #[param(value_type = Option<String>, example = "203.0.113.9")]
    ip: Option<IpAddr>,
    /// Only of one session: its id, or `session_id` of an entry.
    #[param(example = "0191d1b2-0000-7000-8000-000000000000")]
    session: Option<String>,
    /// Only of one `event_type`.
    #[param(rename = "type", value_type = Option<String>, example = "LOGIN")]
    event_type: Option<AuditEventType>,
    /// Only of one `event_result`.
    #[param(value_type = Option<String>, example = "BLOCKED")]
    result: Option<AuditResult>,
    /// Only of one `retention_category`.
    #[param(value_type = Option<String>, example = "SECURITY")]
    retention: Option<RetentionCategory>,
    /// Only with a `risk_score` of at least this.
    #[param(value_type = Option<u8>, minimum = 0, maximum = 100)]
    risk_min: Option<RiskScore>,
    /// Only from this time on.
    from: Option<DateTime<Utc>>,
    /// Only before this time.
    to: Option<DateTime<Utc>>,
}

impl FromParams for Filter {
    fn from_params(params: &mut Params) -> Self {
        Self {
            user: params.value("user", uuid),
            ip: params.value("ip", |text| {
                text.parse().map_err(|_| "must be an address such as 203.0.113.9".into())
            }),
            session: params.value("session", params::token),
            event_type: params.value("type", params::id),
            result: params.value("result", params::id),
            retention: params.value("retention", params::id),
            risk_min: params.value("risk_min", risk),
            from: params.value("from", params::instant),
            to: params.value("to", params::instant),
        }
    }
}

fn uuid(text: &str) -> Result<Uuid, Says> {
    let id = (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten();
    id.ok_or(Says::Borrowed("must be a UUID"))
}

fn risk(text: &str) -> Result<RiskScore, Says> {
    let score = number(text, 0..=100)?;
    let score = u8::try_from(score).ok().and_then(|score| RiskScore::try_from(score).ok());
    score.ok_or(Says::Borrowed("must be a whole number from 0 to 100"))
}

impl Filter {
    fn search(&self, app: &App) -> Search {
        let masters = app.opener.vault().masters();
        Search {
            user: self.user,
            address: self.ip,
            session: self.session.as_ref().map(|text| match Uuid::try_parse(text) {
                Ok(session) if text.len() == 36 => security_audit::session_hash(masters, session),
                _ => text.to_ascii_lowercase(),
            }),
            event_type: self.event_type,
            result: self.result,
            retention: self.retention,
            risk_min: self.risk_min,
            from: self.from,
            to: self.to,
        }
    }
}

/// Leaves the entries that somebody read the log (SAL-12, AUD-09); to be called before the reply goes out.
pub(super) async fn record<Q>(app: &App, read: &Read<Q>, route: &'static str) {
    let mut entry = Entry::at(clock::now(), AuditEventType::AdminAction, AuditResult::Success);
    entry.endpoint = Some(route.into());
    entry.http_method = Some("GET".into());
    entry.metadata = Some(r#"{"action":"security_audit_log_read"}"#.to_owned());
    let actor = read.caller.actor();
    entry.person = Person {
        user: actor.map(|actor| actor.id),
        kind: actor.map(|actor| actor.kind.as_str().into()),
        session: read.caller.session().map(|session| session.0),
        ip: read.client_address(),
        said: Said { user_agent: read.user_agent().map(Into::into), ..Said::default() }.into(),
    };
    tokio::join!(read.record_audit_read(app, route), app.security_audit.write(entry));
}

/// The log itself waits for nothing; a read that asks for a position waits for the tables beside it.
pub(super) async fn position<Q: Send + Sync>(
    app: &App,
    read: &Read<Q>,
) -> Result<Position, ReadError> {
    let (position, ()) = fresh(&app.projected, read.freshness, || async {
        let position: i64 =
            sqlx::query_scalar("SELECT position FROM read.progress").fetch_one(&app.reads).await?;
        Ok((from_db(position), ()))
    })
    .await?;
    Ok(position)
}

/// Rows as they are shown. Whose keys are gone is not found by what is personal, either.
async fn shown(
    app: &App,
    rows: Vec<Row>,
    search: &Search,
) -> Result<Vec<SecurityAuditLog>, ReadError> {
    let vault = app.opener.vault();
    let opened = security_audit::open(vault, &rows).await?;
    let key = vault.masters().derive("security-audit/device");
    let device = Hmac::new_from_slice(key.as_ref()).expect("HMAC takes keys of any length");
    let by_person = search.is_by_leaf() || search.user.is_some();
    let shown = rows
        .into_iter()
        .zip(opened)
        .filter(|(_, opened)| opened.is_some() || !by_person)
        .map(|(row, opened)| SecurityAuditLog::of(row, opened, &device));
    Ok(shown.collect())
}

/// Lists the entries of the security audit log, the newest first.
#[utoipa::path(get, path = "/v1/security-audit-logs", tag = "Audit", params(Filter, Page),
    responses((status = 200, description = "A part of the list", body = List<SecurityAuditLog>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Filter, Page)>,
) -> Result<Response, ReadError> {
    let (filter, page) = &read.query;
    let search = filter.search(&app);
    let list = format!("security-audit-logs/{search:?}");
    let before = page.place(&app, &list, PlaceInTime::start())?;
    record(&app, &read, "/v1/security-audit-logs").await;
    let position = position(&app, &read).await?;
    let rows = search.find(&app, before, page.rows()).await?;
    let part = page.cut(&app, &list, rows, |last| PlaceInTime(last.recorded_at, last.log_id));
    let items = shown(&app, part.items, &search).await?;
    Ok(read.list(position, &List { items, next: part.next }))
}

/// Shows one entry of the security audit log.
#[utoipa::path(get, path = "/v1/security-audit-logs/{id}", tag = "Audit",
    params(("id" = Uuid, Path, description = "The entry's `log_id`")),
    responses((status = 200, description = "The entry", body = SecurityAuditLog),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let log_id = uuid(read.path.text("id")).map_err(|says| params::wrong_path("id", &says))?;
    record(&app, &read, "/v1/security-audit-logs/{id}").await;
    let position = position(&app, &read).await?;
    let row = by_id(&app.reads, log_id).await?;
    let mut entries = shown(&app, row.into_iter().collect(), &Search::default()).await?;
    match entries.pop() {
        Some(entry) => Ok(read.object(position, &entry)),
        None => Err(ReadError::not_found(position, "There is no such entry, or no more.")),
    }
}

/// How many entries are read at a time.
const EXPORT_PAGE: i64 = 500;

/// Streams the entries of the security audit log, the newest first, one JSON object a line (NDJSON).
///
/// A reply that breaks off ends the connection early: go on with `to` = the last line's `timestamp`.
#[utoipa::path(get, path = "/v1/security-audit-logs/export", tag = "Audit", params(Filter),
    responses((status = 200, description = "The entries, one a line", body = SecurityAuditLog,
               content_type = "application/x-ndjson")))]
pub async fn export(State(app): State<Shared>, read: Read<Filter>) -> Result<Response, ReadError> {
    record(&app, &read, "/v1/security-audit-logs/export").await;
    let position = position(&app, &read).await?;
    let search = read.query.search(&app);
    // Not the entries that are written meanwhile.
    let start = PlaceInTime(clock::now(), Uuid::max());
    let pages =
        stream::try_unfold((app, search, Some(start)), |(app, search, before)| async move {
            let Some(before) = before else { return Ok(None) };
            match lines(&app, &search, before).await {
                Ok((lines, next)) => Ok(Some((lines, (app, search, next)))),
                // Ends the connection: the client sees that the reply is not whole.
                Err(_) => Err(std::io::Error::other("the log cannot be read on")),
            }
        });
    Ok(reply::lines(position, Body::from_stream(pages)))
}

async fn lines(
    app: &App,
    search: &Search,
    before: PlaceInTime,
) -> Result<(Bytes, Option<PlaceInTime>), ReadError> {
    let rows = search.find(app, before, EXPORT_PAGE).await?;
    let last = rows.last().filter(|_| rows.len() as i64 == EXPORT_PAGE);
    let next = last.map(|last| PlaceInTime(last.recorded_at, last.log_id));
    let mut lines = Vec::with_capacity(rows.len() * 1_024);
    for entry in shown(app, rows, search).await? {
        serde_json::to_writer(&mut lines, &entry).map_err(|_| Problem::internal())?;
        lines.push(b'\n');
    }
    Ok((lines.into(), next))
}
