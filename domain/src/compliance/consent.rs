//! What one person says to one question for consent (E22). The stream is the person, the type and the
//! purpose, `{kind}:{uuid}-{type}-{hash of the purpose}` (K15): its last record is what counts.
//!
//! Life cycle of a record: granted → withdrawn, or expired once its time has passed, without a job; or
//! denied. Withdrawn, expired and denied records are final; whoever consents again makes another record
//! (CON-06, CON-07). Who denies while a grant holds withdraws that first. Each event carries the whole
//! record.
//!
//! What another system knew is imported as history: each into a stream of its own, and never valid
//! (CON-10).

mod decisions;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    consent_values::{
        ConsentAgent, ConsentBasis, ConsentEvidence, ConsentMethod, ConsentStatus, ConsentTerm,
        ConsentType, RetentionDays,
    },
    policy_series::PublishedVersion,
    policy_values::{ContentHash, VersionNumber},
};
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::{ConsentId, PolicyVersionId},
    personal::Personal,
    refusal::{Refusal, RefusalKind},
    values::{PurposeDescription, WithdrawalReason},
};

/// The most categories, and purposes of an import, that a record names.
pub const TERMS_MAX: usize = 50;

/// What is consented to, and with what it was answered: all that never changes of a record. What was
/// erased of it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentTerms {
    pub consent_type: ConsentType,
    /// What the person read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose_description: Option<Personal<PurposeDescription>>,
    pub consent_method: ConsentMethod,
    pub legal_basis: ConsentBasis,
    pub data_categories: Vec<ConsentTerm>,
    pub processing_purposes: Vec<ConsentTerm>,
    pub third_party_sharing: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_period_days: Option<RetentionDays>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<Personal<IpAddr>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<Personal<ConsentAgent>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_data: Option<Personal<ConsentEvidence>>,
}

impl ConsentTerms {
    /// Whether the same is answered in the same way; from where does not matter.
    fn say_the_same_as(&self, other: &Self) -> bool {
        let text =
            |terms: &Self| terms.purpose_description.as_ref().and_then(Personal::get).cloned();
        let evidence = |terms: &Self| terms.evidence_data.as_ref().and_then(Personal::get).cloned();
        (text(self), evidence(self)) == (text(other), evidence(other))
            && self.consent_method == other.consent_method
            && self.legal_basis == other.legal_basis
            && self.data_categories == other.data_categories
            && self.third_party_sharing == other.third_party_sharing
            && self.retention_period_days == other.retention_period_days
            && self.expires_at == other.expires_at
    }

    /// As it is carried on: what was erased is not sealed again.
    fn carried_on(mut self) -> Self {
        self.purpose_description.take_if(|text| text.is_erased());
        self.ip_address.take_if(|address| address.is_erased());
        self.user_agent.take_if(|agent| agent.is_erased());
        self.evidence_data.take_if(|evidence| evidence.is_erased());
        self
    }
}

/// One record (E22).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentRecord {
    pub consent_id: ConsentId,
    pub principal: Actor,
    #[serde(flatten)]
    pub terms: ConsentTerms,
    pub status: ConsentStatus,
    /// The version of the policy that was shown, with the hash of its text (CON-08).
    pub consent_version: VersionNumber,
    pub policy_version_id: PolicyVersionId,
    pub policy_hash: ContentHash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawal_reason: Option<Personal<WithdrawalReason>>,
    /// The browser's `Sec-GPC` denied it, against what was clicked (CON-13).
    pub denied_by_signal: bool,
    /// What another system knew: history, and never valid (CON-10).
    pub is_imported: bool,
    pub created_at: DateTime<Utc>,
}

impl ConsentRecord {
    /// Its status at an instant: a grant whose time has passed reads EXPIRED (CON-12).
    pub fn status_at(&self, now: DateTime<Utc>) -> ConsentStatus {
        let has_passed = self.terms.expires_at.is_some_and(|expires_at| expires_at <= now);
        match self.status {
            ConsentStatus::Granted if has_passed => ConsentStatus::Expired,
            status => status,
        }
    }
}

/// The answers to one question as the log tells them. `Default` is where nobody asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Consent {
    record: Option<ConsentRecord>,
}

impl Consent {
    /// The id of the stream of one person's answers about one purpose.
    pub fn stream_id(principal: Actor, consent_type: ConsentType, purpose: &ConsentTerm) -> String {
        format!("{principal}{}", Self::question(consent_type, purpose))
    }

    /// What [`Self::stream_id`] adds to whose it is.
    pub fn question(consent_type: ConsentType, purpose: &ConsentTerm) -> String {
        let digest = Sha256::digest(purpose.as_str().as_bytes());
        let hash: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("-{}-{hash}", consent_type.as_str())
    }

    /// The id of the stream of a record of another system.
    pub fn import_stream_id(principal: Actor, consent_id: ConsentId) -> String {
        format!("{principal}-import-{consent_id}")
    }

    pub fn record(&self) -> Option<&ConsentRecord> {
        self.record.as_ref()
    }

    /// The grant that holds.
    fn granted(&self, now: DateTime<Utc>) -> Option<&ConsentRecord> {
        self.record.as_ref().filter(|record| record.status_at(now) == ConsentStatus::Granted)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ConsentCommand {
    Grant(AnswerQuestion),
    Deny(AnswerQuestion),
    Withdraw(WithdrawConsent),
    Import(ImportConsent),
}

#[derive(Clone, Debug, PartialEq)]
pub struct AnswerQuestion {
    pub consent_id: ConsentId,
    pub principal: Actor,
    pub terms: ConsentTerms,
    /// The version that was shown, if it is the one that holds now.
    pub shown: Option<PublishedVersion>,
    /// Whether the browser sent `Sec-GPC: 1`.
    pub signals_opt_out: bool,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct WithdrawConsent {
    pub reason: Option<Personal<WithdrawalReason>>,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ImportConsent {
    pub consent_id: ConsentId,
    pub principal: Actor,
    pub principal_exists: bool,
    pub terms: ConsentTerms,
    pub status: ConsentStatus,
    /// The published version of that number.
    pub shown: Option<PublishedVersion>,
    pub granted_at: Option<DateTime<Utc>>,
    pub withdrawn_at: Option<DateTime<Utc>>,
    pub imported_by: Actor,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ConsentEvent {
    ConsentGranted {
        consent: ConsentRecord,
        /// The grant before it, that still held and is history from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        supersedes: Option<ConsentId>,
    },
    ConsentDenied {
        consent: ConsentRecord,
    },
    ConsentWithdrawn {
        consent: ConsentRecord,
    },
    ConsentImported {
        consent: ConsentRecord,
        imported_by: Actor,
    },
}

domain_event!(ConsentEvent {
    ConsentGranted => "1",
    ConsentDenied => "1",
    ConsentWithdrawn => "1",
    ConsentImported => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConsentError {
    #[error(
        "consent is given to the version of the privacy policy that holds now, and to no other"
    )]
    NotInForce,
    #[error("there is no published version of the privacy policy of this number")]
    NoSuchVersion,
    #[error("only what somebody does counts as consent: silence and ticked boxes are history")]
    NotAffirmative,
    #[error("one record is of one purpose: send a command for each")]
    Bundled,
    #[error("a record names 1 to 50 categories of data and purposes")]
    WrongTerms,
    #[error("a consent that is given now cannot have expired")]
    ExpiresBefore,
    #[error(
        "the times of a record fit its status: granted before withdrawn, none where it was denied"
    )]
    WrongTimes,
    #[error("a child's consent needs evidence of its guardian in evidence_data")]
    NoGuardian,
    #[error("there is no consent of yours for this purpose: there is nothing to withdraw")]
    NotAsked,
    #[error("the record is final: there is nothing to withdraw")]
    Final,
    #[error(
        "this does not rest on consent: what rests on another ground is objected to (Art. 21 GDPR), \
         not withdrawn"
    )]
    OtherBasis,
    #[error("there is no such member or admin")]
    NoPrincipal,
}

impl Refusal for ConsentError {
    fn rule(&self) -> &'static str {
        match self {
            Self::NotInForce | Self::NoSuchVersion => "CON-03",
            Self::NotAffirmative => "CON-10",
            Self::Bundled => "CON-11",
            Self::WrongTerms => "CON-04",
            Self::ExpiresBefore | Self::WrongTimes => "CON-05",
            Self::NoGuardian => "CON-16",
            Self::Final | Self::NotAsked => "CON-06",
            Self::OtherBasis => "CON-09",
            Self::NoPrincipal => "CON-02",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NoPrincipal => RefusalKind::NotFound,
            Self::Final | Self::NotAsked => RefusalKind::Conflict,
            _ => RefusalKind::Invalid,
        }
    }
}

aggregate!(Consent, "consent", ConsentCommand, ConsentEvent, ConsentError);

impl Decide for Consent {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(&self, command: ConsentCommand) -> Result<Vec<ConsentEvent>, ConsentError> {
        match command {
            ConsentCommand::Grant(command) => decisions::grant(self, command),
            ConsentCommand::Deny(command) => decisions::deny(self, command, false),
            ConsentCommand::Withdraw(command) => decisions::withdraw(self, command),
            ConsentCommand::Import(command) => decisions::import(self, command),
        }
    }
}

impl Consent {
    fn apply(&mut self, event: ConsentEvent) {
        let (ConsentEvent::ConsentGranted { consent, .. }
        | ConsentEvent::ConsentDenied { consent }
        | ConsentEvent::ConsentWithdrawn { consent }
        | ConsentEvent::ConsentImported { consent, .. }) = event;
        self.record = Some(consent);
    }
}
