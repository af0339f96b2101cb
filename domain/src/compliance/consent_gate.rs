//! Whether somebody's data may be processed on their consent: the question that everything asks that
//! rests on a consent, of the last record for a purpose and of the series of policies, as of any time.
//!
//! It is decided on what the log holds in the clear: nothing is opened for it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use serde::Deserialize;

use super::{
    consent_values::{ConsentBasis, ConsentStatus},
    policy_series::{PolicySeries, PolicySeriesEvent},
    policy_values::{ContentHash, VersionNumber},
};
use crate::ids::ConsentId;

/// What of a record counts.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct GateRecord {
    pub consent_id: ConsentId,
    pub status: ConsentStatus,
    pub legal_basis: ConsentBasis,
    pub consent_version: VersionNumber,
    pub policy_hash: ContentHash,
    pub granted_at: Option<DateTime<Utc>>,
    pub withdrawn_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
}

impl GateRecord {
    /// The record that an event of a consent carries, from the payload as it is stored.
    pub fn of_payload(payload: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Told {
            consent: GateRecord,
        }
        let told: HashMap<String, Told> = serde_json::from_str(payload).ok()?;
        told.into_values().next().map(|told| told.consent)
    }
}

/// What of an objection or a restriction counts (LAW-05, LAW-06).
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct GateLimit {
    pub since: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

impl GateLimit {
    /// The limit that an event carries, from the payload as it is stored.
    pub fn of_payload(payload: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Told {
            limit: GateLimit,
        }
        let told: HashMap<String, Told> = serde_json::from_str(payload).ok()?;
        told.into_values().next().map(|told| told.limit)
    }
}

/// The limits that a person has set: the last to this purpose, and the last to everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GateLimits {
    pub objection: Option<GateLimit>,
    pub restriction: Option<GateLimit>,
}

impl GateLimits {
    /// From payloads as they are stored; none where one cannot be read, which is no reason to go on.
    pub fn of_payloads(objection: Option<&str>, restriction: Option<&str>) -> Option<Self> {
        let read = |payload: Option<&str>| match payload {
            Some(payload) => GateLimit::of_payload(payload).map(Some),
            None => Some(None),
        };
        Some(Self { objection: read(objection)?, restriction: read(restriction)? })
    }

    /// Why it is limited, unless the consent was given later than that (Art. 18(2)).
    fn refuse(&self, consented_at: Option<DateTime<Utc>>) -> Option<GateAnswer> {
        let holds = |limit: &Option<GateLimit>| {
            limit.as_ref().is_some_and(|limit| {
                limit.ended_at.is_none() && consented_at.is_none_or(|at| at <= limit.since)
            })
        };
        let restricted = holds(&self.restriction).then_some(GateAnswer::Restricted);
        restricted.or_else(|| holds(&self.objection).then_some(GateAnswer::Objected))
    }
}

/// What the gate is asked of, as the log has it: the payloads of the last events of the consent, the
/// policies, the objection and the restriction.
#[derive(Clone, Debug, Default)]
pub struct StoredGate {
    pub consent: Option<String>,
    pub series: Option<String>,
    pub objection: Option<String>,
    pub restriction: Option<String>,
}

impl StoredGate {
    /// What the gate says at an instant; none where an event cannot be read, which is no reason to go on.
    pub fn answer(&self, at: DateTime<Utc>) -> Option<GateAnswer> {
        let record = match &self.consent {
            Some(payload) => Some(GateRecord::of_payload(payload)?),
            None => None,
        };
        let mut policies = PolicySeries::default();
        if let Some(payload) = &self.series {
            policies.apply(serde_json::from_str::<PolicySeriesEvent>(payload).ok()?);
        }
        let limits =
            GateLimits::of_payloads(self.objection.as_deref(), self.restriction.as_deref())?;
        Some(answer(record.as_ref(), &policies, &limits, at))
    }
}

/// The gate's answer with why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateAnswer {
    /// Yes.
    Consented,
    /// Nobody asked.
    NotAsked,
    Denied,
    Withdrawn,
    Expired,
    /// What was recorded rests on another ground than consent (K16).
    OtherBasis,
    /// A later policy changes what matters: ask again (CON-15).
    PolicyChanged,
    /// The person has objected to the purpose (LAW-06).
    Objected,
    /// The person has restricted the processing of its data (LAW-05).
    Restricted,
}

impl GateAnswer {
    pub const fn allows(self) -> bool {
        matches!(self, Self::Consented)
    }

    /// Whether what rests on legitimate interests may go on.
    pub const fn allows_legitimate_interests(self) -> bool {
        matches!(self, Self::Consented | Self::NotAsked | Self::OtherBasis)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consented => "consented",
            Self::NotAsked => "not_asked",
            Self::Denied => "denied",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::OtherBasis => "other_legal_basis",
            Self::PolicyChanged => "policy_changed",
            Self::Objected => "objected",
            Self::Restricted => "restricted",
        }
    }
}

/// What the last record for the purpose, the series and the person's limits say at an instant. All as they
/// were then.
pub fn answer(
    record: Option<&GateRecord>,
    series: &PolicySeries,
    limits: &GateLimits,
    at: DateTime<Utc>,
) -> GateAnswer {
    let answer = by_consent(record, series, at);
    let consented_at = record.filter(|_| answer.allows()).and_then(|record| record.granted_at);
    limits.refuse(consented_at).unwrap_or(answer)
}

fn by_consent(record: Option<&GateRecord>, series: &PolicySeries, at: DateTime<Utc>) -> GateAnswer {
    let Some(record) = record else { return GateAnswer::NotAsked };
    match record.status {
        ConsentStatus::Denied => return GateAnswer::Denied,
        ConsentStatus::Withdrawn => return GateAnswer::Withdrawn,
        ConsentStatus::Expired => return GateAnswer::Expired,
        ConsentStatus::Granted => {}
    }
    if record.expires_at.is_some_and(|expires_at| expires_at <= at) {
        GateAnswer::Expired
    } else if record.legal_basis != ConsentBasis::Consent {
        GateAnswer::OtherBasis
    } else if series.asks_again(&record.consent_version, at) {
        GateAnswer::PolicyChanged
    } else {
        GateAnswer::Consented
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::compliance::policy_series::{
        PublishedVersion,
        tests::{at, series, version},
    };

    fn granted() -> GateRecord {
        let version = version(1, 0);
        GateRecord {
            consent_id: ConsentId(Uuid::from_u128(1)),
            status: ConsentStatus::Granted,
            legal_basis: ConsentBasis::Consent,
            consent_version: version.version_number,
            policy_hash: version.content_hash,
            granted_at: Some(at(1)),
            withdrawn_at: None,
            expires_at: None,
        }
    }

    #[test]
    fn con_09_con_12_con_15_the_gate_says_yes_only_while_a_consent_holds() {
        let new = PublishedVersion {
            acceptance_required: true,
            has_major_changes: true,
            ..version(2, 20)
        };
        let series = series(&[version(1, 0), new]);
        let of = |record: &GateRecord, hours| {
            answer(Some(record), &series, &GateLimits::default(), at(hours))
        };
        let none = GateLimits::default();
        assert_eq!(answer(None, &series, &none, at(1)), GateAnswer::NotAsked);
        assert_eq!(of(&granted(), 1), GateAnswer::Consented);
        assert_eq!(of(&granted(), 20), GateAnswer::PolicyChanged);
        let short = GateRecord { expires_at: Some(at(5)), ..granted() };
        assert_eq!(of(&short, 4), GateAnswer::Consented);
        assert_eq!(of(&short, 5), GateAnswer::Expired, "from that instant on, without a job");
        let other = GateRecord { legal_basis: ConsentBasis::Contract, ..granted() };
        assert_eq!(of(&other, 1), GateAnswer::OtherBasis);
        for (status, expected) in [
            (ConsentStatus::Denied, GateAnswer::Denied),
            (ConsentStatus::Withdrawn, GateAnswer::Withdrawn),
            (ConsentStatus::Expired, GateAnswer::Expired),
        ] {
            let record = GateRecord { status, ..granted() };
            assert_eq!(of(&record, 1), expected);
            assert!(!of(&record, 1).allows());
        }
    }

    #[test]
    fn law_05_law_06_a_limit_refuses_all_but_what_was_consented_to_after_it() {
        let series = series(&[version(1, 0)]);
        let since = |hours| Some(GateLimit { since: at(hours), ended_at: None });
        let objected = |hours| GateLimits { objection: since(hours), restriction: None };
        let restricted = |hours| GateLimits { objection: None, restriction: since(hours) };
        let of = |record: Option<&GateRecord>, limits: &GateLimits| {
            answer(record, &series, limits, at(9))
        };
        let granted = granted();
        let interest =
            GateRecord { legal_basis: ConsentBasis::LegitimateInterests, ..granted.clone() };
        for record in [None, Some(&granted), Some(&interest)] {
            assert_eq!(of(record, &objected(2)), GateAnswer::Objected);
            assert_eq!(of(record, &restricted(2)), GateAnswer::Restricted);
        }
        assert_eq!(of(Some(&granted), &objected(0)), GateAnswer::Consented, "given later");
        assert_eq!(of(Some(&granted), &restricted(0)), GateAnswer::Consented);
        assert_eq!(of(Some(&granted), &restricted(1)), GateAnswer::Restricted, "not at once");
        assert_eq!(of(Some(&interest), &restricted(0)), GateAnswer::Restricted);
        let denied = GateRecord { status: ConsentStatus::Denied, ..granted.clone() };
        assert!(!of(Some(&denied), &objected(0)).allows());
        let ended = GateLimit { since: at(2), ended_at: Some(at(3)) };
        let ended = GateLimits { objection: Some(ended.clone()), restriction: Some(ended) };
        assert_eq!(of(Some(&granted), &ended), GateAnswer::Consented);
        assert_eq!(of(None, &ended), GateAnswer::NotAsked);
        let told = r#"{"ProcessingObjected":{"limit":{"since":"2026-01-01T00:00:00Z"}}}"#;
        let limits = GateLimits::of_payloads(Some(told), None).unwrap();
        assert_eq!(of(None, &limits), GateAnswer::Objected);
        assert_eq!(GateLimits::of_payloads(None, Some("{}")), None, "what cannot be read");
    }

    #[test]
    fn con_08_a_record_is_read_from_a_stored_event_whatever_is_sealed_in_it() {
        let payload = format!(
            r#"{{"ConsentGranted":{{"consent":{{"consent_id":"01930000-0000-7000-8000-000000000001",
               "status":"GRANTED","legal_basis":"CONSENT","consent_version":"v1",
               "policy_hash":"{}","granted_at":"2026-01-01T00:00:00Z",
               "ip_address":"sealed:v1:network:x:1:AAAA:AAAA"}}}}}}"#,
            "0a".repeat(32)
        );
        let record = GateRecord::of_payload(&payload).unwrap();
        assert_eq!(record.consent_version.as_str(), "v1");
        assert_eq!(GateRecord::of_payload("{}"), None);
    }
}
