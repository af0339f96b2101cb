//! The register of personal-data breaches (LAW-08, INC-14): which incidents are one, since when that is
//! known, who was told when. Its stream has the incident's id.
//!
//! Life cycle: declared → each notification is added. The authority is told within 72 hours of becoming
//! aware, later only with reasons (Art. 33(1) GDPR), in phases where not all is known yet (Art. 33(4)). An
//! entry stays, also where nobody had to be told: then it says why (Art. 33(5)).

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::values::NotificationKind;
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::IncidentId,
    personal::Personal,
    refusal::{Refusal, RefusalKind},
    values::IncidentText,
};

/// How long after becoming aware of a breach the authority is told (Art. 33(1)).
pub const AUTHORITY_WITHIN: TimeDelta = TimeDelta::hours(72);
/// Notifications that one breach takes.
pub const NOTIFICATIONS_MAX: u32 = 50;

/// What Art. 33(3) wants said, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BreachContent {
    /// (a) What happened, to which data of whom.
    pub nature: Option<Personal<IncidentText>>,
    /// (a) About how many people, and records.
    pub subjects_affected: Option<u64>,
    pub records_affected: Option<u64>,
    /// (b) Whom to ask.
    pub contact_point: Option<Personal<IncidentText>>,
    /// (c) What is likely to come of it.
    pub likely_consequences: Option<Personal<IncidentText>>,
    /// (d) What was and will be done.
    pub measures: Option<Personal<IncidentText>>,
}

impl BreachContent {
    /// What is said now over what was said before.
    #[must_use]
    pub fn over(self, before: &Self) -> Self {
        Self {
            nature: self.nature.or_else(|| before.nature.clone()),
            subjects_affected: self.subjects_affected.or(before.subjects_affected),
            records_affected: self.records_affected.or(before.records_affected),
            contact_point: self.contact_point.or_else(|| before.contact_point.clone()),
            likely_consequences: self
                .likely_consequences
                .or_else(|| before.likely_consequences.clone()),
            measures: self.measures.or_else(|| before.measures.clone()),
        }
    }
}

/// A breach as the log tells it. `Default` is the one that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Breach {
    known: Option<Known>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    aware_at: DateTime<Utc>,
    content: BreachContent,
    /// How often the authority was told.
    phases: u32,
    subjects_notified: bool,
    notifications: u32,
}

impl Breach {
    pub fn exists(&self) -> bool {
        self.known.is_some()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum BreachCommand {
    Declare(Box<DeclareBreach>),
    RecordNotification(Box<RecordNotification>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct DeclareBreach {
    pub incident_id: IncidentId,
    /// Now, where it is not said.
    pub aware_at: Option<DateTime<Utc>>,
    pub content: BreachContent,
    pub now: DateTime<Utc>,
    pub by: Actor,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RecordNotification {
    pub kind: NotificationKind,
    /// Now, where it is not said.
    pub notified_at: Option<DateTime<Utc>>,
    /// Why the authority was told late, or why somebody need not be told.
    pub reason: Option<Personal<IncidentText>>,
    pub content: BreachContent,
    pub now: DateTime<Utc>,
    pub by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum BreachEvent {
    BreachDeclared {
        incident_id: IncidentId,
        aware_at: DateTime<Utc>,
        content: BreachContent,
        declared_by: Actor,
    },
    AuthorityNotified {
        /// 1 for the first notification (Art. 33(4)).
        phase: u32,
        notified_at: DateTime<Utc>,
        /// Why it came after the 72 hours.
        reason: Option<Personal<IncidentText>>,
        content: BreachContent,
        recorded_by: Actor,
    },
    SubjectsNotified {
        notified_at: DateTime<Utc>,
        reason: Option<Personal<IncidentText>>,
        content: BreachContent,
        recorded_by: Actor,
    },
    /// Somebody need not be told, and why.
    BreachNotificationWaived {
        kind: NotificationKind,
        reason: Personal<IncidentText>,
        content: BreachContent,
        recorded_by: Actor,
    },
}

domain_event!(BreachEvent {
    BreachDeclared => "1",
    AuthorityNotified => "1",
    SubjectsNotified => "1",
    BreachNotificationWaived => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BreachError {
    #[error("the incident is in the register of breaches already")]
    AlreadyDeclared,
    #[error("the incident is in no register of breaches: declare the breach first")]
    NotDeclared,
    #[error(
        "a breach is known and told of at a time that has come, and told of no earlier than known"
    )]
    WrongTimes,
    #[error("the authority was told after more than 72 hours: say why (Art. 33(1) GDPR)")]
    LateWithoutReason,
    #[error("who need not be told, and why, is documented together (Art. 33(5) GDPR)")]
    NoReason,
    #[error("who was told cannot have had no need to be told")]
    AlreadyNotified,
    #[error("a breach takes at most 50 notifications")]
    TooMany,
}

impl Refusal for BreachError {
    fn rule(&self) -> &'static str {
        "INC-14"
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyDeclared | Self::AlreadyNotified | Self::TooMany => RefusalKind::Conflict,
            Self::NotDeclared => RefusalKind::NotFound,
            _ => RefusalKind::Invalid,
        }
    }
}

aggregate!(Breach, "breach", BreachCommand, BreachEvent, BreachError);

impl Decide for Breach {
    fn decide(&self, command: BreachCommand) -> Result<Vec<BreachEvent>, BreachError> {
        match command {
            BreachCommand::Declare(command) => declare(self, *command),
            BreachCommand::RecordNotification(command) => record_notification(self, *command),
        }
    }
}

fn declare(breach: &Breach, command: DeclareBreach) -> Result<Vec<BreachEvent>, BreachError> {
    if breach.exists() {
        return Err(BreachError::AlreadyDeclared);
    }
    let aware_at = command.aware_at.unwrap_or(command.now);
    if aware_at > command.now {
        return Err(BreachError::WrongTimes);
    }
    Ok(vec![BreachEvent::BreachDeclared {
        incident_id: command.incident_id,
        aware_at,
        content: command.content,
        declared_by: command.by,
    }])
}

fn record_notification(
    breach: &Breach,
    command: RecordNotification,
) -> Result<Vec<BreachEvent>, BreachError> {
    let known = breach.known.as_ref().ok_or(BreachError::NotDeclared)?;
    let RecordNotification { kind, notified_at, reason, content, now, by: recorded_by } = command;
    if known.notifications >= NOTIFICATIONS_MAX {
        return Err(BreachError::TooMany);
    }
    let notified_at = notified_at.unwrap_or(now);
    if notified_at > now || notified_at < known.aware_at {
        return Err(BreachError::WrongTimes);
    }
    let content = content.over(&known.content);
    let event = match kind {
        NotificationKind::Authority => {
            let late = notified_at > known.aware_at + AUTHORITY_WITHIN;
            if late && known.phases == 0 && reason.is_none() {
                return Err(BreachError::LateWithoutReason);
            }
            let phase = known.phases + 1;
            BreachEvent::AuthorityNotified { phase, notified_at, reason, content, recorded_by }
        }
        NotificationKind::Subjects => {
            BreachEvent::SubjectsNotified { notified_at, reason, content, recorded_by }
        }
        NotificationKind::AuthorityNotRequired | NotificationKind::SubjectsNotRequired => {
            let told = match kind {
                NotificationKind::AuthorityNotRequired => known.phases > 0,
                _ => known.subjects_notified,
            };
            if told {
                return Err(BreachError::AlreadyNotified);
            }
            let reason = reason.ok_or(BreachError::NoReason)?;
            BreachEvent::BreachNotificationWaived { kind, reason, content, recorded_by }
        }
    };
    Ok(vec![event])
}

impl Breach {
    fn apply(&mut self, event: BreachEvent) {
        if let BreachEvent::BreachDeclared { aware_at, content, .. } = event {
            self.known = Some(Known {
                aware_at,
                content,
                phases: 0,
                subjects_notified: false,
                notifications: 0,
            });
            return;
        }
        let Some(known) = &mut self.known else { return };
        known.notifications += 1;
        known.content = match event {
            BreachEvent::AuthorityNotified { content, phase, .. } => {
                known.phases = phase;
                content
            }
            BreachEvent::SubjectsNotified { content, .. } => {
                known.subjects_notified = true;
                content
            }
            BreachEvent::BreachDeclared { content, .. }
            | BreachEvent::BreachNotificationWaived { content, .. } => content,
        };
    }
}

#[cfg(test)]
mod tests;
