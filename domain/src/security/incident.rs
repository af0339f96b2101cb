//! A security incident (E25).
//!
//! Life cycle (INC-06): DETECTED → INVESTIGATING → MITIGATED → RESOLVED, or from INVESTIGATING straight to
//! RESOLVED; FALSE_POSITIVE from each that is not final. RESOLVED and FALSE_POSITIVE are final: what comes
//! back is a new incident that names the one before. What was done and what was found is only added to
//! (mitigation, forensic data).
//!
//! What is derived (false_positive, escalated, duration_seconds) is nowhere stored (K21). The address and
//! the texts are sealed: the address with its user's key, or its own where nobody is known; the texts with
//! the incident's.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    network::Network,
    values::{
        AttackVector, Confidence, DetectionMethod, IncidentStatus, IncidentType, JsonObject,
        Severity,
    },
};
use crate::{
    actor::Actor,
    aggregate::{aggregate, domain_event},
    changes::{CARETAKERS_CHANGES_MAX, CHANGES_MAX, ChangedTooOften, room},
    ids::{IncidentId, IpAddressId},
    personal::Personal,
    refusal::{Refusal, RefusalKind},
    values::{IncidentText, TargetEndpoint},
};

/// An incident as the log tells it. `Default` is the one that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    known: Option<Standing>,
}

/// What decisions go by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    pub status: IncidentStatus,
    pub incident_type: IncidentType,
    pub severity: Severity,
    pub address_id: Option<IpAddressId>,
    pub user: Option<Actor>,
    pub request_count: Option<u64>,
    pub blocked_requests: Option<u64>,
    pub first_detected_at: DateTime<Utc>,
    pub last_activity_at: DateTime<Utc>,
    pub assigned_to: Option<Actor>,
    pub is_escalated: bool,
    /// Events that followed its detection.
    changes: u32,
}

impl Standing {
    /// RESOLVED or FALSE_POSITIVE: nothing follows.
    pub fn is_final(&self) -> bool {
        matches!(self.status, IncidentStatus::Resolved | IncidentStatus::FalsePositive)
    }

    /// Whether more activity still fits into it.
    pub fn takes_activity(&self) -> bool {
        !self.is_final() && room(self.changes, CHANGES_MAX).is_ok()
    }
}

impl Incident {
    pub fn get(&self) -> Option<&Standing> {
        self.known.as_ref()
    }

    fn require(&self) -> Result<&Standing, IncidentError> {
        self.known.as_ref().ok_or(IncidentError::NotFound)
    }

    fn open(&self) -> Result<&Standing, IncidentError> {
        let standing = self.require()?;
        if standing.is_final() { Err(IncidentError::Final) } else { Ok(standing) }
    }

    /// As [`Self::open`], where there is room for what its investigators add.
    fn open_with_room(&self) -> Result<&Standing, IncidentError> {
        let standing = self.open()?;
        room(standing.changes, CARETAKERS_CHANGES_MAX)?;
        Ok(standing)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum IncidentCommand {
    Report(Box<ReportIncident>),
    RecordActivity(RecordActivity),
    StartInvestigation { by: Actor },
    Assign { to: Actor, by: Actor },
    RecordMitigation { action: Personal<IncidentText>, by: Actor },
    Escalate { severity: Option<Severity>, reason: Option<Personal<IncidentText>>, by: Actor },
    Resolve(ResolveIncident),
    MarkFalsePositive { reason: Personal<IncidentText>, by: Actor },
    AddForensicData { data: Personal<JsonObject>, by: Actor },
    AssessImpact(Box<AssessImpact>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReportIncident {
    pub incident_id: IncidentId,
    pub incident_type: IncidentType,
    pub severity: Severity,
    pub source_ip: Personal<Network>,
    pub address_id: Option<IpAddressId>,
    pub target_endpoint: Option<Personal<TargetEndpoint>>,
    pub user: Option<Actor>,
    pub attack_vector: Option<AttackVector>,
    pub request_count: Option<u64>,
    pub blocked_requests: Option<u64>,
    pub detection_method: DetectionMethod,
    pub detection_confidence: Option<Confidence>,
    pub threat_intelligence: Option<Personal<JsonObject>>,
    /// The incident that has come back: a final one.
    pub follows: Option<IncidentId>,
    /// Now, where it is not said.
    pub first_detected_at: Option<DateTime<Utc>>,
    pub last_activity_at: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
    pub by: Actor,
}

/// What came since, to be added.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordActivity {
    pub requests: u64,
    pub blocked: u64,
    /// It only rises.
    pub severity: Option<Severity>,
    pub last_activity_at: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ResolveIncident {
    pub root_cause: Option<Personal<IncidentText>>,
    pub lessons_learned: Option<Personal<IncidentText>>,
    pub by: Actor,
}

/// What an assessment changes; what it says nothing of stays.
#[derive(Clone, Debug, PartialEq)]
pub struct AssessImpact {
    pub impact_assessment: Personal<IncidentText>,
    pub root_cause: Option<Personal<IncidentText>>,
    pub incident_type: Option<IncidentType>,
    pub severity: Option<Severity>,
    pub attack_vector: Option<AttackVector>,
    pub user: Option<Actor>,
    pub threat_intelligence: Option<Personal<JsonObject>>,
    pub by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum IncidentEvent {
    IncidentDetected {
        incident_id: IncidentId,
        incident_type: IncidentType,
        severity: Severity,
        source_ip: Personal<Network>,
        address_id: Option<IpAddressId>,
        target_endpoint: Option<Personal<TargetEndpoint>>,
        user: Option<Actor>,
        attack_vector: Option<AttackVector>,
        request_count: Option<u64>,
        blocked_requests: Option<u64>,
        detection_method: DetectionMethod,
        detection_confidence: Option<Confidence>,
        threat_intelligence: Option<Personal<JsonObject>>,
        follows: Option<IncidentId>,
        first_detected_at: DateTime<Utc>,
        last_activity_at: DateTime<Utc>,
        reported_by: Actor,
    },
    /// The sums after it.
    IncidentActivityObserved {
        request_count: u64,
        blocked_requests: u64,
        severity: Severity,
        last_activity_at: DateTime<Utc>,
    },
    InvestigationStarted {
        started_by: Actor,
    },
    IncidentAssigned {
        assigned_to: Actor,
        assigned_by: Actor,
    },
    /// The first turns an investigation into MITIGATED; further ones are added.
    MitigationApplied {
        action: Personal<IncidentText>,
        applied_by: Actor,
    },
    IncidentEscalated {
        severity: Severity,
        reason: Option<Personal<IncidentText>>,
        escalated_by: Actor,
    },
    IncidentResolved {
        root_cause: Option<Personal<IncidentText>>,
        lessons_learned: Option<Personal<IncidentText>>,
        resolved_by: Actor,
    },
    IncidentMarkedFalsePositive {
        reason: Personal<IncidentText>,
        marked_by: Actor,
    },
    ForensicDataAdded {
        data: Personal<JsonObject>,
        added_by: Actor,
    },
    ImpactAssessed {
        impact_assessment: Personal<IncidentText>,
        root_cause: Option<Personal<IncidentText>>,
        incident_type: IncidentType,
        severity: Severity,
        attack_vector: Option<AttackVector>,
        user: Option<Actor>,
        threat_intelligence: Option<Personal<JsonObject>>,
        assessed_by: Actor,
    },
}

domain_event!(IncidentEvent {
    IncidentDetected => "1",
    IncidentActivityObserved => "1",
    InvestigationStarted => "1",
    IncidentAssigned => "1",
    MitigationApplied => "1",
    IncidentEscalated => "1",
    IncidentResolved => "1",
    IncidentMarkedFalsePositive => "1",
    ForensicDataAdded => "1",
    ImpactAssessed => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum IncidentError {
    #[error("there is already an incident of this id")]
    AlreadyExists,
    #[error("there is no such incident")]
    NotFound,
    #[error("the incident is resolved or a false positive: what comes back is a new incident")]
    Final,
    #[error("an incident is investigated before it is mitigated or resolved")]
    NotInvestigated,
    #[error("the incident is escalated already")]
    AlreadyEscalated,
    #[error("an escalation does not lower the severity")]
    SeverityFalls,
    #[error("no more requests can have been blocked than there were, and there was at least one")]
    WrongCounts,
    #[error(
        "an incident is first detected no later than its last activity, and neither is in the future"
    )]
    WrongTimes,
    #[error(
        "an incident takes no more activity after {CHANGES_MAX} changes: what comes now is a new incident"
    )]
    TooMuchActivity,
    #[error("the incident was changed {CARETAKERS_CHANGES_MAX} times: report one that follows it")]
    ChangedTooOften,
}

impl From<ChangedTooOften> for IncidentError {
    fn from(_: ChangedTooOften) -> Self {
        Self::ChangedTooOften
    }
}

impl Refusal for IncidentError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists | Self::NotFound => "REL-10",
            Self::Final | Self::NotInvestigated | Self::ChangedTooOften => "INC-06",
            Self::AlreadyEscalated | Self::SeverityFalls => "INC-08",
            Self::WrongCounts => "INC-05",
            Self::WrongTimes => "INC-09",
            Self::TooMuchActivity => "INC-12",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound => RefusalKind::NotFound,
            Self::SeverityFalls | Self::WrongCounts | Self::WrongTimes => RefusalKind::Invalid,
            _ => RefusalKind::Conflict,
        }
    }
}

aggregate!(Incident, "incident", IncidentCommand, IncidentEvent, IncidentError);

impl Incident {
    fn apply(&mut self, event: IncidentEvent) {
        if let IncidentEvent::IncidentDetected {
            incident_type,
            severity,
            address_id,
            user,
            request_count,
            blocked_requests,
            first_detected_at,
            last_activity_at,
            ..
        } = event
        {
            self.known = Some(Standing {
                status: IncidentStatus::Detected,
                incident_type,
                severity,
                address_id,
                user,
                request_count,
                blocked_requests,
                first_detected_at,
                last_activity_at,
                assigned_to: None,
                is_escalated: false,
                changes: 0,
            });
            return;
        }
        if let Some(standing) = &mut self.known {
            standing.apply(event);
        }
    }
}

impl Standing {
    fn apply(&mut self, event: IncidentEvent) {
        self.changes += 1;
        match event {
            IncidentEvent::IncidentDetected { .. } | IncidentEvent::ForensicDataAdded { .. } => {}
            IncidentEvent::IncidentActivityObserved {
                request_count,
                blocked_requests,
                severity,
                last_activity_at,
            } => {
                self.request_count = Some(request_count);
                self.blocked_requests = Some(blocked_requests);
                self.severity = severity;
                self.last_activity_at = last_activity_at;
            }
            IncidentEvent::InvestigationStarted { .. } => {
                self.status = IncidentStatus::Investigating;
            }
            IncidentEvent::IncidentAssigned { assigned_to, .. } => {
                self.assigned_to = Some(assigned_to);
            }
            IncidentEvent::MitigationApplied { .. } => {
                self.status = IncidentStatus::Mitigated;
            }
            IncidentEvent::IncidentEscalated { severity, .. } => {
                self.severity = severity;
                self.is_escalated = true;
            }
            IncidentEvent::IncidentResolved { .. } => self.status = IncidentStatus::Resolved,
            IncidentEvent::IncidentMarkedFalsePositive { .. } => {
                self.status = IncidentStatus::FalsePositive;
            }
            IncidentEvent::ImpactAssessed { incident_type, severity, user, .. } => {
                self.incident_type = incident_type;
                self.severity = severity;
                self.user = user;
            }
        }
    }
}

mod decisions;

#[cfg(test)]
mod tests;
