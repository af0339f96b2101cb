use uuid::Uuid;

use super::*;
use crate::personal::{Category, Subject};

fn hour(number: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::hours(number)
}

fn text(text: &str) -> Personal<IncidentText> {
    Personal::new(Subject::from("incident"), Category::Evidence, text.parse().unwrap())
}

fn after(commands: Vec<BreachCommand>) -> Breach {
    let mut breach = Breach::default();
    for command in commands {
        for event in breach.decide(command).unwrap() {
            breach.apply(event);
        }
    }
    breach
}

fn declared() -> BreachCommand {
    BreachCommand::Declare(Box::new(DeclareBreach {
        incident_id: IncidentId(Uuid::from_u128(1)),
        aware_at: Some(hour(0)),
        content: BreachContent { nature: Some(text("Addresses leaked.")), ..Default::default() },
        now: hour(1),
        by: Actor::SYSTEM,
    }))
}

fn told(kind: NotificationKind, at: i64, reason: Option<&str>) -> BreachCommand {
    BreachCommand::RecordNotification(Box::new(RecordNotification {
        kind,
        notified_at: Some(hour(at)),
        reason: reason.map(text),
        content: BreachContent::default(),
        now: hour(100),
        by: Actor::SYSTEM,
    }))
}

#[test]
fn inc_14_the_authority_is_told_within_72_hours_or_told_why_not() {
    use NotificationKind::Authority;
    let breach = after(vec![declared()]);
    assert!(breach.decide(told(Authority, 72, None)).is_ok());
    let late = breach.decide(told(Authority, 73, None));
    assert_eq!(late, Err(BreachError::LateWithoutReason));
    assert!(breach.decide(told(Authority, 73, Some("It took long to see."))).is_ok());
    // What follows a notification in time is a further phase of it.
    let breach = after(vec![declared(), told(Authority, 70, None)]);
    let second = breach.decide(told(Authority, 90, None)).unwrap();
    assert!(matches!(second[0], BreachEvent::AuthorityNotified { phase: 2, .. }));
}

#[test]
fn inc_14_what_was_said_before_stays_said() {
    let breach = after(vec![declared()]);
    let BreachCommand::RecordNotification(mut more) = told(NotificationKind::Authority, 2, None)
    else {
        unreachable!()
    };
    more.content.measures = Some(text("Passwords were reset."));
    let events = breach.decide(BreachCommand::RecordNotification(more)).unwrap();
    let BreachEvent::AuthorityNotified { content, .. } = &events[0] else { unreachable!() };
    assert!(
        content.nature.is_some() && content.measures.is_some() && content.contact_point.is_none()
    );
}

#[test]
fn inc_14_nobody_is_told_before_it_is_known_or_in_the_future() {
    let breach = after(vec![declared()]);
    for at in [-1, 101] {
        let told = breach.decide(told(NotificationKind::Subjects, at, None));
        assert_eq!(told, Err(BreachError::WrongTimes));
    }
    let BreachCommand::Declare(mut early) = declared() else { unreachable!() };
    early.aware_at = Some(hour(2));
    let early = Breach::default().decide(BreachCommand::Declare(early));
    assert_eq!(early, Err(BreachError::WrongTimes));
    assert_eq!(breach.decide(declared()), Err(BreachError::AlreadyDeclared));
    let undeclared = Breach::default().decide(told(NotificationKind::Subjects, 1, None));
    assert_eq!(undeclared, Err(BreachError::NotDeclared));
}

#[test]
fn inc_14_who_need_not_be_told_is_documented_with_reasons() {
    use NotificationKind::{AuthorityNotRequired, Subjects, SubjectsNotRequired};
    let breach = after(vec![declared()]);
    for kind in [AuthorityNotRequired, SubjectsNotRequired] {
        assert_eq!(breach.decide(told(kind, 1, None)), Err(BreachError::NoReason));
        assert!(breach.decide(told(kind, 1, Some("It was encrypted."))).is_ok());
    }
    let breach = after(vec![declared(), told(Subjects, 1, None)]);
    let too_late = breach.decide(told(SubjectsNotRequired, 2, Some("No.")));
    assert_eq!(too_late, Err(BreachError::AlreadyNotified));
}
