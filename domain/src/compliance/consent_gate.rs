//! Whether somebody's data may be processed on their consent: the question that everything asks that
//! rests on a consent, of the last record for a purpose and of the series of policies, as of any time.
//!
//! It is decided on what the log holds in the clear: nothing is opened for it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{
    consent_values::{ConsentBasis, ConsentStatus},
    policy_series::PolicySeries,
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
}

impl GateAnswer {
    pub const fn allows(self) -> bool {
        matches!(self, Self::Consented)
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
        }
    }
}

/// What the last record for the purpose and the series say at an instant. Both as they were then.
pub fn answer(record: Option<&GateRecord>, series: &PolicySeries, at: DateTime<Utc>) -> GateAnswer {
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
        let of = |record: &GateRecord, hours| answer(Some(record), &series, at(hours));
        assert_eq!(answer(None, &series, at(1)), GateAnswer::NotAsked);
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
