use chrono::TimeDelta;
use uuid::Uuid;

use super::*;
use crate::{
    aggregate::Decide,
    changes::{STREAM_MAX, tests::exhausted},
    personal::{Category, Subject},
};

fn minute(number: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(number)
}

fn sealed<T>(value: T) -> Personal<T> {
    Personal::new(Subject::from("incident"), Category::Evidence, value)
}

fn text() -> Personal<IncidentText> {
    sealed("Seen in the logs.".parse().unwrap())
}

fn detected() -> ReportIncident {
    ReportIncident {
        incident_id: IncidentId(Uuid::from_u128(1)),
        incident_type: IncidentType::BruteForce,
        severity: Severity::Medium,
        source_ip: sealed("192.0.2.1".parse().unwrap()),
        address_id: Some(IpAddressId(Uuid::from_u128(2))),
        target_endpoint: None,
        user: None,
        attack_vector: None,
        request_count: None,
        blocked_requests: None,
        detection_method: DetectionMethod::Manual,
        detection_confidence: None,
        threat_intelligence: None,
        follows: None,
        first_detected_at: None,
        last_activity_at: None,
        now: minute(10),
        by: Actor::SYSTEM,
    }
}

fn report(change: impl FnOnce(&mut ReportIncident)) -> Result<Vec<IncidentEvent>, IncidentError> {
    let mut command = detected();
    change(&mut command);
    Incident::default().decide(IncidentCommand::Report(Box::new(command)))
}

fn in_status(status: IncidentStatus) -> Incident {
    let by = Actor::SYSTEM;
    let investigate = IncidentCommand::StartInvestigation { by };
    let mitigate = IncidentCommand::RecordMitigation { action: text(), by };
    let then = match status {
        IncidentStatus::Detected => vec![],
        IncidentStatus::Investigating => vec![investigate],
        IncidentStatus::Mitigated => vec![investigate, mitigate],
        IncidentStatus::Resolved => vec![investigate, resolved()],
        IncidentStatus::FalsePositive => {
            vec![IncidentCommand::MarkFalsePositive { reason: text(), by }]
        }
    };
    let mut incident = Incident::default();
    let first = IncidentCommand::Report(Box::new(detected()));
    for command in std::iter::once(first).chain(then) {
        for event in incident.decide(command).unwrap() {
            incident.apply(event);
        }
    }
    assert_eq!(incident.get().unwrap().status, status);
    incident
}

fn resolved() -> IncidentCommand {
    let (root_cause, by) = (Some(text()), Actor::SYSTEM);
    IncidentCommand::Resolve(ResolveIncident { root_cause, lessons_learned: None, by })
}

fn activity(requests: u64, blocked: u64) -> IncidentCommand {
    let (severity, last_activity_at, now) = (None, None, minute(20));
    let more = RecordActivity { requests, blocked, severity, last_activity_at, now };
    IncidentCommand::RecordActivity(more)
}

fn assessment() -> IncidentCommand {
    IncidentCommand::AssessImpact(Box::new(AssessImpact {
        impact_assessment: text(),
        root_cause: None,
        incident_type: None,
        severity: None,
        attack_vector: None,
        user: None,
        threat_intelligence: None,
        by: Actor::SYSTEM,
    }))
}

fn finding() -> IncidentCommand {
    IncidentCommand::AddForensicData { data: sealed(JsonObject::default()), by: Actor::SYSTEM }
}

/// Where a command leads from each status; a dash is a refusal.
#[test]
fn inc_06_every_command_in_every_status() {
    let by = Actor::SYSTEM;
    let to = Actor { kind: crate::ActorKind::Admin, id: Uuid::from_u128(9) };
    // In the order of IncidentStatus::ALL.
    let matrix: Vec<(IncidentCommand, [&str; 5])> = vec![
        (
            IncidentCommand::StartInvestigation { by },
            ["INVESTIGATING", "INVESTIGATING", "MITIGATED", "-", "-"],
        ),
        (
            IncidentCommand::RecordMitigation { action: text(), by },
            ["-", "MITIGATED", "MITIGATED", "-", "-"],
        ),
        (resolved(), ["-", "RESOLVED", "RESOLVED", "-", "-"]),
        (
            IncidentCommand::MarkFalsePositive { reason: text(), by },
            ["FALSE_POSITIVE", "FALSE_POSITIVE", "FALSE_POSITIVE", "-", "-"],
        ),
        (activity(1, 0), ["DETECTED", "INVESTIGATING", "MITIGATED", "-", "-"]),
        (IncidentCommand::Assign { to, by }, ["DETECTED", "INVESTIGATING", "MITIGATED", "-", "-"]),
        (
            IncidentCommand::Escalate { severity: None, reason: None, by },
            ["DETECTED", "INVESTIGATING", "MITIGATED", "-", "-"],
        ),
        (assessment(), ["DETECTED", "INVESTIGATING", "MITIGATED", "-", "-"]),
        (finding(), ["DETECTED", "INVESTIGATING", "MITIGATED", "RESOLVED", "FALSE_POSITIVE"]),
    ];
    for (command, expected) in matrix {
        for (from, to) in IncidentStatus::ALL.iter().zip(expected) {
            let mut incident = in_status(*from);
            match incident.decide(command.clone()) {
                Ok(events) => {
                    events.into_iter().for_each(|event| incident.apply(event));
                    let status = incident.get().unwrap().status;
                    assert_eq!(status.as_str(), to, "{command:?} in {from:?}");
                }
                Err(error) => {
                    assert_eq!((to, error.rule()), ("-", "INC-06"), "{command:?} in {from:?}");
                }
            }
        }
        let nowhere = Incident::default().decide(command);
        assert_eq!(nowhere, Err(IncidentError::NotFound));
    }
    let again = in_status(IncidentStatus::Detected);
    let again = again.decide(IncidentCommand::Report(Box::new(detected())));
    assert_eq!(again, Err(IncidentError::AlreadyExists));
}

#[test]
fn inc_05_counts_are_positive_and_no_more_are_blocked_than_came() {
    let counted = |requests, blocked| {
        report(|it| (it.request_count, it.blocked_requests) = (requests, blocked)).is_ok()
    };
    assert!(counted(None, None) && counted(Some(1), None) && counted(Some(2), Some(2)));
    assert!(counted(Some(1), Some(0)) && counted(None, Some(0)));
    assert!(!counted(Some(0), None) && !counted(Some(1), Some(2)) && !counted(None, Some(1)));
    let incident = in_status(IncidentStatus::Detected);
    for (requests, blocked) in [(0, 0), (1, 2)] {
        let wrong = incident.decide(activity(requests, blocked));
        assert_eq!(wrong, Err(IncidentError::WrongCounts));
    }
}

#[test]
fn inc_09_an_incident_is_detected_before_its_last_activity_and_not_in_the_future() {
    let times = |first: Option<i64>, last: Option<i64>| {
        report(|it| {
            it.first_detected_at = first.map(minute);
            it.last_activity_at = last.map(minute);
        })
    };
    assert!(times(Some(1), Some(1)).is_ok() && times(None, Some(3)).is_ok());
    for (first, last) in [(Some(2), Some(1)), (None, Some(11)), (Some(11), None)] {
        assert_eq!(times(first, last), Err(IncidentError::WrongTimes), "{first:?} {last:?}");
    }
    // Activity that is told of late does not set the clock back.
    let mut incident = in_status(IncidentStatus::Detected);
    for at in [18, 15] {
        let mut more = RecordActivity {
            requests: 1,
            blocked: 0,
            severity: Some(Severity::Low),
            last_activity_at: Some(minute(at)),
            now: minute(20),
        };
        let events = incident.decide(IncidentCommand::RecordActivity(more.clone())).unwrap();
        events.into_iter().for_each(|event| incident.apply(event));
        more.last_activity_at = Some(minute(9));
        let early = incident.decide(IncidentCommand::RecordActivity(more));
        assert_eq!(early, Err(IncidentError::WrongTimes));
    }
    let standing = incident.get().unwrap();
    assert_eq!(standing.last_activity_at, minute(18));
    assert_eq!((standing.request_count, standing.severity), (Some(2), Severity::Medium));
}

#[test]
fn inc_08_an_escalation_is_once_and_does_not_lower() {
    let by = Actor::SYSTEM;
    let escalate = |severity| IncidentCommand::Escalate { severity, reason: Some(text()), by };
    let mut incident = in_status(IncidentStatus::Detected);
    assert!(!incident.get().unwrap().is_escalated);
    let lower = incident.decide(escalate(Some(Severity::Low)));
    assert_eq!(lower, Err(IncidentError::SeverityFalls));
    let events = incident.decide(escalate(Some(Severity::Critical))).unwrap();
    events.into_iter().for_each(|event| incident.apply(event));
    let standing = incident.get().unwrap();
    assert!(standing.is_escalated && standing.severity == Severity::Critical);
    assert_eq!(incident.decide(escalate(None)), Err(IncidentError::AlreadyEscalated));
}

#[test]
fn inc_06_inc_12_an_incident_is_not_changed_for_ever_and_can_always_be_ended() {
    let by = Actor::SYSTEM;
    let (incident, observed) =
        exhausted(in_status(IncidentStatus::Detected), |_| vec![activity(1, 1)]);
    assert_eq!(incident.decide(activity(1, 1)), Err(IncidentError::TooMuchActivity));
    let admin = |turn| Actor { kind: crate::ActorKind::Admin, id: Uuid::from_u128(turn) };
    let (incident, added) = exhausted(incident, |turn| {
        vec![
            IncidentCommand::StartInvestigation { by },
            IncidentCommand::Assign { to: admin(turn.into()), by },
            assessment(),
            IncidentCommand::RecordMitigation { action: text(), by },
            finding(),
        ]
    });
    for refused in [
        IncidentCommand::Assign { to: admin(1_000), by },
        assessment(),
        IncidentCommand::RecordMitigation { action: text(), by },
        finding(),
    ] {
        assert_eq!(incident.decide(refused), Err(IncidentError::ChangedTooOften));
    }
    let escalated = exhausted(incident, |_| {
        vec![IncidentCommand::Escalate { severity: None, reason: None, by }]
    });
    let (incident, ended) = exhausted(escalated.0, |_| vec![resolved()]);
    assert_eq!(incident.get().unwrap().status, IncidentStatus::Resolved);
    let events = 1 + observed + added + escalated.1 + ended;
    assert!(events <= STREAM_MAX, "{events} events");
}

#[test]
fn inc_13_assigning_to_the_same_is_no_news() {
    let (to, by) = (Actor { kind: crate::ActorKind::Admin, id: Uuid::from_u128(9) }, Actor::SYSTEM);
    let mut incident = in_status(IncidentStatus::Detected);
    let events = incident.decide(IncidentCommand::Assign { to, by }).unwrap();
    events.into_iter().for_each(|event| incident.apply(event));
    assert!(incident.decide(IncidentCommand::Assign { to, by }).unwrap().is_empty());
}
