//! A limit that a person sets to the processing of its data: an objection to one purpose (Art. 21 GDPR,
//! LAW-06), or the restriction of everything (Art. 18, LAW-05). The stream of an objection is the person,
//! the type and the purpose, named as a consent's is; of a restriction it is the person.
//!
//! Life cycle: objected → withdrawn by the person; restricted → withdrawn by the person, or lifted by an
//! admin, who says why and of which the person is told (Art. 18(3)). Whoever sets a limit again makes
//! another record. A limit holds at once and is never weighed: the platform claims no grounds that would
//! override an objection. Each event carries the whole record.
//!
//! What it does: the [gate](super::consent_gate) says no, but to what was consented to after the limit
//! (Art. 18(2)).

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    consent::Consent,
    consent_values::{ConsentBasis, ConsentTerm, ConsentType},
};
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    exports::export_values::words,
    ids::ProcessingLimitId,
    personal::Personal,
    refusal::{Refusal, RefusalKind, RuleBreak},
    values::{LimitReason, Reason},
};

words! {
    /// Why the processing is to be restricted: the grounds of Art. 18(1) (LAW-05).
    RestrictionGround, "LAW-05" "must be ACCURACY_CONTESTED, UNLAWFUL_PROCESSING, NEEDED_FOR_CLAIMS or OBJECTION_PENDING" {
        AccuracyContested => "ACCURACY_CONTESTED",
        UnlawfulProcessing => "UNLAWFUL_PROCESSING",
        NeededForClaims => "NEEDED_FOR_CLAIMS",
        ObjectionPending => "OBJECTION_PENDING",
    }
}

/// What is limited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "limit_kind")]
pub enum Limited {
    #[serde(rename = "OBJECTION")]
    Objection { consent_type: ConsentType, purpose: ConsentTerm },
    #[serde(rename = "RESTRICTION")]
    Restriction { ground: RestrictionGround },
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitRecord {
    pub limit_id: ProcessingLimitId,
    pub principal: Actor,
    #[serde(flatten)]
    pub limited: Limited,
    /// What the person says about it; nobody has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Personal<LimitReason>>,
    pub since: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
}

/// The limits that one stream tells of. `Default` is where nobody set one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessingLimit {
    record: Option<LimitRecord>,
}

impl ProcessingLimit {
    /// The id of the stream of one person's objections to one purpose.
    pub fn objection_stream_id(
        principal: Actor,
        consent_type: ConsentType,
        purpose: &ConsentTerm,
    ) -> String {
        Consent::stream_id(principal, consent_type, purpose)
    }

    /// The id of the stream of one person's restrictions.
    pub fn restriction_stream_id(principal: Actor) -> String {
        principal.to_string()
    }

    pub fn record(&self) -> Option<&LimitRecord> {
        self.record.as_ref()
    }

    /// The limit that holds.
    pub fn in_force(&self) -> Option<&LimitRecord> {
        self.record.as_ref().filter(|record| record.ended_at.is_none())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ProcessingLimitCommand {
    Object(ObjectToProcessing),
    WithdrawObjection { now: DateTime<Utc> },
    Restrict(RestrictProcessing),
    WithdrawRestriction { now: DateTime<Utc> },
    LiftRestriction(LiftRestriction),
}

#[derive(Clone, Debug, PartialEq)]
pub struct ObjectToProcessing {
    pub limit_id: ProcessingLimitId,
    pub principal: Actor,
    pub consent_type: ConsentType,
    pub purpose: ConsentTerm,
    pub reason: Option<Personal<LimitReason>>,
    /// The ground that the person was told of, where there is a record of it that holds.
    pub basis: Option<ConsentBasis>,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RestrictProcessing {
    pub limit_id: ProcessingLimitId,
    pub principal: Actor,
    pub ground: RestrictionGround,
    pub reason: Option<Personal<LimitReason>>,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LiftRestriction {
    pub lifted_by: Actor,
    /// What the person is told.
    pub reason: Personal<Reason>,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ProcessingLimitEvent {
    ProcessingObjected { limit: LimitRecord },
    ObjectionWithdrawn { limit: LimitRecord },
    ProcessingRestricted { limit: LimitRecord },
    RestrictionWithdrawn { limit: LimitRecord },
    RestrictionLifted { limit: LimitRecord, lifted_by: Actor, lifting_reason: Personal<Reason> },
}

domain_event!(ProcessingLimitEvent {
    ProcessingObjected => "1",
    ObjectionWithdrawn => "1",
    ProcessingRestricted => "1",
    RestrictionWithdrawn => "1",
    RestrictionLifted => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProcessingLimitError {
    #[error("this rests on your consent: withdraw it with withdraw-consent, which counts at once")]
    RestsOnConsent,
    #[error("only what rests on legitimate interests or a public task can be objected to")]
    OtherBasis,
    #[error("there is no objection of yours to this purpose")]
    NoObjection,
    #[error("the processing is not restricted")]
    NotRestricted,
}

impl Refusal for ProcessingLimitError {
    fn rule(&self) -> &'static str {
        match self {
            Self::RestsOnConsent | Self::OtherBasis | Self::NoObjection => "LAW-06",
            Self::NotRestricted => "LAW-05",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::OtherBasis => RefusalKind::Invalid,
            Self::RestsOnConsent | Self::NoObjection | Self::NotRestricted => RefusalKind::Conflict,
        }
    }
}

aggregate!(
    ProcessingLimit,
    "processing_limit",
    ProcessingLimitCommand,
    ProcessingLimitEvent,
    ProcessingLimitError
);

type Decided = Result<Vec<ProcessingLimitEvent>, ProcessingLimitError>;

impl Decide for ProcessingLimit {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(&self, command: ProcessingLimitCommand) -> Decided {
        match command {
            ProcessingLimitCommand::Object(command) => object(self, command),
            ProcessingLimitCommand::WithdrawObjection { now } => {
                let Some(limit) = ended(self, ProcessingLimitError::NoObjection, now)? else {
                    return Ok(Vec::new());
                };
                Ok(vec![ProcessingLimitEvent::ObjectionWithdrawn { limit }])
            }
            ProcessingLimitCommand::Restrict(command) => restrict(self, command),
            ProcessingLimitCommand::WithdrawRestriction { now } => {
                let Some(limit) = ended(self, ProcessingLimitError::NotRestricted, now)? else {
                    return Ok(Vec::new());
                };
                Ok(vec![ProcessingLimitEvent::RestrictionWithdrawn { limit }])
            }
            ProcessingLimitCommand::LiftRestriction(command) => lift(self, command),
        }
    }
}

/// Against marketing nothing stands (Art. 21(2) and (3)); whatever it rests on, it may be objected to.
fn object(limit: &ProcessingLimit, command: ObjectToProcessing) -> Decided {
    let ObjectToProcessing { limit_id, principal, consent_type, purpose, reason, basis, now } =
        command;
    if consent_type != ConsentType::Marketing {
        match basis {
            None | Some(ConsentBasis::LegitimateInterests | ConsentBasis::PublicTask) => {}
            Some(ConsentBasis::Consent) => return Err(ProcessingLimitError::RestsOnConsent),
            Some(_) => return Err(ProcessingLimitError::OtherBasis),
        }
    }
    if limit.in_force().is_some() {
        return Ok(Vec::new());
    }
    let limited = Limited::Objection { consent_type, purpose };
    let limit = LimitRecord { limit_id, principal, limited, reason, since: now, ended_at: None };
    Ok(vec![ProcessingLimitEvent::ProcessingObjected { limit }])
}

/// Another ground for what is restricted already changes nothing.
fn restrict(limit: &ProcessingLimit, command: RestrictProcessing) -> Decided {
    if limit.in_force().is_some() {
        return Ok(Vec::new());
    }
    let RestrictProcessing { limit_id, principal, ground, reason, now } = command;
    let limited = Limited::Restriction { ground };
    let limit = LimitRecord { limit_id, principal, limited, reason, since: now, ended_at: None };
    Ok(vec![ProcessingLimitEvent::ProcessingRestricted { limit }])
}

fn lift(limit: &ProcessingLimit, command: LiftRestriction) -> Decided {
    let LiftRestriction { lifted_by, reason: lifting_reason, now } = command;
    let Some(limit) = ended(limit, ProcessingLimitError::NotRestricted, now)? else {
        return Ok(Vec::new());
    };
    Ok(vec![ProcessingLimitEvent::RestrictionLifted { limit, lifted_by, lifting_reason }])
}

/// The record with its end; none where it has one.
fn ended(
    limit: &ProcessingLimit,
    none: ProcessingLimitError,
    now: DateTime<Utc>,
) -> Result<Option<LimitRecord>, ProcessingLimitError> {
    let record = limit.record.as_ref().ok_or(none)?;
    if record.ended_at.is_some() {
        return Ok(None);
    }
    let mut record = record.clone();
    // What was erased is not sealed again.
    record.reason.take_if(|reason| reason.is_erased());
    record.ended_at = Some(record.since.max(now));
    Ok(Some(record))
}

impl ProcessingLimit {
    fn apply(&mut self, event: ProcessingLimitEvent) {
        let (ProcessingLimitEvent::ProcessingObjected { limit }
        | ProcessingLimitEvent::ObjectionWithdrawn { limit }
        | ProcessingLimitEvent::ProcessingRestricted { limit }
        | ProcessingLimitEvent::RestrictionWithdrawn { limit }
        | ProcessingLimitEvent::RestrictionLifted { limit, .. }) = event;
        self.record = Some(limit);
    }
}

#[cfg(test)]
mod tests;
