//! Value types of incidents.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{exports::export_values::words, refusal::RuleBreak};

words! {
    /// What kind of attack it is.
    IncidentType, "INC-01" "must be DDOS_ATTACK, BRUTE_FORCE, SQL_INJECTION, XSS_ATTEMPT, RATE_LIMIT_VIOLATION or SUSPICIOUS_BEHAVIOR" {
        DdosAttack => "DDOS_ATTACK",
        BruteForce => "BRUTE_FORCE",
        SqlInjection => "SQL_INJECTION",
        XssAttempt => "XSS_ATTEMPT",
        RateLimitViolation => "RATE_LIMIT_VIOLATION",
        SuspiciousBehavior => "SUSPICIOUS_BEHAVIOR",
    }
    /// How bad it is, in rising order.
    Severity, "INC-01" "must be LOW, MEDIUM, HIGH or CRITICAL" {
        Low => "LOW",
        Medium => "MEDIUM",
        High => "HIGH",
        Critical => "CRITICAL",
    }
    /// How far it is dealt with.
    IncidentStatus, "INC-01" "must be DETECTED, INVESTIGATING, MITIGATED, RESOLVED or FALSE_POSITIVE" {
        Detected => "DETECTED",
        Investigating => "INVESTIGATING",
        Mitigated => "MITIGATED",
        Resolved => "RESOLVED",
        FalsePositive => "FALSE_POSITIVE",
    }
    AttackVector, "INC-01" "must be HTTP_FLOOD, SYN_FLOOD, SLOWLORIS, APPLICATION_LAYER or VOLUMETRIC" {
        HttpFlood => "HTTP_FLOOD",
        SynFlood => "SYN_FLOOD",
        Slowloris => "SLOWLORIS",
        ApplicationLayer => "APPLICATION_LAYER",
        Volumetric => "VOLUMETRIC",
    }
    /// What noticed it.
    DetectionMethod, "INC-01" "must be RATE_LIMITING, PATTERN_MATCHING, ML_ANOMALY, REPUTATION_FILTER or MANUAL" {
        RateLimiting => "RATE_LIMITING",
        PatternMatching => "PATTERN_MATCHING",
        MlAnomaly => "ML_ANOMALY",
        ReputationFilter => "REPUTATION_FILTER",
        Manual => "MANUAL",
    }
    /// What is recorded of a breach: who was told, or why nobody had to be (Art. 33, 34 GDPR).
    NotificationKind, "INC-14" "must be AUTHORITY, AUTHORITY_NOT_REQUIRED, SUBJECTS or SUBJECTS_NOT_REQUIRED" {
        /// The supervisory authority was notified (Art. 33(1)), perhaps in phases (Art. 33(4)).
        Authority => "AUTHORITY",
        /// A risk is unlikely: nothing but the documentation of Art. 33(5) is due.
        AuthorityNotRequired => "AUTHORITY_NOT_REQUIRED",
        /// The persons concerned were told (Art. 34(1)).
        Subjects => "SUBJECTS",
        /// They need not be told (Art. 34(3)).
        SubjectsNotRequired => "SUBJECTS_NOT_REQUIRED",
    }
    /// Of how many levels of trust an address is (IPR-07).
    RiskLevel, "IPR-01" "must be TRUSTED, LOW_RISK, MEDIUM_RISK, HIGH_RISK or MALICIOUS" {
        Trusted => "TRUSTED",
        LowRisk => "LOW_RISK",
        MediumRisk => "MEDIUM_RISK",
        HighRisk => "HIGH_RISK",
        Malicious => "MALICIOUS",
    }
    WhitelistStatus, "IPR-01" "must be NOT_LISTED, WHITELISTED or TEMPORARILY_WHITELISTED" {
        NotListed => "NOT_LISTED",
        Whitelisted => "WHITELISTED",
        TemporarilyWhitelisted => "TEMPORARILY_WHITELISTED",
    }
    BlacklistStatus, "IPR-01" "must be NOT_LISTED, BLACKLISTED or TEMPORARILY_BLACKLISTED" {
        NotListed => "NOT_LISTED",
        Blacklisted => "BLACKLISTED",
        TemporarilyBlacklisted => "TEMPORARILY_BLACKLISTED",
    }
}

/// How sure a detection is: 0 to 1 (INC-04).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confidence(f64);

impl Confidence {
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Confidence {
    type Error = RuleBreak;

    fn try_from(number: f64) -> Result<Self, RuleBreak> {
        // NaN is in no range.
        if (0.0..=1.0).contains(&number) {
            Ok(Self(number))
        } else {
            Err(RuleBreak::new("INC-04", "must be a number from 0 to 1"))
        }
    }
}

/// The most bytes that one object of JSON has.
pub const OBJECT_BYTES_MAX: usize = 16_384;

/// A JSON object of what was found: any members, bounded in size. Stored as its text, since its members
/// are nobody's contract.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonObject(Box<str>);

impl JsonObject {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shows the length only: what was found may be personal.
impl fmt::Debug for JsonObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonObject({} bytes)", self.0.len())
    }
}

impl TryFrom<Value> for JsonObject {
    type Error = RuleBreak;

    fn try_from(value: Value) -> Result<Self, RuleBreak> {
        if !value.is_object() {
            return Err(RuleBreak::malformed("must be an object"));
        }
        let text = value.to_string();
        if text.len() > OBJECT_BYTES_MAX {
            return Err(RuleBreak::new("INC-01", "must be at most 16,384 bytes of JSON"));
        }
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn inc_01_ipr_01_words_are_closed_lists_and_stored_as_written() {
        assert_eq!(
            (IncidentType::ALL.len(), Severity::ALL.len(), IncidentStatus::ALL.len()),
            (6, 4, 5)
        );
        assert_eq!((AttackVector::ALL.len(), DetectionMethod::ALL.len()), (5, 5));
        assert_eq!(
            (RiskLevel::ALL.len(), WhitelistStatus::ALL.len(), BlacklistStatus::ALL.len()),
            (5, 3, 3)
        );
        for kind in IncidentType::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
            assert_eq!(json!(kind), kind.as_str());
        }
        for bad in ["", "ddos_attack", "DDOS", "BRUTE_FORCE "] {
            assert_eq!(bad.parse::<IncidentType>().unwrap_err().rule, Some("INC-01"), "{bad}");
            assert_eq!(bad.parse::<Severity>().unwrap_err().rule, Some("INC-01"), "{bad}");
        }
        assert_eq!("TRUSTED?".parse::<RiskLevel>().unwrap_err().rule, Some("IPR-01"));
    }

    #[test]
    fn inc_04_confidence_is_from_0_to_1() {
        for good in [0.0, 0.5, 1.0] {
            assert_eq!(Confidence::try_from(good).unwrap().get(), good);
        }
        for bad in [-0.01, 1.01, f64::NAN, f64::INFINITY] {
            assert_eq!(Confidence::try_from(bad).unwrap_err().rule, Some("INC-04"), "{bad}");
        }
    }

    #[test]
    fn objects_are_objects_and_bounded() {
        assert!(JsonObject::try_from(json!({ "a": [1, { "b": null }] })).is_ok());
        assert!(JsonObject::try_from(json!([1])).is_err());
        assert!(JsonObject::try_from(json!({ "a": "x".repeat(OBJECT_BYTES_MAX) })).is_err());
    }
}
