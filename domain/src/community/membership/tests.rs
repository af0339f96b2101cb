use cqrs_es::Aggregate;
use uuid::Uuid;

use super::*;
use crate::{
    actor::Actor,
    community::community::{Community, CommunityCommand, CreateCommunity},
    ids::CategoryId,
};

const MEMBER: MemberId = MemberId(Uuid::from_u128(1));
const COMMUNITY: CommunityId = CommunityId(Uuid::from_u128(2));

fn join_as(number: u128, community_open: bool) -> MembershipCommand {
    MembershipCommand::Join(JoinCommunity {
        new_id: MembershipId(Uuid::from_u128(number)),
        community_id: COMMUNITY,
        member_id: MEMBER,
        community_open,
    })
}

fn leave() -> MembershipCommand {
    MembershipCommand::Leave(LeaveCommunity { community_id: COMMUNITY, member_id: MEMBER })
}

fn then(mut membership: Membership, command: MembershipCommand) -> Membership {
    for event in membership.decide(command).unwrap() {
        Aggregate::apply(&mut membership, event);
    }
    membership
}

fn given(commands: impl IntoIterator<Item = MembershipCommand>) -> Membership {
    commands.into_iter().fold(Membership::default(), then)
}

#[test]
fn msh_02_joining_twice_gives_one_membership() {
    let joined = given([join_as(10, true)]);
    assert!(joined.is_member());
    assert_eq!(joined.decide(join_as(11, true)), Ok(vec![]));
    assert_eq!(joined.id(), Some(MembershipId(Uuid::from_u128(10))));
    assert_eq!(Membership::stream_id(COMMUNITY, MEMBER), format!("{COMMUNITY}:{MEMBER}"));
}

#[test]
fn msh_04_a_deleted_or_unknown_community_is_not_joined() {
    let refused = Membership::default().decide(join_as(10, false)).unwrap_err();
    assert_eq!((refused.rule(), refused.kind()), ("MSH-04", RefusalKind::NotFound));
}

/// The time of the join is the time at which the log recorded its event, and a join after leaving
/// is an event of its own.
#[test]
fn msh_03_msh_05_joining_again_is_a_new_membership_and_the_earlier_one_stays_told() {
    let left = given([join_as(10, true), leave()]);
    assert!(!left.is_member());
    let events = left.decide(join_as(11, true)).unwrap();
    let [MembershipEvent::CommunityJoined { id, .. }] = events.as_slice() else {
        panic!("one join, not {events:?}")
    };
    assert_eq!(*id, MembershipId(Uuid::from_u128(11)));
    let left_again = then(left, join_as(11, true)).decide(leave()).unwrap();
    assert!(matches!(
        left_again.as_slice(),
        [MembershipEvent::CommunityLeft { id, .. }] if id.0 == Uuid::from_u128(11)
    ));
}

#[test]
fn msh_05_who_is_no_member_has_left_already() {
    assert_eq!(Membership::default().decide(leave()), Ok(vec![]));
    assert_eq!(given([join_as(10, true), leave()]).decide(leave()), Ok(vec![]));
}

#[test]
fn com_13_msh_07_the_creator_is_the_first_member_and_may_leave_and_stays_owner() {
    let mut community = Community::default();
    let create = CreateCommunity {
        community_id: COMMUNITY,
        creator: Actor::member(MEMBER),
        category_id: CategoryId(Uuid::from_u128(3)),
        name: "Rust-Norge".parse().unwrap(),
        description: None,
        logo_uri: None,
        banner_uri: None,
        creator_is_active: true,
        category_open: true,
    };
    for event in community.decide(CommunityCommand::Create(create)).unwrap() {
        Aggregate::apply(&mut community, event);
    }
    let first = given([join_as(10, community.is_open())]);
    assert!(first.is_member());
    assert!(!then(first, leave()).is_member());
    assert_eq!(community.owner(), Some(MEMBER));
}
