//! What is known of addresses and networks (E26), and why it gives the score that it gives (IPR-13).
//!
//! `reputation_score` runs from 0, malicious, to 100, trusted; a `risk_score` of an audit log runs the
//! other way (K23).

use agora_domain::security::{
    ip_address::Listing,
    network::Network,
    reputation::{Entry, External, Known, Part, score},
    values::{BlacklistStatus, WhitelistStatus},
};
use agora_event_store::{Opener, unit, vault::VaultError};
use agora_service::{clock, problem::Problem};
use axum::{extract::State, response::Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::Sha256;
use sqlx::{FromRow, types::Json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::{App, Shared},
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{self, FromParams, Params},
    reply::List,
    request::Read,
    rows::{Instant, Sealed, with_position},
};

const AGGREGATE: &str = "ip_address";

/// What is known of an address or a network. What is personal is null where it was erased.
#[derive(Serialize, ToSchema)]
pub struct IpReputation {
    /// An address, an IPv4 /24 or an IPv6 /64.
    #[schema(example = "203.0.113.9")]
    ip_address: Option<String>,
    /// From 0, malicious, to 100, trusted.
    #[schema(minimum = 0, maximum = 100)]
    reputation_score: u8,
    #[schema(example = "LOW_RISK")]
    risk_level: &'static str,
    threat_categories: Vec<String>,
    first_seen_at: Instant,
    last_seen_at: Instant,
    request_count: u64,
    blocked_count: u64,
    /// All incidents that were raised, false alarms too.
    incident_count: u64,
    confirmed_incident_count: u64,
    last_incident_at: Option<Instant>,
    #[schema(value_type = Option<Object>)]
    geolocation: Option<Box<RawValue>>,
    #[schema(value_type = Option<Object>)]
    asn_info: Option<Box<RawValue>>,
    /// Null: unknown.
    is_vpn: Option<bool>,
    is_tor: Option<bool>,
    is_datacenter: Option<bool>,
    #[schema(example = "NOT_LISTED")]
    whitelist_status: &'static str,
    /// When a temporary listing ends, or ended (K22).
    whitelist_until: Option<Instant>,
    #[schema(example = "NOT_LISTED")]
    blacklist_status: &'static str,
    blacklist_until: Option<Instant>,
    auto_block_until: Option<Instant>,
    /// Until then nothing is blocked automatically, since a block was lifted by hand.
    grace_until: Option<Instant>,
    /// What others say, in the direction of `reputation_score`.
    #[schema(value_type = Vec<Object>)]
    external_reputation: Vec<External>,
    notes: Option<String>,
    created_at: Instant,
    updated_at: Instant,
    /// The number of its events: for `If-Match` of commands.
    sequence: i64,
}

/// An address with what made its score.
#[derive(Serialize, ToSchema)]
pub struct ExplainedReputation {
    #[serde(flatten)]
    reputation: IpReputation,
    /// For when score, lists and blocks are.
    as_of: Instant,
    /// What the score is the sum of, kept to 0 to 100: each with what it weighed when it happened
    /// (`weight`) and at the time asked for (`points`).
    #[schema(value_type = Vec<Object>)]
    explanation: Vec<Part>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    record: Json<Record>,
    created_at: Instant,
    updated_at: Instant,
    position: i64,
    sequence: i64,
}

/// As events have it, sealed.
#[derive(Deserialize)]
struct Record {
    address: String,
    first_seen_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    request_count: u64,
    blocked_count: u64,
    incident_count: u64,
    confirmed_incident_count: u64,
    last_incident_at: Option<DateTime<Utc>>,
    threat_categories: Vec<String>,
    geolocation: Option<String>,
    asn_info: Option<String>,
    is_vpn: Option<bool>,
    is_tor: Option<bool>,
    is_datacenter: Option<bool>,
    whitelist: Option<Listing>,
    blacklist: Option<Listing>,
    auto_block_until: Option<DateTime<Utc>>,
    grace_until: Option<DateTime<Utc>>,
    external_reputation: Vec<External>,
    notes: Option<String>,
    entries: Vec<Entry>,
}

/// What an address leads to in the claims, by the keyed hash under which it stands there.
///
/// # Errors
/// Where the log cannot be asked.
pub(super) async fn find_address(app: &App, network: Network) -> Result<Option<Uuid>, ReadError> {
    let key = app.opener.vault().masters().derive("address-index");
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_ref()).expect("HMAC takes keys of any length");
    mac.update(network.to_string().as_bytes());
    let key = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    let id = unit::holder(&app.primary, "ip_address", &key).await?;
    Ok(id.and_then(|id| id.parse().ok()))
}

async fn open(
    opener: &Opener,
    rows: Vec<Row>,
    at: DateTime<Utc>,
) -> Result<Vec<(IpReputation, Vec<Part>)>, VaultError> {
    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(rows.len());
    for row in &rows {
        let record = &row.record.0;
        let fields = [
            ("record.address", Some(record.address.as_str())),
            ("record.geolocation", record.geolocation.as_deref()),
            ("record.asn_info", record.asn_info.as_deref()),
            ("record.notes", record.notes.as_deref()),
        ];
        slots.push(fields.map(|(field, text)| sealed.add(AGGREGATE, row.id, field, text)));
    }
    let open = sealed.open(opener).await?;
    let texts: Vec<_> = slots.into_iter().map(|slots| slots.map(|slot| open.text(slot))).collect();
    Ok(rows.into_iter().zip(texts).map(|(row, texts)| shown(row, texts, at)).collect())
}

fn shown(
    row: Row,
    [ip_address, geolocation, asn_info, notes]: [Option<String>; 4],
    at: DateTime<Utc>,
) -> (IpReputation, Vec<Part>) {
    let record = row.record.0;
    let known = Known {
        first_seen_at: record.first_seen_at,
        entries: &record.entries,
        external: &record.external_reputation,
    };
    let (score, parts) = score(known, at);
    let json = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
    let until = |listing: Option<Listing>| listing.and_then(|it| it.until).map(Instant);
    let reputation = IpReputation {
        ip_address,
        reputation_score: score.get(),
        risk_level: score.risk_level().as_str(),
        threat_categories: record.threat_categories,
        first_seen_at: Instant(record.first_seen_at),
        last_seen_at: Instant(record.last_seen_at),
        request_count: record.request_count,
        blocked_count: record.blocked_count,
        incident_count: record.incident_count,
        confirmed_incident_count: record.confirmed_incident_count,
        last_incident_at: record.last_incident_at.map(Instant),
        geolocation: json(geolocation),
        asn_info: json(asn_info),
        is_vpn: record.is_vpn,
        is_tor: record.is_tor,
        is_datacenter: record.is_datacenter,
        whitelist_status: WhitelistStatus::of(record.whitelist, at).as_str(),
        whitelist_until: until(record.whitelist),
        blacklist_status: BlacklistStatus::of(record.blacklist, at).as_str(),
        blacklist_until: until(record.blacklist),
        auto_block_until: record.auto_block_until.map(Instant),
        grace_until: record.grace_until.map(Instant),
        external_reputation: record.external_reputation,
        notes,
        created_at: row.created_at,
        updated_at: row.updated_at,
        sequence: row.sequence,
    };
    (reputation, parts)
}

/// Lists what is known of addresses, what changed last first.
#[utoipa::path(get, path = "/v1/ip-reputation", tag = "Security", params(Page),
    responses((status = 200, description = "A part of the list", body = List<IpReputation>)))]
pub async fn list(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let page = &read.query;
    let before: i64 = page.place(&app, "ip-reputation", i64::MAX)?;
    read.record_audit_read(&app, "/v1/ip-reputation").await;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, a.*
             FROM (SELECT coalesce(read.served_position('ip_reputation'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT * FROM read.ip_reputation WHERE position < $1
                 ORDER BY position DESC LIMIT $2
             ) a ON true
             ORDER BY a.position DESC",
        )
        .bind(before)
        .bind(page.rows())
        .fetch_all(&app.reads)
        .await?;
        with_position::<Row>(&rows)
    })
    .await?;
    let part = page.cut(&app, "ip-reputation", rows, |last| last.position);
    let items = open(&app.opener, part.items, clock::now()).await?;
    let items = items.into_iter().map(|(reputation, _)| reputation).collect();
    Ok(read.list(position, &List { items, next: part.next }))
}

/// For when.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AsOf {
    /// A time: what was known then, and the score then. Now, where it is absent.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-01-31T12:00:00Z")]
    as_of: Option<DateTime<Utc>>,
}

impl FromParams for AsOf {
    fn from_params(params: &mut Params) -> Self {
        Self { as_of: params.value("as_of", params::instant) }
    }
}

/// Shows what is known of an address, now or as of any time, and what its score is made of.
#[utoipa::path(get, path = "/v1/ip-reputation/{address}", tag = "Security",
    params(("address" = String, Path, example = "203.0.113.9",
            description = "An address, or a network as 203.0.113.0%2F24"), AsOf),
    responses((status = 200, description = "The address", body = ExplainedReputation),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read<AsOf>) -> Result<Response, ReadError> {
    let network: Network = read.path.parse("address")?;
    read.record_audit_read(&app, "/v1/ip-reputation/{address}").await;
    let now = clock::now();
    let as_of = read.query.as_of;
    if as_of.is_some_and(|as_of| as_of > now) {
        return Err(Problem::malformed("`as_of` is in the future.").into());
    }
    let id = find_address(&app, network).await?.unwrap_or(Uuid::nil());
    // The last event then is all that was known then.
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, a.id,
                    CASE WHEN $2::timestamptz IS NULL THEN a.record
                         ELSE (SELECT (SELECT value FROM jsonb_each(e.payload::jsonb))->'record'
                               FROM log.stream('ip_address', $1::text) e
                               WHERE e.recorded_at <= $2 ORDER BY e.sequence DESC LIMIT 1)
                    END AS record,
                    a.created_at, coalesce($2, a.updated_at) AS updated_at, a.position, a.sequence
             FROM (SELECT coalesce(read.served_position('ip_reputation'), 0) OFFSET 0) p
             LEFT JOIN read.ip_reputation a
               ON a.id = $1 AND ($2::timestamptz IS NULL OR a.created_at <= $2)",
        )
        .bind(id)
        .bind(as_of)
        .fetch_all(&app.reads)
        .await?;
        with_position::<Row>(&rows)
    })
    .await?;
    let at = as_of.unwrap_or(now);
    let Some((reputation, explanation)) = open(&app.opener, rows, at).await?.pop() else {
        return Err(ReadError::not_found(position, "Nothing is known of this address."));
    };
    let explained = ExplainedReputation { reputation, as_of: Instant(at), explanation };
    Ok(read.object(position, &explained))
}
