//! MSH and REC: who belongs to a community, and who looked in lately.

use agora_domain::{
    community::{membership::Membership, recent_communities::RecentCommunities},
    ids::{CommunityId, MembershipId},
};
use serde_json::{Value, json};

use crate::common::{Person, Settled, World, unknown_id};

async fn membership(world: &World, person: &Person, community_id: &str) -> Option<MembershipId> {
    let community_id: CommunityId = community_id.parse().unwrap();
    let stream = Membership::stream_id(community_id, person.actor.as_member().unwrap());
    world.app.log.load_fresh::<Membership>(&stream).await.unwrap().state.id()
}

async fn recent(world: &World, person: &Person) -> Vec<String> {
    let stream = RecentCommunities::stream_id(person.actor.as_member().unwrap());
    let recent = world.app.log.load_fresh::<RecentCommunities>(&stream).await.unwrap();
    recent.state.list().iter().map(|entry| entry.community_id.to_string()).collect()
}

fn community(community_id: &str) -> Value {
    json!({ "community_id": community_id })
}

#[tokio::test]
async fn msh_01_msh_02_msh_05_a_member_joins_and_leaves_by_itself() {
    let world = World::new().await;
    let Settled { admin, community_id, .. } = world.settled().await;
    let member = world.member().await;
    let body = community(&community_id);
    let joined = world.send(&member, "join-community", body.clone()).await;
    assert_eq!(joined.events(), ["CommunityJoined"]);
    let first = membership(&world, &member, &community_id).await;
    let again = world.send(&member, "join-community", body.clone()).await;
    assert!(again.events().is_empty(), "a second join is a success without effect");
    let left = world.send(&member, "leave-community", body.clone()).await;
    assert_eq!(left.events(), ["CommunityLeft"]);
    assert!(world.send(&member, "leave-community", body.clone()).await.events().is_empty());
    world.send(&member, "join-community", body.clone()).await.accepted();
    let second = membership(&world, &member, &community_id).await;
    assert!(first.is_some() && second.is_some() && first != second, "a new membership");
    // Nobody is joined by somebody else: there is no such field, and no admin joins at all.
    let other = json!({ "community_id": community_id, "member_id": member.id() });
    world.send(&member, "join-community", other).await.problem(400);
    world.send(&admin, "join-community", body.clone()).await.refused(403, "MSH-01");
    world.guest("join-community", body).await.refused(401, "SES-13");
}

#[tokio::test]
async fn msh_03_msh_05_each_join_has_its_time_and_the_earlier_ones_stay() {
    let world = World::new().await;
    let Settled { community_id, .. } = world.settled().await;
    let member = world.member().await;
    for command in ["join-community", "leave-community", "join-community"] {
        world.send(&member, command, community(&community_id)).await.accepted();
    }
    let history: Vec<(String, bool)> = sqlx::query_as(
        "SELECT event_type, recorded_at > lag(recorded_at, 1, 'epoch') OVER (ORDER BY sequence)
         FROM log.events WHERE aggregate_type = 'membership' AND aggregate_id = $1
         ORDER BY sequence",
    )
    .bind(format!("{community_id}:{}", member.id()))
    .fetch_all(&world.database.pool)
    .await
    .unwrap();
    let types: Vec<&str> = history.iter().map(|(event_type, _)| event_type.as_str()).collect();
    assert_eq!(types, ["CommunityJoined", "CommunityLeft", "CommunityJoined"]);
    assert!(history.iter().all(|(_, later)| *later));
}

#[tokio::test]
async fn msh_04_nobody_joins_what_is_not_there() {
    let world = World::new().await;
    let Settled { owner, community_id, category_id, .. } = world.settled().await;
    let member = world.member().await;
    world.join(&member, &community_id).await;
    world.send(&owner, "delete-community", community(&community_id)).await.accepted();
    for id in [&community_id, &category_id, &unknown_id()] {
        world.send(&member, "join-community", community(id)).await.refused(404, "MSH-04");
    }
    // A deleted one may be left; what never was cannot.
    let left = world.send(&member, "leave-community", community(&community_id)).await;
    assert_eq!(left.events(), ["CommunityLeft"]);
    world.send(&member, "leave-community", community(&category_id)).await.refused(404, "REL-10");
}

#[tokio::test]
async fn msh_07_the_owner_may_leave_and_stays_the_owner() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let left = world.send(&owner, "leave-community", community(&community_id)).await;
    assert_eq!(left.events(), ["CommunityLeft"]);
    let body = json!({ "community_id": community_id, "description": "Still mine." });
    world.send(&owner, "update-community", body).await.accepted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn msh_08_many_joins_of_one_member_at_once_are_one() {
    let world = World::new().await;
    let twin = world.twin().await;
    let Settled { community_id, .. } = world.settled().await;
    let member = world.member().await;
    let joins = (0..50).map(|number| {
        let instance = if number % 2 == 0 { &world } else { &twin };
        instance.send(&member, "join-community", community(&community_id))
    });
    let answers = futures::future::join_all(joins).await;
    let joined: usize = answers.iter().map(|answer| answer.events().len()).sum();
    assert_eq!(joined, 1);
}

#[tokio::test]
async fn rec_01_rec_02_rec_05_the_five_visited_last_and_the_last_first() {
    let world = World::new().await;
    let Settled { owner, category_id, .. } = world.settled().await;
    let member = world.member().await;
    let mut communities = Vec::new();
    for _ in 0..6 {
        communities.push(world.community(&owner, &category_id).await);
    }
    for id in &communities {
        let visited = world.send(&member, "visit-community", community(id)).await;
        assert_eq!(visited.events(), ["CommunityVisited"]);
    }
    let expected: Vec<String> = communities[1..].iter().rev().cloned().collect();
    assert_eq!(recent(&world, &member).await, expected);
    world.send(&member, "visit-community", community(&communities[3])).await.accepted();
    let moved = [3, 5, 4, 2, 1].map(|at: usize| communities[at].clone());
    assert_eq!(recent(&world, &member).await, moved);
    // Looking in again at once is the same visit.
    let again = world.send(&member, "visit-community", community(&communities[3])).await;
    assert!(again.events().is_empty());
}

#[tokio::test]
async fn rec_03_nobody_says_where_a_community_stands() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    for field in ["rank", "member_id", "last_activity_at"] {
        let mut body = community(&community_id);
        body[field] = json!(1);
        world.send(&owner, "visit-community", body).await.problem(400);
    }
    world.send(&admin, "visit-community", community(&community_id)).await.problem(403);
}

#[tokio::test]
async fn rec_04_visits_have_nothing_to_do_with_membership() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let guest = world.member().await;
    for person in [&owner, &guest] {
        world.send(person, "visit-community", community(&community_id)).await.accepted();
        world.send(person, "leave-community", community(&community_id)).await.accepted();
        assert_eq!(recent(&world, person).await, [community_id.as_str()]);
    }
}

#[tokio::test]
async fn rec_06_a_deleted_community_is_not_visited() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    world.send(&owner, "delete-community", community(&community_id)).await.accepted();
    for id in [community_id, unknown_id()] {
        world.send(&owner, "visit-community", community(&id)).await.refused(404, "REC-06");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rec_07_a_hundred_visits_at_once_leave_five_in_an_order() {
    let world = World::new().await;
    let twin = world.twin().await;
    let Settled { owner, category_id, .. } = world.settled().await;
    let member = world.member().await;
    let mut communities = Vec::new();
    for _ in 0..10 {
        communities.push(world.community(&owner, &category_id).await);
    }
    let visits = (0..100).map(|number: usize| {
        let instance = [&world, &twin][number % 2];
        instance.send(&member, "visit-community", community(&communities[number % 10]))
    });
    for answer in futures::future::join_all(visits).await {
        answer.accepted();
    }
    let mut listed = recent(&world, &member).await;
    assert_eq!(listed.len(), 5);
    listed.sort();
    listed.dedup();
    assert_eq!(listed.len(), 5, "each once");
}
