use std::collections::BTreeSet;

use cqrs_es::Aggregate;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const MEMBER: MemberId = MemberId(Uuid::from_u128(1));
const START: DateTime<Utc> = DateTime::from_timestamp(1_800_000_000, 0).unwrap();

/// A visit of a community at some second; a new entry would get the second as its id.
fn visit_at(community: u128, second: i64) -> VisitCommunity {
    VisitCommunity {
        new_id: RecentCommunityId(Uuid::from_u128(second.unsigned_abs().into())),
        member_id: MEMBER,
        community_id: CommunityId(Uuid::from_u128(community)),
        now: START + TimeDelta::seconds(second),
        community_open: true,
    }
}

fn decide(communities: &RecentCommunities, command: VisitCommunity) -> Vec<RecentCommunitiesEvent> {
    communities.decide(RecentCommunitiesCommand::Visit(command)).unwrap()
}

fn then(mut communities: RecentCommunities, command: VisitCommunity) -> RecentCommunities {
    for event in decide(&communities, command) {
        Aggregate::apply(&mut communities, event);
    }
    communities
}

/// Visits in order, a second apart.
fn given(visited: &[u128]) -> RecentCommunities {
    (0..).zip(visited).fold(RecentCommunities::default(), |communities, (second, community)| {
        then(communities, visit_at(*community, second))
    })
}

fn ranked(communities: &RecentCommunities) -> Vec<u128> {
    communities.list().iter().map(|entry| entry.community_id.0.as_u128()).collect()
}

#[test]
fn rec_01_the_sixth_community_drops_the_oldest() {
    assert_eq!(ranked(&given(&[1, 2, 3, 4, 5])), [5, 4, 3, 2, 1]);
    assert_eq!(ranked(&given(&[1, 2, 3, 4, 5, 6])), [6, 5, 4, 3, 2]);
}

#[test]
fn rec_02_rec_05_a_visit_moves_a_listed_community_to_rank_one_under_its_id() {
    let communities = given(&[1, 2, 3]);
    let entry = communities.list()[2].clone();
    let communities = then(communities, visit_at(1, 90));
    assert_eq!(ranked(&communities), [1, 3, 2]);
    assert_eq!(communities.list()[0].id, entry.id);
    assert_eq!(communities.list()[0].last_activity_at, START + TimeDelta::seconds(90));
}

#[test]
fn visits_in_quick_succession_are_one() {
    let communities = given(&[2, 1]);
    assert_eq!(decide(&communities, visit_at(1, 60)), [], "59 seconds later");
    assert_eq!(decide(&communities, visit_at(1, -1)), [], "a clock that is behind");
    assert_eq!(decide(&communities, visit_at(1, 61)).len(), 1, "a minute later");
    assert_eq!(decide(&communities, visit_at(2, 2)).len(), 1, "rank 2 becomes rank 1 at once");
}

/// The one command says who visited what and when: no rank, no list, no membership. What it makes
/// of that is the list's own.
#[test]
fn rec_03_rec_04_a_visit_is_all_it_takes_and_all_that_can_be_said() {
    let visited = RecentCommunitiesCommand::Visit(visit_at(1, 0));
    let RecentCommunitiesCommand::Visit(VisitCommunity {
        new_id: _,
        member_id: _,
        community_id: _,
        now: _,
        community_open: _,
    }) = visited.clone();
    assert_eq!(RecentCommunities::default().decide(visited).unwrap().len(), 1);
}

#[test]
fn rec_06_a_deleted_or_unknown_community_is_not_visited() {
    let closed = VisitCommunity { community_open: false, ..visit_at(1, 0) };
    let refused = given(&[1]).decide(RecentCommunitiesCommand::Visit(closed)).unwrap_err();
    assert_eq!((refused.rule(), refused.kind()), ("REC-06", RefusalKind::NotFound));
}

proptest! {
    #[test]
    fn rec_01_rec_02_rec_07_a_hundred_visits_leave_five_distinct_ones_the_last_first(
        visits in prop::collection::vec((1u128..9, 0i64..120), 100)
    ) {
        let mut communities = RecentCommunities::default();
        let mut second = 0;
        let mut order: Vec<u128> = Vec::new();
        for (community, pause) in visits {
            second += pause;
            communities = then(communities, visit_at(community, second));
            order.retain(|listed| *listed != community);
            order.insert(0, community);
            order.truncate(RECENT_COMMUNITIES_MAX);
            prop_assert_eq!(ranked(&communities), order.clone());
            let ids: BTreeSet<_> = communities.list().iter().map(|entry| entry.id).collect();
            prop_assert!(ids.len() <= RECENT_COMMUNITIES_MAX);
        }
    }
}
