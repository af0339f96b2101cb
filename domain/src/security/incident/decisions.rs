//! What happens to an incident: one pure function for each command.

use super::{
    AssessImpact, Incident, IncidentCommand, IncidentError, IncidentEvent, RecordActivity,
    ReportIncident, ResolveIncident,
};
use crate::{
    actor::Actor,
    aggregate::Decide,
    changes::{CARETAKERS_CHANGES_MAX, room},
    personal::Personal,
    security::values::{IncidentStatus, JsonObject, Severity},
    values::IncidentText,
};

impl Decide for Incident {
    fn decide(&self, command: IncidentCommand) -> Result<Vec<IncidentEvent>, IncidentError> {
        match command {
            IncidentCommand::Report(command) => report(self, *command),
            IncidentCommand::RecordActivity(command) => record_activity(self, command),
            IncidentCommand::StartInvestigation { by } => start_investigation(self, by),
            IncidentCommand::Assign { to, by } => assign(self, to, by),
            IncidentCommand::RecordMitigation { action, by } => record_mitigation(self, action, by),
            IncidentCommand::Escalate { severity, reason, by } => {
                escalate(self, severity, reason, by)
            }
            IncidentCommand::Resolve(command) => resolve(self, command),
            IncidentCommand::MarkFalsePositive { reason, by } => {
                mark_false_positive(self, reason, by)
            }
            IncidentCommand::AddForensicData { data, by } => add_forensic_data(self, data, by),
            IncidentCommand::AssessImpact(command) => assess_impact(self, *command),
        }
    }
}

fn report(
    incident: &Incident,
    command: ReportIncident,
) -> Result<Vec<IncidentEvent>, IncidentError> {
    if incident.known.is_some() {
        return Err(IncidentError::AlreadyExists);
    }
    let requests = command.request_count;
    let counted = requests.is_none_or(|requests| requests > 0)
        && command.blocked_requests.is_none_or(|blocked| blocked <= requests.unwrap_or_default());
    if !counted {
        return Err(IncidentError::WrongCounts);
    }
    let last_activity_at =
        command.last_activity_at.or(command.first_detected_at).unwrap_or(command.now);
    let first_detected_at = command.first_detected_at.unwrap_or(last_activity_at);
    if first_detected_at > last_activity_at || last_activity_at > command.now {
        return Err(IncidentError::WrongTimes);
    }
    Ok(vec![IncidentEvent::IncidentDetected {
        incident_id: command.incident_id,
        incident_type: command.incident_type,
        severity: command.severity,
        source_ip: command.source_ip,
        address_id: command.address_id,
        target_endpoint: command.target_endpoint,
        user: command.user,
        attack_vector: command.attack_vector,
        request_count: requests,
        blocked_requests: command.blocked_requests,
        detection_method: command.detection_method,
        detection_confidence: command.detection_confidence,
        threat_intelligence: command.threat_intelligence,
        follows: command.follows,
        first_detected_at,
        last_activity_at,
        reported_by: command.by,
    }])
}

fn record_activity(
    incident: &Incident,
    command: RecordActivity,
) -> Result<Vec<IncidentEvent>, IncidentError> {
    let standing = incident.open()?;
    if command.requests == 0 || command.blocked > command.requests {
        return Err(IncidentError::WrongCounts);
    }
    let at = command.last_activity_at.unwrap_or(command.now);
    if at > command.now || at < standing.first_detected_at {
        return Err(IncidentError::WrongTimes);
    }
    if !standing.takes_activity() {
        return Err(IncidentError::TooMuchActivity);
    }
    let sum = |known: Option<u64>, more: u64| known.unwrap_or_default().saturating_add(more);
    Ok(vec![IncidentEvent::IncidentActivityObserved {
        request_count: sum(standing.request_count, command.requests),
        blocked_requests: sum(standing.blocked_requests, command.blocked),
        severity: command.severity.unwrap_or(standing.severity).max(standing.severity),
        last_activity_at: standing.last_activity_at.max(at),
    }])
}

/// Who starts what is investigated changes nothing.
fn start_investigation(
    incident: &Incident,
    by: Actor,
) -> Result<Vec<IncidentEvent>, IncidentError> {
    Ok(match incident.open()?.status {
        IncidentStatus::Detected => vec![IncidentEvent::InvestigationStarted { started_by: by }],
        _ => Vec::new(),
    })
}

fn assign(incident: &Incident, to: Actor, by: Actor) -> Result<Vec<IncidentEvent>, IncidentError> {
    if incident.open()?.assigned_to == Some(to) {
        return Ok(Vec::new());
    }
    incident.open_with_room()?;
    Ok(vec![IncidentEvent::IncidentAssigned { assigned_to: to, assigned_by: by }])
}

fn record_mitigation(
    incident: &Incident,
    action: Personal<IncidentText>,
    by: Actor,
) -> Result<Vec<IncidentEvent>, IncidentError> {
    if incident.open_with_room()?.status == IncidentStatus::Detected {
        return Err(IncidentError::NotInvestigated);
    }
    Ok(vec![IncidentEvent::MitigationApplied { action, applied_by: by }])
}

/// Once: the time of it is written once (INC-08).
fn escalate(
    incident: &Incident,
    severity: Option<Severity>,
    reason: Option<Personal<IncidentText>>,
    by: Actor,
) -> Result<Vec<IncidentEvent>, IncidentError> {
    let standing = incident.open()?;
    if standing.is_escalated {
        return Err(IncidentError::AlreadyEscalated);
    }
    let severity = severity.unwrap_or(standing.severity);
    if severity < standing.severity {
        return Err(IncidentError::SeverityFalls);
    }
    Ok(vec![IncidentEvent::IncidentEscalated { severity, reason, escalated_by: by }])
}

fn resolve(
    incident: &Incident,
    command: ResolveIncident,
) -> Result<Vec<IncidentEvent>, IncidentError> {
    if incident.open()?.status == IncidentStatus::Detected {
        return Err(IncidentError::NotInvestigated);
    }
    let ResolveIncident { root_cause, lessons_learned, by } = command;
    Ok(vec![IncidentEvent::IncidentResolved { root_cause, lessons_learned, resolved_by: by }])
}

fn mark_false_positive(
    incident: &Incident,
    reason: Personal<IncidentText>,
    by: Actor,
) -> Result<Vec<IncidentEvent>, IncidentError> {
    incident.open()?;
    Ok(vec![IncidentEvent::IncidentMarkedFalsePositive { reason, marked_by: by }])
}

/// Findings are added to what is final, too: an investigation of a court may come late.
fn add_forensic_data(
    incident: &Incident,
    data: Personal<JsonObject>,
    by: Actor,
) -> Result<Vec<IncidentEvent>, IncidentError> {
    room(incident.require()?.changes, CARETAKERS_CHANGES_MAX)?;
    Ok(vec![IncidentEvent::ForensicDataAdded { data, added_by: by }])
}

fn assess_impact(
    incident: &Incident,
    command: AssessImpact,
) -> Result<Vec<IncidentEvent>, IncidentError> {
    let standing = incident.open_with_room()?;
    Ok(vec![IncidentEvent::ImpactAssessed {
        impact_assessment: command.impact_assessment,
        root_cause: command.root_cause,
        incident_type: command.incident_type.unwrap_or(standing.incident_type),
        severity: command.severity.unwrap_or(standing.severity),
        attack_vector: command.attack_vector,
        user: command.user.or(standing.user),
        threat_intelligence: command.threat_intelligence,
        assessed_by: command.by,
    }])
}
