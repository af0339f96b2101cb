//! PVT: votes on posts.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::common::{Settled, World, unknown_id};

fn vote(post_id: &str, vote_state: impl Into<Value>) -> Value {
    json!({ "target": { "kind": "post", "id": post_id }, "vote_state": vote_state.into() })
}

/// A post's score, folded from the log without the domain's help.
async fn score(world: &World, post_id: &str) -> i64 {
    sqlx::query_scalar(
        "SELECT coalesce(sum(CASE last.vote_state WHEN 'upvote' THEN 1 WHEN 'downvote' THEN -1 ELSE 0 END), 0)::bigint
         FROM (SELECT DISTINCT ON (aggregate_id) payload->'PostVoteCast'->>'vote_state' AS vote_state
               FROM log.events
               WHERE aggregate_type = 'post_vote' AND payload->'PostVoteCast'->>'post_id' = $1
               ORDER BY aggregate_id, sequence DESC) last",
    )
    .bind(post_id)
    .fetch_one(&world.database.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn pvt_01_pvt_06_a_vote_is_up_down_or_none_and_never_null() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let (post_id, voter) = (world.post(&owner, &community_id).await, world.member().await);
    let cast = |state: Value| world.send(&voter, "cast-vote", vote(&post_id, state));
    for wrong in ["up", "UPVOTE", "", "None"] {
        cast(wrong.into()).await.refused(422, "PVT-01");
    }
    cast(Value::Null).await.refused(422, "PVT-06");
    cast(1.into()).await.problem(400);
    // A list is no object, even where its items fit the object's fields in their order.
    let listed = json!({ "target": ["post", post_id], "vote_state": "upvote" });
    world.send(&voter, "cast-vote", listed).await.problem(400);
    for target in [json!({ "kind": "reply", "id": post_id }), json!({ "id": post_id }), Value::Null]
    {
        let body = json!({ "target": target, "vote_state": "upvote" });
        world.send(&voter, "cast-vote", body).await.problem(400);
    }
    for right in ["upvote", "downvote", "none"] {
        assert_eq!(cast(right.into()).await.events(), ["PostVoteCast"]);
    }
}

#[tokio::test]
async fn pvt_02_pvt_04_pvt_05_toggling_keeps_one_vote_and_moves_the_score() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let (post_id, voter) = (world.post(&owner, &community_id).await, world.member().await);
    let mut ids = Vec::new();
    for (state, events, after) in [
        ("none", 0, 0),
        ("upvote", 1, 1),
        ("upvote", 0, 1),
        ("downvote", 1, -1),
        ("none", 1, 0),
        ("downvote", 1, -1),
        ("upvote", 1, 1),
    ] {
        let answer = world.send(&voter, "cast-vote", vote(&post_id, state)).await;
        assert_eq!(answer.events().len(), events, "{state}");
        assert_eq!(score(&world, &post_id).await, after, "{state}");
        if events == 1 {
            let stored = world.last_payload("post_vote", &answer.id()).await;
            ids.push(stored["PostVoteCast"]["id"].clone());
        }
    }
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "one vote, one id");
}

#[tokio::test]
async fn pvt_03_the_voter_is_one_member_or_one_admin_and_never_a_guest() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let (post_id, voter) = (world.post(&owner, &community_id).await, world.member().await);
    world.guest("cast-vote", vote(&post_id, "upvote")).await.refused(401, "SES-13");
    for person in [&admin, &voter] {
        let answer = world.send(person, "cast-vote", vote(&post_id, "upvote")).await;
        assert_eq!(answer.id(), format!("{post_id}:{}", person.actor));
        let stored = world.last_payload("post_vote", &answer.id()).await;
        let expected = crate::common::actor_json(person.actor);
        assert_eq!(stored["PostVoteCast"]["voter"], expected);
    }
    let mut forged = vote(&post_id, "upvote");
    forged["voter"] = crate::common::actor_json(owner.actor);
    world.send(&voter, "cast-vote", forged).await.problem(400);
    assert_eq!(score(&world, &post_id).await, 2);
}

#[tokio::test]
async fn pvt_07_nobody_votes_on_its_own_post() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    for person in [&owner, &admin] {
        let post_id = world.post(person, &community_id).await;
        world.send(person, "cast-vote", vote(&post_id, "upvote")).await.refused(403, "PVT-07");
        world.send(person, "cast-vote", vote(&post_id, "none")).await.refused(403, "PVT-07");
    }
}

#[tokio::test]
async fn pvt_08_nobody_votes_on_what_is_deleted_nor_while_suspended() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let (post_id, voter) = (world.post(&owner, &community_id).await, world.member().await);
    let suspend = json!({ "member_id": voter.id() });
    world.send(&voter, "cast-vote", vote(&post_id, "upvote")).await.accepted();
    world.send(&owner, "delete-post", json!({ "post_id": post_id })).await.accepted();
    for state in ["downvote", "upvote", "none"] {
        world.send(&voter, "cast-vote", vote(&post_id, state)).await.refused(410, "PVT-08");
    }
    world.send(&owner, "restore-post", json!({ "post_id": post_id })).await.accepted();
    world.send(&admin, "suspend-member", suspend).await.accepted();
    let voter = world.log_in(&voter).await;
    world.send(&voter, "cast-vote", vote(&post_id, "none")).await.refused(403, "MEM-05");
    for id in [unknown_id(), community_id] {
        world.send(&owner, "cast-vote", vote(&id, "upvote")).await.refused(404, "REL-10");
    }
    assert_eq!(score(&world, &post_id).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pvt_09_a_thousand_toggles_of_a_hundred_voters_at_once_end_in_the_right_score() {
    let world = World::new().await;
    let twin = world.twin().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let post_id = world.post(&owner, &community_id).await;
    let voters = world.members(100).await;
    let states = ["upvote", "downvote", "none"];
    let toggles = (0..1_000_usize).map(|number| {
        let (world, twin, post_id) = (&world, &twin, &post_id);
        let voter = &voters[number % 100];
        // Each voter's toggles differ from round to round, over both instances.
        let state = states[(number / 100 * 7 + number % 100) % 3];
        let instance = if number % 3 == 0 { world } else { twin };
        async move {
            (number % 100, instance.send(voter, "cast-vote", vote(post_id, state)).await, state)
        }
    });
    let mut last: HashMap<usize, (u64, &str)> = HashMap::new();
    for (voter, answer, state) in futures::future::join_all(toggles).await {
        let position = answer.accepted()["position"].as_u64().unwrap();
        if !answer.events().is_empty() {
            let entry = last.entry(voter).or_insert((0, "none"));
            if position > entry.0 {
                *entry = (position, state);
            }
        }
    }
    let expected: i64 = last
        .values()
        .map(|(_, state)| match *state {
            "upvote" => 1,
            "downvote" => -1,
            _ => 0,
        })
        .sum();
    assert_eq!(score(&world, &post_id).await, expected);
    let by_difference: i64 = sqlx::query_scalar(
        "SELECT sum(w.now - w.before)::bigint FROM (
             SELECT CASE payload->'PostVoteCast'->>'vote_state'
                    WHEN 'upvote' THEN 1 WHEN 'downvote' THEN -1 ELSE 0 END AS now,
                    CASE payload->'PostVoteCast'->>'previous'
                    WHEN 'upvote' THEN 1 WHEN 'downvote' THEN -1 ELSE 0 END AS before
             FROM log.events WHERE aggregate_type = 'post_vote') w",
    )
    .fetch_one(&world.database.pool)
    .await
    .unwrap();
    assert_eq!(by_difference, expected, "each event knows what was before it");
}
