use cqrs_es::Aggregate;
use uuid::Uuid;

use super::*;
use crate::{
    changes::tests::exhausted,
    ids::AdminId,
    personal::{Category, Subject},
};

const MEMBER: MemberId = MemberId(Uuid::from_u128(1));
const ADMIN: Actor = Actor::admin(AdminId(Uuid::from_u128(2)));

fn personal<T: std::str::FromStr<Err = crate::RuleBreak>>(text: &str) -> Personal<T> {
    Personal::new(Subject::from(MEMBER.0), Category::Identity, text.parse().unwrap())
}

fn register(credential_holder: Actor) -> MemberCommand {
    MemberCommand::Register(RegisterMember {
        member_id: MEMBER,
        credential_id: CredentialId(Uuid::from_u128(3)),
        display_name: Some(personal("Ola")),
        credential_holder,
    })
}

fn registered() -> MemberCommand {
    register(Actor::member(MEMBER))
}

fn rename(name: Option<&str>) -> MemberCommand {
    MemberCommand::ChangeDisplayName(ChangeDisplayName { display_name: name.map(personal) })
}

fn suspend() -> MemberCommand {
    MemberCommand::Suspend(SuspendMember { suspended_by: ADMIN, reason: Some(personal("spam")) })
}

fn reinstate() -> MemberCommand {
    MemberCommand::Reinstate(ReinstateMember { reinstated_by: ADMIN })
}

fn mark_for_deletion() -> MemberCommand {
    let (requested_by, reason) = (ADMIN, Some(personal("asked for by letter")));
    MemberCommand::MarkForDeletion(MarkMemberForDeletion { requested_by, reason })
}

fn reject() -> MemberCommand {
    MemberCommand::RejectDeletion(RejectMemberDeletion { rejected_by: ADMIN })
}

fn then(mut member: Member, command: MemberCommand) -> Member {
    for event in member.decide(command).unwrap() {
        Aggregate::apply(&mut member, event);
    }
    member
}

fn given(commands: impl IntoIterator<Item = MemberCommand>) -> Member {
    commands.into_iter().fold(Member::default(), then)
}

fn in_status(status: MemberStatus) -> Member {
    let member = match status {
        MemberStatus::Active => given([registered()]),
        MemberStatus::Suspended => given([registered(), suspend()]),
        MemberStatus::PendingDeletion => given([registered(), mark_for_deletion()]),
        MemberStatus::Deleted => given([registered(), mark_for_deletion(), MemberCommand::Delete]),
    };
    assert_eq!(member.status(), Some(status));
    member
}

#[test]
fn mem_01_mem_02_a_name_may_be_missing_empty_or_cleared() {
    let member = given([registered(), rename(None)]);
    assert_eq!(member.display_name(), None);
    let member = then(member, rename(Some("")));
    assert_eq!(member.display_name(), Some(&personal("")));
    assert_eq!(member.decide(rename(Some(""))), Ok(vec![]), "nothing changes");
}

#[test]
fn mem_03_adm_02_a_member_has_a_credential_of_its_own() {
    for holder in [Actor::member(MemberId(Uuid::from_u128(9))), Actor::admin(AdminId(MEMBER.0))] {
        let refused = Member::default().decide(register(holder));
        assert_eq!(refused, Err(MemberError::CredentialOfAnother));
    }
    assert_eq!(given([registered()]).credential_id(), Some(CredentialId(Uuid::from_u128(3))));
}

#[test]
fn mem_04_each_status_gates_what_a_member_may() {
    use MemberStatus::{Active, Deleted, PendingDeletion, Suspended};
    for (status, active, may_log_in) in [
        (Active, true, true),
        (Suspended, false, true),
        (PendingDeletion, false, true),
        (Deleted, false, false),
    ] {
        let member = in_status(status);
        assert_eq!(member.is_active(), active, "{status:?}");
        assert_eq!(member.require_active().is_ok(), active, "{status:?}");
        assert_eq!(member.may_log_in(), may_log_in, "{status:?}");
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
    }
    assert!(!Member::default().may_log_in());
    assert_eq!(Member::default().require_active(), Err(MemberError::NotFound));
}

#[test]
fn mem_05_a_suspended_member_writes_nothing_but_may_ask_for_deletion() {
    let member = in_status(MemberStatus::Suspended);
    let refused = member.decide(rename(Some("Kari"))).unwrap_err();
    assert_eq!((refused.rule(), refused.kind()), ("MEM-05", RefusalKind::Forbidden));
    assert_eq!(member.decide(mark_for_deletion()).unwrap().len(), 1);
}

#[test]
fn mem_06_a_member_who_waits_for_deletion_writes_nothing() {
    let member = in_status(MemberStatus::PendingDeletion);
    let refused = member.decide(rename(Some("Kari"))).unwrap_err();
    assert_eq!((refused.rule(), refused.kind()), ("MEM-06", RefusalKind::Forbidden));
}

#[test]
fn mem_07_deletion_is_soft_and_the_id_is_never_used_again() {
    let member = in_status(MemberStatus::Deleted);
    assert!(member.exists());
    let again = member.decide(registered()).unwrap_err();
    assert_eq!((again.rule(), again.kind()), ("MEM-07", RefusalKind::Conflict));
    assert_eq!(member.require_active(), Err(MemberError::Deleted));
}

/// Every status times every change of it: where it leads, or why not.
#[test]
fn mem_08_the_whole_matrix_of_transitions() {
    use MemberStatus::{Active, Deleted, PendingDeletion, Suspended};
    let changes = [suspend(), reinstate(), mark_for_deletion(), reject(), MemberCommand::Delete];
    let pending = || Err(MemberError::PendingDeletion);
    let none_pending = || Err(MemberError::NoDeletionPending);
    let gone = || Err(MemberError::Deleted);
    let matrix = [
        (Active, [Ok(Suspended), Ok(Active), Ok(PendingDeletion), none_pending(), none_pending()]),
        (
            Suspended,
            [Ok(Suspended), Ok(Active), Ok(PendingDeletion), none_pending(), none_pending()],
        ),
        (PendingDeletion, [pending(), pending(), Ok(PendingDeletion), Ok(Active), Ok(Deleted)]),
        (Deleted, [gone(), gone(), gone(), gone(), Ok(Deleted)]),
    ];
    for (from, expected) in matrix {
        for (change, expected) in changes.iter().zip(expected) {
            let member = in_status(from);
            let reached = member.decide(change.clone()).map(|events| {
                assert_eq!(events.is_empty(), expected == Ok(from), "{from:?} {change:?}");
                then(member, change.clone()).status().unwrap()
            });
            assert_eq!(reached, expected, "{from:?} {change:?}");
        }
    }
}

#[test]
fn mem_08_asking_for_deletion_and_taking_it_back_does_not_lift_a_suspension() {
    let member = given([registered(), suspend(), mark_for_deletion()]);
    let events = member.decide(reject()).unwrap();
    assert_eq!(
        events,
        [
            MemberEvent::MemberDeletionRejected { rejected_by: ADMIN },
            MemberEvent::MemberSuspended { suspended_by: ADMIN, reason: Some(personal("spam")) },
        ]
    );
    assert_eq!(then(member, reject()).status(), Some(MemberStatus::Suspended));
    let reinstated = given([registered(), suspend(), reinstate(), mark_for_deletion()]);
    assert_eq!(then(reinstated, reject()).status(), Some(MemberStatus::Active));
}

/// The times are those at which the log recorded the events: each change is one.
#[test]
fn mem_09_every_change_leaves_an_event_with_who_did_it() {
    let member = given([registered()]);
    assert_eq!(member.decide(rename(Some("Kari"))).unwrap().len(), 1);
    let suspended = member.decide(suspend()).unwrap();
    assert!(matches!(
        suspended.as_slice(),
        [MemberEvent::MemberSuspended { suspended_by: ADMIN, reason: Some(_) }]
    ));
    let reinstated = in_status(MemberStatus::Suspended).decide(reinstate()).unwrap();
    assert_eq!(reinstated, [MemberEvent::MemberReinstated { reinstated_by: ADMIN }]);
}

#[test]
fn rel_10_what_does_not_exist_is_not_found() {
    let commands = [
        rename(None),
        suspend(),
        reinstate(),
        mark_for_deletion(),
        reject(),
        MemberCommand::Delete,
    ];
    for command in commands {
        assert_eq!(Member::default().decide(command), Err(MemberError::NotFound));
    }
}

#[test]
fn mem_08_whatever_is_done_a_member_stays_below_200_events_and_can_be_deleted() {
    let renamed =
        exhausted(given([registered()]), |turn| vec![rename(Some(&format!("Ola {turn}")))]);
    assert_eq!(renamed.1, 100);
    let refused = renamed.0.decide(rename(Some("Kari"))).unwrap_err();
    assert_eq!((refused.rule(), refused.kind()), ("MEM-08", RefusalKind::Invalid));
    let same = renamed.0.decide(rename(Some("Ola 99")));
    assert_eq!(same, Ok(vec![]), "what changes nothing is not refused");
    let suspended = exhausted(renamed.0, |_| vec![suspend(), reinstate()]);
    assert_eq!(suspended.0.status(), Some(MemberStatus::Suspended), "no suspension was refused");
    let (member, events) = exhausted(given([registered()]), |_| {
        vec![suspend(), mark_for_deletion(), reject(), reinstate(), mark_for_deletion(), reject()]
    });
    for (member, events) in [(suspended.0, 100 + suspended.1), (member, events)] {
        assert!((100..195).contains(&events), "{events}");
        let mut member = member;
        for command in [mark_for_deletion(), MemberCommand::Delete] {
            for event in member.decide(command).unwrap() {
                Aggregate::apply(&mut member, event);
            }
        }
        assert_eq!(member.status(), Some(MemberStatus::Deleted));
    }
}
