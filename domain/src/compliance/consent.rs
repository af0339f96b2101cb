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
            ConsentCommand::Grant(command) => grant(self, command),
            ConsentCommand::Deny(command) => deny(self, command, false),
            ConsentCommand::Withdraw(command) => withdraw(self, command),
            ConsentCommand::Import(command) => import(self, command),
        }
    }
}

/// What is asked of every answer.
fn check(command: &AnswerQuestion) -> Result<&PublishedVersion, ConsentError> {
    let shown = command.shown.as_ref().ok_or(ConsentError::NotInForce)?;
    if !command.terms.consent_method.is_affirmative() {
        return Err(ConsentError::NotAffirmative);
    }
    if !(1..=TERMS_MAX).contains(&command.terms.data_categories.len()) {
        return Err(ConsentError::WrongTerms);
    }
    match command.terms.processing_purposes.len() {
        0 => Err(ConsentError::WrongTerms),
        1 => Ok(shown),
        _ => Err(ConsentError::Bundled),
    }
}

fn record(
    command: AnswerQuestion,
    shown: PublishedVersion,
    status: ConsentStatus,
) -> ConsentRecord {
    let AnswerQuestion { consent_id, principal, terms, now, .. } = command;
    ConsentRecord {
        consent_id,
        principal,
        terms,
        status,
        consent_version: shown.version_number,
        policy_version_id: shown.version_id,
        policy_hash: shown.content_hash,
        granted_at: (status == ConsentStatus::Granted).then_some(now),
        withdrawn_at: None,
        withdrawal_reason: None,
        denied_by_signal: false,
        is_imported: false,
        created_at: now,
    }
}

/// A grant that says what the one that holds says already changes nothing.
fn grant(consent: &Consent, command: AnswerQuestion) -> Result<Vec<ConsentEvent>, ConsentError> {
    let shown = check(&command)?.clone();
    let terms = &command.terms;
    if terms.expires_at.is_some_and(|expires_at| expires_at <= command.now) {
        return Err(ConsentError::ExpiresBefore);
    }
    let evidence = terms.evidence_data.as_ref().and_then(Personal::get);
    if evidence.is_some_and(ConsentEvidence::lacks_guardian) {
        return Err(ConsentError::NoGuardian);
    }
    let is_opted_out = terms.consent_type == ConsentType::Marketing || terms.third_party_sharing;
    if command.signals_opt_out && is_opted_out {
        return deny(consent, command, true);
    }
    let before = consent.granted(command.now);
    if before.is_some_and(|before| {
        before.policy_version_id == shown.version_id && before.terms.say_the_same_as(terms)
    }) {
        return Ok(Vec::new());
    }
    let supersedes = before.map(|before| before.consent_id);
    let consent = record(command, shown, ConsentStatus::Granted);
    Ok(vec![ConsentEvent::ConsentGranted { consent, supersedes }])
}

/// Who denies what it denied to the same text changes nothing.
fn deny(
    consent: &Consent,
    command: AnswerQuestion,
    by_signal: bool,
) -> Result<Vec<ConsentEvent>, ConsentError> {
    let shown = check(&command)?.clone();
    if consent.record.as_ref().is_some_and(|before| {
        before.status == ConsentStatus::Denied && before.policy_version_id == shown.version_id
    }) {
        return Ok(Vec::new());
    }
    let mut events = Vec::new();
    if let Some(before) = consent.granted(command.now) {
        events.push(withdrawn(before, None, command.now));
    }
    let denied = record(command, shown, ConsentStatus::Denied);
    let terms = ConsentTerms { expires_at: None, ..denied.terms };
    let consent = ConsentRecord { terms, denied_by_signal: by_signal, ..denied };
    events.push(ConsentEvent::ConsentDenied { consent });
    Ok(events)
}

fn withdrawn(
    record: &ConsentRecord,
    reason: Option<Personal<WithdrawalReason>>,
    now: DateTime<Utc>,
) -> ConsentEvent {
    let record = record.clone();
    ConsentEvent::ConsentWithdrawn {
        consent: ConsentRecord {
            terms: record.terms.carried_on(),
            status: ConsentStatus::Withdrawn,
            // Never before it was granted, whatever the clocks of two instances say (CON-05).
            withdrawn_at: Some(record.granted_at.map_or(now, |granted_at| granted_at.max(now))),
            withdrawal_reason: reason,
            ..record
        },
    }
}

/// Who withdraws what it withdrew changes nothing.
fn withdraw(
    consent: &Consent,
    command: WithdrawConsent,
) -> Result<Vec<ConsentEvent>, ConsentError> {
    let WithdrawConsent { reason, now } = command;
    let record = consent.record.as_ref().ok_or(ConsentError::NotAsked)?;
    match record.status_at(now) {
        ConsentStatus::Withdrawn => return Ok(Vec::new()),
        ConsentStatus::Denied | ConsentStatus::Expired => return Err(ConsentError::Final),
        ConsentStatus::Granted => {}
    }
    if record.terms.legal_basis != ConsentBasis::Consent {
        return Err(ConsentError::OtherBasis);
    }
    Ok(vec![withdrawn(record, reason, now)])
}

fn import(consent: &Consent, command: ImportConsent) -> Result<Vec<ConsentEvent>, ConsentError> {
    if consent.record.is_some() {
        return Ok(Vec::new());
    }
    if !command.principal_exists {
        return Err(ConsentError::NoPrincipal);
    }
    let shown = command.shown.ok_or(ConsentError::NoSuchVersion)?;
    let ImportConsent {
        consent_id, principal, terms, status, granted_at, withdrawn_at, now, ..
    } = command;
    let counts = 1..=TERMS_MAX;
    if !counts.contains(&terms.data_categories.len())
        || !counts.contains(&terms.processing_purposes.len())
    {
        return Err(ConsentError::WrongTerms);
    }
    let expires_at = terms.expires_at;
    let fits = match (status, granted_at, withdrawn_at) {
        (ConsentStatus::Granted, Some(_), None) => true,
        (ConsentStatus::Denied, None, None) => expires_at.is_none(),
        (ConsentStatus::Withdrawn, Some(granted_at), Some(withdrawn_at)) => {
            granted_at <= withdrawn_at
        }
        (ConsentStatus::Expired, Some(granted_at), None) => {
            expires_at.is_some_and(|expires_at| granted_at <= expires_at && expires_at <= now)
        }
        _ => false,
    };
    let is_past = |at: Option<DateTime<Utc>>| at.is_none_or(|at| at <= now);
    if !fits || !is_past(granted_at) || !is_past(withdrawn_at) {
        return Err(ConsentError::WrongTimes);
    }
    let consent = ConsentRecord {
        consent_id,
        principal,
        terms,
        status,
        consent_version: shown.version_number,
        policy_version_id: shown.version_id,
        policy_hash: shown.content_hash,
        granted_at,
        withdrawn_at,
        withdrawal_reason: None,
        denied_by_signal: false,
        is_imported: true,
        created_at: now,
    };
    Ok(vec![ConsentEvent::ConsentImported { consent, imported_by: command.imported_by }])
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

#[cfg(test)]
mod tests;
