use chrono::TimeDelta;
use cqrs_es::Aggregate;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::ids::MemberId;

const HOLDER: Actor = Actor::member(MemberId(Uuid::from_u128(1)));
const START: DateTime<Utc> = DateTime::from_timestamp(1_800_000_000, 0).unwrap();

fn id(number: u128) -> SessionId {
    SessionId(Uuid::from_u128(number))
}

fn minute(minutes: i64) -> DateTime<Utc> {
    START + TimeDelta::minutes(minutes)
}

/// Opens session `number` at minute `at` for an hour.
fn open_at(number: u128, at: i64, sessions_max: usize) -> PrincipalSessionsCommand {
    PrincipalSessionsCommand::Open(OpenSession {
        principal: HOLDER,
        session_id: id(number),
        expires_at: minute(at + 60),
        now: minute(at),
        sessions_max,
    })
}

fn then(mut sessions: PrincipalSessions, command: PrincipalSessionsCommand) -> PrincipalSessions {
    for event in sessions.decide(command).unwrap() {
        Aggregate::apply(&mut sessions, event);
    }
    sessions
}

fn given(commands: impl IntoIterator<Item = PrincipalSessionsCommand>) -> PrincipalSessions {
    commands.into_iter().fold(PrincipalSessions::default(), then)
}

fn open_ids(sessions: &PrincipalSessions) -> Vec<SessionId> {
    sessions.active().iter().map(|session| session.session_id).collect()
}

#[test]
fn ses_07_the_oldest_session_gives_way_to_one_too_many() {
    let sessions = given([open_at(1, 0, 3), open_at(2, 1, 3), open_at(3, 2, 3)]);
    assert_eq!(sessions.superseded(minute(3), 4), []);
    assert_eq!(sessions.superseded(minute(3), 3), [id(1)]);
    let sessions = then(sessions, open_at(4, 3, 3));
    assert_eq!(open_ids(&sessions), [id(2), id(3), id(4)]);
}

#[test]
fn ses_07_a_lower_limit_supersedes_several() {
    let sessions = given([open_at(1, 0, 9), open_at(2, 1, 9), open_at(3, 2, 9)]);
    assert_eq!(sessions.superseded(minute(3), 2), [id(1), id(2)]);
    for sessions_max in [0, 1] {
        let alone = then(sessions.clone(), open_at(4, 3, sessions_max));
        assert_eq!(open_ids(&alone), [id(4)]);
    }
}

#[test]
fn ses_05_ses_07_expired_sessions_are_dropped_and_supersede_nobody() {
    let sessions = given([open_at(1, 0, 2), open_at(2, 30, 2)]);
    assert_eq!(sessions.superseded(minute(60), 2), [], "the first has just expired");
    assert_eq!(open_ids(&then(sessions, open_at(3, 60, 2))), [id(2), id(3)]);
}

#[test]
fn ses_11_all_sessions_end_or_all_but_one() {
    let sessions = given([open_at(1, 0, 9), open_at(2, 1, 9), open_at(3, 2, 9)]);
    assert_eq!(sessions.all_except(None), [id(1), id(2), id(3)]);
    assert_eq!(sessions.all_except(Some(id(2))), [id(1), id(3)]);
    let close_all = |except| PrincipalSessionsCommand::CloseAll(CloseAllSessions { except });
    assert_eq!(open_ids(&then(sessions.clone(), close_all(Some(id(2))))), [id(2)]);
    let none = then(sessions, close_all(None));
    assert_eq!(none.active(), []);
    assert_eq!(none.decide(close_all(None)), Ok(vec![]));
    assert_eq!(PrincipalSessions::default().decide(close_all(None)), Ok(vec![]));
}

#[test]
fn ses_12_ses_14_one_session_ends_once() {
    let close = |number| PrincipalSessionsCommand::Close(CloseSession { session_id: id(number) });
    let sessions = then(given([open_at(1, 0, 9), open_at(2, 1, 9)]), close(1));
    assert_eq!(open_ids(&sessions), [id(2)]);
    assert_eq!(sessions.decide(close(1)), Ok(vec![]));
    assert_eq!(sessions.decide(open_at(2, 1, 9)), Ok(vec![]), "open already");
}

#[test]
fn a_stream_is_of_one_principal() {
    assert_eq!(PrincipalSessions::stream_id(HOLDER), HOLDER.to_string());
    let PrincipalSessionsCommand::Open(mine) = open_at(2, 1, 9) else { unreachable!() };
    let other = OpenSession { principal: Actor::SYSTEM, ..mine };
    assert_eq!(
        given([open_at(1, 0, 9)]).decide(PrincipalSessionsCommand::Open(other)),
        Err(PrincipalSessionsError::OfAnother)
    );
}

proptest! {
    /// What the list loses at an opening is what had expired and what is told as superseded: no
    /// valid session falls out silently and none is revoked that stays.
    #[test]
    fn ses_07_old_minus_new_is_what_expired_and_what_is_superseded(
        opened in prop::collection::vec((0i64..90, 1usize..6), 1..30)
    ) {
        let mut sessions = PrincipalSessions::default();
        let mut now = 0;
        for (number, (pause, sessions_max)) in (1u128..).zip(opened) {
            now += pause;
            let superseded = sessions.superseded(minute(now), sessions_max);
            let before = sessions.active().to_vec();
            sessions = then(sessions, open_at(number, now, sessions_max));
            prop_assert!(sessions.active().len() <= sessions_max);
            for session in before {
                let valid = minute(now) < session.expires_at;
                let kept = sessions.active().contains(&session);
                let told = superseded.contains(&session.session_id);
                prop_assert_eq!(kept, valid && !told);
                prop_assert!(valid || !told);
            }
        }
    }
}
