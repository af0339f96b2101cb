use chrono::TimeDelta;
use cqrs_es::Aggregate;
use uuid::Uuid;

use super::*;
use crate::ids::{AdminId, GuestId, MemberId};

const HOLDER: Actor = Actor::member(MemberId(Uuid::from_u128(1)));
const STRANGER: Actor = Actor::member(MemberId(Uuid::from_u128(2)));
const ADMIN: Actor = Actor::admin(AdminId(Uuid::from_u128(3)));
const ISSUED_AT: DateTime<Utc> = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
const EXPIRES_AT: DateTime<Utc> = DateTime::from_timestamp(1_800_003_600, 0).unwrap();

fn login() -> IssueSession {
    IssueSession {
        session_id: SessionId(Uuid::from_u128(4)),
        principal: HOLDER,
        issued_at: ISSUED_AT,
        expires_at: EXPIRES_AT,
        device_info: None,
        ip_address: None,
        era: 0,
        organization_id: None,
        principal_may_log_in: true,
    }
}

fn decide_issue(command: IssueSession) -> Result<Vec<SessionEvent>, SessionError> {
    Session::default().decide(SessionCommand::Issue(command))
}

fn revoke(revoked_by: Actor, cause: RevocationCause) -> SessionCommand {
    SessionCommand::Revoke(RevokeSession { revoked_by, cause })
}

fn given(commands: impl IntoIterator<Item = SessionCommand>) -> Session {
    let mut session = Session::default();
    for command in commands {
        for event in session.decide(command).unwrap() {
            Aggregate::apply(&mut session, event);
        }
    }
    session
}

fn issued() -> SessionCommand {
    SessionCommand::Issue(login())
}

#[test]
fn ses_03_a_session_is_of_a_member_or_an_admin_who_exists() {
    let unknown = IssueSession { principal_may_log_in: false, ..login() };
    assert_eq!(decide_issue(unknown), Err(SessionError::NoPrincipal));
    for principal in [Actor::SYSTEM, Actor::guest(GuestId(HOLDER.id))] {
        let nobody = IssueSession { principal, ..login() };
        assert_eq!(decide_issue(nobody), Err(SessionError::NoPrincipal));
    }
    for principal in [HOLDER, ADMIN] {
        assert_eq!(decide_issue(IssueSession { principal, ..login() }).unwrap().len(), 1);
    }
}

#[test]
fn ses_04_a_revoked_session_is_refused_before_it_expires() {
    let session = given([issued(), revoke(ADMIN, RevocationCause::Revoked)]);
    assert!(session.is_revoked() && !session.is_valid_at(ISSUED_AT));
}

#[test]
fn ses_05_an_expired_session_is_refused() {
    let session = given([issued()]);
    let instant = TimeDelta::nanoseconds(1);
    assert!(session.is_valid_at(ISSUED_AT) && session.is_valid_at(EXPIRES_AT - instant));
    assert!(!session.is_valid_at(EXPIRES_AT) && !session.is_valid_at(EXPIRES_AT + instant));
    assert!(!Session::default().is_valid_at(ISSUED_AT));
}

#[test]
fn ses_05_a_session_expires_after_it_was_issued() {
    for expires_at in [ISSUED_AT, ISSUED_AT - TimeDelta::seconds(1)] {
        let refused = decide_issue(IssueSession { expires_at, ..login() });
        assert_eq!(refused, Err(SessionError::ExpiresTooEarly));
    }
}

#[test]
fn ses_06_ses_12_its_holder_an_admin_or_the_platform_ends_a_session_and_is_named() {
    let session = given([issued()]);
    for (revoked_by, cause) in [
        (HOLDER, RevocationCause::LoggedOut),
        (ADMIN, RevocationCause::Revoked),
        (Actor::SYSTEM, RevocationCause::Expired),
    ] {
        let events = session.decide(revoke(revoked_by, cause));
        assert_eq!(events, Ok(vec![SessionEvent::SessionRevoked { revoked_by, cause }]));
    }
    let refused = session.decide(revoke(STRANGER, RevocationCause::Revoked)).unwrap_err();
    assert_eq!((refused.rule(), refused.kind()), ("SES-12", RefusalKind::NotFound));
}

#[test]
fn ses_14_revoking_twice_keeps_the_first_time() {
    let session = given([issued(), revoke(HOLDER, RevocationCause::LoggedOut)]);
    assert_eq!(session.decide(revoke(ADMIN, RevocationCause::Revoked)), Ok(vec![]));
}

#[test]
fn rel_10_what_does_not_exist_is_not_found() {
    let unknown = Session::default().decide(revoke(ADMIN, RevocationCause::Revoked));
    assert_eq!(unknown, Err(SessionError::NotFound));
    assert_eq!(given([issued()]).decide(issued()), Err(SessionError::AlreadyExists));
}
