//! An entry before it is sealed.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use agora_domain::security::audit::{AuditEventType, AuditResult, RetentionCategory, RiskScore};
use agora_service::http::access::{Access, Said};
use chrono::{DateTime, NaiveDate, SubsecRound, Utc};
use foldhash::HashSet;
use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

/// The command whose refusals are failed logins.
const LOG_IN: &str = "/v1/commands/log-in";

/// Routes that are kept once, however many entries have them.
const ROUTES_MAX: usize = 1_000;

/// The routes that were met, so that they take no memory of their own in each entry that waits.
#[derive(Default)]
pub(super) struct Routes {
    met: HashSet<Arc<str>>,
    /// The last one: often the next has the same.
    last: Option<Arc<str>>,
}

impl Routes {
    fn get(&mut self, route: &str) -> Arc<str> {
        if let Some(last) = self.last.as_ref().filter(|last| ***last == *route) {
            return Arc::clone(last);
        }
        let route = self.met.get(route).cloned().unwrap_or_else(|| {
            if self.met.len() >= ROUTES_MAX {
                self.met.clear();
            }
            let route: Arc<str> = route.into();
            self.met.insert(Arc::clone(&route));
            route
        });
        self.last = Some(Arc::clone(&route));
        route
    }
}

/// What happened (E27), in the clear.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub log_id: Uuid,
    pub recorded_at: DateTime<Utc>,
    pub event_type: AuditEventType,
    pub result: AuditResult,
    pub retention: RetentionCategory,
    pub endpoint: Option<Arc<str>>,
    pub http_method: Option<Cow<'static, str>>,
    pub response_code: Option<u16>,
    pub request_size_bytes: Option<u64>,
    pub response_size_bytes: Option<u64>,
    pub processing_time_ms: Option<u32>,
    pub risk_score: RiskScore,
    pub threat_indicators: Vec<String>,
    pub payload_hash: Option<[u8; 32]>,
    pub case_id: Option<Uuid>,
    /// A JSON object; nothing personal.
    pub metadata: Option<String>,
    pub person: Person,
}

/// What of it is personal; sealed before it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Person {
    /// Who has an account, by whose key it is sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Uuid>,
    /// `member`, `admin` or `guest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Cow<'static, str>>,
    /// The login; leaves this struct only as its hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    #[serde(flatten)]
    pub said: Arc<Said>,
}

impl Entry {
    /// An entry of something that happened at a time, with an id of that time.
    pub fn at(at: DateTime<Utc>, event_type: AuditEventType, result: AuditResult) -> Self {
        Self::of(at, event_type, result, Person::default())
    }

    fn of(
        at: DateTime<Utc>,
        event_type: AuditEventType,
        result: AuditResult,
        person: Person,
    ) -> Self {
        let recorded_at = at.trunc_subsecs(6);
        let millis = recorded_at.timestamp_millis();
        let (seconds, nanos) = (millis.div_euclid(1_000), millis.rem_euclid(1_000) * 1_000_000);
        let time = Timestamp::from_unix(
            NoContext,
            seconds.unsigned_abs(),
            u32::try_from(nanos).unwrap_or_default(),
        );
        Self {
            log_id: Uuid::new_v7(time),
            recorded_at,
            event_type,
            result,
            retention: event_type.retention(),
            endpoint: None,
            http_method: None,
            response_code: None,
            request_size_bytes: None,
            response_size_bytes: None,
            processing_time_ms: None,
            risk_score: RiskScore::default(),
            threat_indicators: Vec::new(),
            payload_hash: None,
            case_id: None,
            metadata: None,
            person,
        }
    }

    pub(super) fn day(&self) -> NaiveDate {
        self.recorded_at.date_naive()
    }

    /// What an access, that may stand for several, becomes: an entry, and one more where it was a login that
    /// failed (SAL-05).
    pub(super) fn of_access(
        access: Access,
        occurrences: u64,
        routes: &mut Routes,
        entries: &mut Vec<Self>,
    ) {
        let (result, indicators) = judge(&access);
        let (kind, id) = access.known.actor.unzip();
        let person = Person {
            // A guest has no account, and nothing that could be erased by itself.
            user: id.filter(|_| kind != Some("guest")),
            kind: kind.map(Cow::from),
            session: access.known.session,
            ip: access.client,
            said: access.said,
        };
        let mut entry = Self::of(access.at, AuditEventType::ApiAccess, result, person);
        if matches!(result, AuditResult::Blocked | AuditResult::Suspicious) {
            entry.retention = RetentionCategory::Security;
        }
        entry.risk_score = risk(&indicators);
        entry.threat_indicators = indicators.into_iter().map(str::to_owned).collect();
        entry.endpoint = access.route.as_ref().map(|route| routes.get(route.as_str()));
        entry.http_method = Some(access.method.into());
        // Whoever leaves before the answer has asked all the same.
        entry.response_code = Some(access.status).filter(|status| *status > 0);
        entry.request_size_bytes = Some(access.request_bytes);
        entry.response_size_bytes = access.response_bytes;
        entry.processing_time_ms = Some(access.took_ms.min(i32::MAX as u32));
        entry.payload_hash = access.payload_hash;
        let mut told = serde_json::Map::new();
        if let Some(rule) = access.known.rule {
            told.insert("rule".to_owned(), rule.into());
        }
        if occurrences > 1 {
            told.insert("occurrences".to_owned(), occurrences.into());
        }
        for (name, is_so) in
            [("ip_absent", access.client.is_none()), ("aborted", access.status == 0)]
        {
            if is_so {
                told.insert(name.to_owned(), true.into());
            }
        }
        entry.metadata = (!told.is_empty()).then(|| serde_json::Value::from(told).to_string());
        let refused = access.status >= 400;
        if refused && access.route.as_ref().is_some_and(|route| route.as_str() == LOG_IN) {
            let person = entry.person.clone();
            let (at, failed) = (entry.recorded_at, AuditResult::Failure);
            let mut login = Self::of(at, AuditEventType::Login, failed, person);
            login.endpoint.clone_from(&entry.endpoint);
            login.response_code = entry.response_code;
            login.risk_score = entry.risk_score;
            login.threat_indicators.clone_from(&entry.threat_indicators);
            login.metadata = Some(format!(r#"{{"access":"{}"}}"#, entry.log_id));
            if access.status == 429 || access.at_the_door {
                login.result = AuditResult::Blocked;
            }
            entries.push(login);
        }
        entries.push(entry);
    }
}

/// What came of an access, and what looks like an attack in it.
fn judge(access: &Access) -> (AuditResult, Vec<&'static str>) {
    let mut indicators = access.known.indicators.clone();
    let suspicious = !indicators.is_empty();
    match access.status {
        _ if access.at_the_door => indicators.push("blocked_address"),
        401 => indicators.push("not_authenticated"),
        403 => indicators.push("not_permitted"),
        404 if access.route.is_none() => indicators.push("unknown_route"),
        413 => indicators.push("oversized_payload"),
        429 => indicators.push("rate_limited"),
        _ => {}
    }
    let result = match access.status {
        _ if access.at_the_door => AuditResult::Blocked,
        _ if suspicious => AuditResult::Suspicious,
        403 | 429 => AuditResult::Blocked,
        0 | 400.. => AuditResult::Failure,
        _ => AuditResult::Success,
    };
    (result, indicators)
}

/// The highest weight of what was found.
fn risk(indicators: &[&'static str]) -> RiskScore {
    let weight = |indicator: &&str| match *indicator {
        "oversized_payload" | "unknown_route" => 10,
        "not_permitted" => 30,
        "not_authenticated" => 40,
        "rate_limited" => 60,
        "blocked_address" => 90,
        _ => 80,
    };
    let highest: u8 = indicators.iter().map(weight).max().unwrap_or(0);
    RiskScore::try_from(highest).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests;
