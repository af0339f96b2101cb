//! What the security audit log tells (E27): its words, and which of them an event of the log becomes.

use std::str::FromStr;

use chrono::{DateTime, Months, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{actor::ActorKind, exports::export_values::words, refusal::RuleBreak};

words! {
    /// What an entry is of.
    AuditEventType, "SAL-01" "must be LOGIN, LOGOUT, API_ACCESS, DATA_EXPORT, CONSENT_CHANGE, SECURITY_INCIDENT or ADMIN_ACTION" {
        Login => "LOGIN",
        Logout => "LOGOUT",
        ApiAccess => "API_ACCESS",
        DataExport => "DATA_EXPORT",
        ConsentChange => "CONSENT_CHANGE",
        SecurityIncident => "SECURITY_INCIDENT",
        AdminAction => "ADMIN_ACTION",
    }
    AuditResult, "SAL-01" "must be SUCCESS, FAILURE, BLOCKED or SUSPICIOUS" {
        Success => "SUCCESS",
        Failure => "FAILURE",
        Blocked => "BLOCKED",
        Suspicious => "SUSPICIOUS",
    }
    /// How long an entry is kept (SAL-09).
    RetentionCategory, "SAL-01" "must be OPERATIONAL, SECURITY, COMPLIANCE or FORENSIC" {
        Operational => "OPERATIONAL",
        Security => "SECURITY",
        Compliance => "COMPLIANCE",
        Forensic => "FORENSIC",
    }
}

impl RetentionCategory {
    /// The first day that is kept, as of a time: 90 days, one year, five years. What is forensic is kept
    /// for as long as its case, and at least a year.
    pub fn first_kept(self, now: DateTime<Utc>) -> NaiveDate {
        let kept = match self {
            Self::Operational => return (now - TimeDelta::days(90)).date_naive(),
            Self::Security | Self::Forensic => 12,
            Self::Compliance => 60,
        };
        let first = now.checked_sub_months(Months::new(kept));
        first.map_or(NaiveDate::MIN, |first| first.date_naive())
    }
}

/// For how long the entries of a case are kept after it was closed (SAL-09).
pub const CASE_KEPT: Months = Months::new(12);

/// 0 to 100; 100 is the riskiest, the other way round than a reputation score (SAL-03).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct RiskScore(u8);

impl RiskScore {
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl From<RiskScore> for u8 {
    fn from(score: RiskScore) -> Self {
        score.0
    }
}

impl TryFrom<u8> for RiskScore {
    type Error = RuleBreak;

    fn try_from(score: u8) -> Result<Self, RuleBreak> {
        match score {
            0..=100 => Ok(Self(score)),
            _ => Err(RuleBreak::new("SAL-03", "must be a whole number from 0 to 100")),
        }
    }
}

/// What an event of the log becomes, if anything (SAL-05).
pub fn of_event(event_type: &str, actor: ActorKind) -> Option<(AuditEventType, AuditResult)> {
    use AuditEventType as Of;
    use AuditResult::{Blocked, Failure, Success};
    Some(match event_type {
        "SessionIssued" => (Of::Login, Success),
        "SessionRevoked" => (Of::Logout, Success),
        "ConsentGranted" | "ConsentDenied" | "ConsentWithdrawn" | "ConsentImported"
        | "PolicyAccepted" => (Of::ConsentChange, Success),
        "ExportRequested" | "ExportCompleted" | "ExportDownloaded" => (Of::DataExport, Success),
        "ExportRateLimited" => (Of::DataExport, Blocked),
        "ExportFailed" => (Of::DataExport, Failure),
        "IncidentDetected" => (Of::SecurityIncident, AuditResult::Suspicious),
        // What keeps the books of a decision is no act of its own.
        "AdminRosterChanged"
        | "PrincipalSessionsChanged"
        | "PolicySeriesExtended"
        | "ExportQuotaUsed"
        | "SubjectExportsChanged" => return None,
        _ if actor == ActorKind::Admin => (Of::AdminAction, Success),
        _ => return None,
    })
}

/// The types of events that become entries whoever acted.
pub const ALWAYS: [&str; 13] = [
    "SessionIssued",
    "SessionRevoked",
    "ConsentGranted",
    "ConsentDenied",
    "ConsentWithdrawn",
    "ConsentImported",
    "PolicyAccepted",
    "ExportRequested",
    "ExportCompleted",
    "ExportDownloaded",
    "ExportRateLimited",
    "ExportFailed",
    "IncidentDetected",
];

impl AuditEventType {
    /// How long entries of this type are kept where nothing else is known of them.
    pub const fn retention(self) -> RetentionCategory {
        match self {
            Self::ApiAccess => RetentionCategory::Operational,
            Self::Login | Self::Logout => RetentionCategory::Security,
            Self::DataExport | Self::ConsentChange | Self::AdminAction => {
                RetentionCategory::Compliance
            }
            Self::SecurityIncident => RetentionCategory::Forensic,
        }
    }

    /// Which duties entries of this type are evidence for.
    pub const fn compliance_flags(self) -> &'static [&'static str] {
        match self {
            Self::ApiAccess | Self::Login | Self::Logout => &["GDPR Art. 32"],
            Self::DataExport => &["GDPR Art. 15", "GDPR Art. 20"],
            Self::ConsentChange => &["GDPR Art. 7"],
            Self::SecurityIncident => &["GDPR Art. 33"],
            Self::AdminAction => &["GDPR Art. 5(2)"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::AGGREGATES;

    #[test]
    fn sal_01_each_word_is_accepted_and_no_other() {
        for word in ["LOGIN", "LOGOUT", "API_ACCESS", "DATA_EXPORT", "CONSENT_CHANGE"] {
            assert!(word.parse::<AuditEventType>().is_ok(), "{word}");
        }
        assert_eq!(AuditEventType::ALL.len(), 7);
        assert_eq!(AuditResult::ALL.len(), 4);
        assert_eq!(RetentionCategory::ALL.len(), 4);
        for word in ["", "login", "LOGIN ", "OTHER"] {
            assert!(word.parse::<AuditEventType>().is_err(), "{word}");
            assert!(word.parse::<AuditResult>().is_err(), "{word}");
            assert!(word.parse::<RetentionCategory>().is_err(), "{word}");
        }
    }

    #[test]
    fn sal_03_a_risk_is_from_0_to_100() {
        for score in 0..=u8::MAX {
            assert_eq!(RiskScore::try_from(score).is_ok(), score <= 100, "{score}");
        }
    }

    #[test]
    fn sal_05_what_is_always_told_is_in_the_registry_and_becomes_an_entry() {
        for name in ALWAYS {
            let known = AGGREGATES.iter().flat_map(|it| it.events).any(|(event, _)| *event == name);
            assert!(known, "{name}");
            assert!(of_event(name, ActorKind::System).is_some(), "{name}");
        }
        let told = AGGREGATES
            .iter()
            .flat_map(|it| it.events)
            .filter(|(event, _)| of_event(event, ActorKind::Member).is_some());
        assert_eq!(told.count(), ALWAYS.len());
        assert_eq!(
            of_event("CommunityDeleted", ActorKind::Admin),
            Some((AuditEventType::AdminAction, AuditResult::Success))
        );
        assert_eq!(of_event("CommunityDeleted", ActorKind::Member), None);
    }

    #[test]
    fn sal_09_each_category_is_kept_for_its_time() {
        let now = "2026-11-26T12:00:00Z".parse().unwrap();
        let first = |category: RetentionCategory| category.first_kept(now).to_string();
        assert_eq!(first(RetentionCategory::Operational), "2026-08-28");
        assert_eq!(first(RetentionCategory::Security), "2025-11-26");
        assert_eq!(first(RetentionCategory::Compliance), "2021-11-26");
        assert_eq!(first(RetentionCategory::Forensic), "2025-11-26");
    }
}
