//! CMT, CVT: comments and the votes on them.

use serde_json::{Value, json};

use crate::common::{Person, Settled, World, actor_json, unknown_id};

fn comment(post_id: &str, parent: Option<&str>, body: &str) -> Value {
    json!({ "post_id": post_id, "parent_comment_id": parent, "body": body })
}

fn vote(comment_id: &str, vote_state: impl Into<Value>) -> Value {
    json!({ "target": { "kind": "comment", "id": comment_id }, "vote_state": vote_state.into() })
}

impl World {
    async fn comment(&self, person: &Person, post_id: &str, parent: Option<&str>) -> String {
        let body = comment(post_id, parent, "A comment of some length.");
        self.send(person, "create-comment", body).await.id()
    }
}

#[tokio::test]
async fn cmt_01_cmt_02_lengths_of_body_and_name() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let post_id = world.post(&owner, &community_id).await;
    for (length, accepted) in [(1, false), (2, true), (2_000, true), (2_001, false)] {
        let body = comment(&post_id, None, &"å".repeat(length));
        let answer = world.send(&owner, "create-comment", body).await;
        if accepted {
            assert_eq!(answer.events(), ["CommentCreated"], "{length}");
        } else {
            answer.refused(422, "CMT-01");
        }
    }
    for dirty in ["nul \u{0} in it", "escape \u{1b}[31m red", "bidi \u{202E} override"] {
        let body = comment(&post_id, None, dirty);
        world.send(&owner, "create-comment", body).await.refused(422, "PST-03");
    }
    let mut named = comment(&post_id, None, "Some words.");
    named["display_name"] = "å".repeat(33).into();
    world.send(&owner, "create-comment", named.clone()).await.refused(422, "CMT-02");
    for name in [json!("å".repeat(32)), json!(""), Value::Null] {
        named["display_name"] = name;
        world.send(&owner, "create-comment", named.clone()).await.accepted();
    }
}

#[tokio::test]
async fn cmt_03_cmt_04_replies_of_any_depth_stay_on_their_post() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let post_id = world.post(&owner, &community_id).await;
    let mut parent = world.comment(&owner, &post_id, None).await;
    for depth in 1..=1_000 {
        parent = world.comment(&owner, &post_id, Some(&parent)).await;
        if depth % 250 == 0 {
            let stored = world.last_payload("comment", &parent).await;
            assert_eq!(stored["CommentCreated"]["depth"], depth);
        }
    }
    let other = world.post(&owner, &community_id).await;
    let elsewhere = comment(&other, Some(&parent), "An answer on the wrong post.");
    world.send(&owner, "create-comment", elsewhere).await.refused(422, "CMT-04");
    for unknown in [unknown_id(), post_id.clone()] {
        let body = comment(&post_id, Some(&unknown), "An answer to nothing.");
        world.send(&owner, "create-comment", body).await.refused(422, "CMT-04");
    }
}

#[tokio::test]
async fn cmt_05_cmt_09_the_author_is_who_sends_it_and_guests_may_not() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let (post_id, reader) = (world.post(&owner, &community_id).await, world.member().await);
    let body = comment(&post_id, None, "Some words.");
    world.guest("create-comment", body.clone()).await.refused(401, "SES-13");
    for person in [&admin, &owner, &reader] {
        let made = world.send(person, "create-comment", body.clone()).await;
        let stored = world.last_payload("comment", &made.id()).await;
        assert_eq!(stored["CommentCreated"]["author"], actor_json(person.actor));
        assert_eq!(stored["CommentCreated"]["community_id"], community_id);
        let sealed = stored["CommentCreated"]["body"].as_str().unwrap();
        assert!(sealed.starts_with(&format!("sealed:v1:content:{}:", person.id())), "{sealed}");
    }
    let mut forged = body;
    forged["author"] = actor_json(admin.actor);
    world.send(&owner, "create-comment", forged).await.problem(400);
}

#[tokio::test]
async fn cmt_06_cmt_07_a_deleted_comment_keeps_its_place_but_takes_no_answers() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let post_id = world.post(&owner, &community_id).await;
    let comment_id = world.comment(&owner, &post_id, None).await;
    let reply_id = world.comment(&owner, &post_id, Some(&comment_id)).await;
    let body = json!({ "comment_id": comment_id });
    let deleted = world.send(&owner, "delete-comment", body.clone()).await;
    assert_eq!(deleted.events(), ["CommentDeleted"]);
    assert!(world.send(&owner, "delete-comment", body.clone()).await.events().is_empty());
    let answer = comment(&post_id, Some(&comment_id), "Too late.");
    world.send(&owner, "create-comment", answer).await.refused(410, "CMT-07");
    let edit = json!({ "comment_id": comment_id, "body": "Other words." });
    world.send(&owner, "edit-comment", edit.clone()).await.refused(410, "CMT-07");
    // What answered it lives on, and is answered.
    world.comment(&owner, &post_id, Some(&reply_id)).await;
    let restored = world.send(&owner, "restore-comment", body).await;
    assert_eq!(restored.events(), ["CommentRestored"]);
    assert_eq!(world.send(&owner, "edit-comment", edit).await.events(), ["CommentEdited"]);
}

#[tokio::test]
async fn cmt_08_a_post_that_is_gone_takes_no_comments() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let post_id = world.post(&owner, &community_id).await;
    let of_post = json!({ "post_id": post_id });
    world.send(&owner, "delete-post", of_post.clone()).await.accepted();
    for id in [post_id.clone(), unknown_id(), community_id.clone()] {
        let body = comment(&id, None, "Too late.");
        world.send(&admin, "create-comment", body).await.refused(404, "CMT-08");
    }
    world.send(&owner, "restore-post", of_post).await.accepted();
    world.comment(&owner, &post_id, None).await;
    let of_community = json!({ "community_id": community_id });
    world.send(&owner, "delete-community", of_community).await.accepted();
    let body = comment(&post_id, None, "Too late.");
    world.send(&admin, "create-comment", body).await.refused(404, "CMT-08");
}

#[tokio::test]
async fn cmt_10_mod_02_mod_06_mod_07_others_are_refused_and_an_admin_gives_a_reason() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let other = world.member().await;
    let post_id = world.post(&owner, &community_id).await;
    let comment_id = world.comment(&owner, &post_id, None).await;
    for (command, event) in [
        ("edit-comment", "CommentEdited"),
        ("delete-comment", "CommentDeleted"),
        ("restore-comment", "CommentRestored"),
    ] {
        let mut without = json!({ "comment_id": comment_id });
        if command == "edit-comment" {
            without["body"] = "Other words.".into();
        }
        let mut with = without.clone();
        with["reason"] = "Off topic.".into();
        let before = world.head().await;
        world.send(&other, command, with.clone()).await.refused(403, "CMT-10");
        world.send(&admin, command, without.clone()).await.refused(422, "MOD-06");
        for reason in [String::new(), "x".repeat(256)] {
            let mut wrong = without.clone();
            wrong["reason"] = reason.into();
            world.send(&admin, command, wrong).await.refused(422, "MOD-02");
        }
        assert_eq!(world.head().await, before);
        if command == "restore-comment" {
            // What a moderator deleted, its author cannot bring back.
            world.send(&owner, command, without.clone()).await.refused(403, "CMT-10");
        }
        with["reason"] = "å".repeat(255).into();
        let moderated = world.send(&admin, command, with).await;
        assert_eq!(moderated.events(), [event, "CommentModerated"]);
        for id in [unknown_id(), post_id.clone()] {
            without["comment_id"] = id.into();
            world.send(&admin, command, without.clone()).await.refused(404, "REL-10");
        }
    }
}

#[tokio::test]
async fn cvt_01_cvt_02_a_vote_is_up_down_or_none_and_one_a_voter() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let post_id = world.post(&owner, &community_id).await;
    let (comment_id, voter) = (world.comment(&owner, &post_id, None).await, world.member().await);
    for wrong in ["up", "UPVOTE", ""] {
        world.send(&voter, "cast-vote", vote(&comment_id, wrong)).await.refused(422, "CVT-01");
    }
    world.send(&voter, "cast-vote", vote(&comment_id, Value::Null)).await.refused(422, "CVT-01");
    let mut ids = Vec::new();
    for (state, events) in [("none", 0), ("upvote", 1), ("upvote", 0), ("downvote", 1), ("none", 1)]
    {
        let answer = world.send(&voter, "cast-vote", vote(&comment_id, state)).await;
        assert_eq!(answer.events().len(), events, "{state}");
        assert_eq!(answer.id(), format!("{comment_id}:{}", voter.actor));
        if events == 1 {
            let stored = world.last_payload("comment_vote", &answer.id()).await;
            ids.push(stored["CommentVoteCast"]["id"].clone());
        }
    }
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "one vote, one id");
}

#[tokio::test]
async fn cvt_03_cvt_05_cvt_06_nobody_votes_on_its_own_and_guests_not_at_all() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let post_id = world.post(&owner, &community_id).await;
    for person in [&admin, &owner] {
        let own = world.comment(person, &post_id, None).await;
        for state in ["upvote", "none"] {
            world.send(person, "cast-vote", vote(&own, state)).await.refused(403, "CVT-03");
        }
        world.guest("cast-vote", vote(&own, "upvote")).await.refused(401, "SES-13");
        let voter = if person.id() == admin.id() { &owner } else { &admin };
        let answer = world.send(voter, "cast-vote", vote(&own, "upvote")).await;
        let stored = world.last_payload("comment_vote", &answer.id()).await;
        assert_eq!(stored["CommentVoteCast"]["voter"], actor_json(voter.actor));
    }
}

#[tokio::test]
async fn cvt_07_nobody_votes_on_what_is_deleted() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let post_id = world.post(&owner, &community_id).await;
    let (comment_id, voter) = (world.comment(&owner, &post_id, None).await, world.member().await);
    let of_comment = json!({ "comment_id": comment_id });
    world.send(&owner, "delete-comment", of_comment.clone()).await.accepted();
    world.send(&voter, "cast-vote", vote(&comment_id, "upvote")).await.refused(410, "CVT-07");
    world.send(&owner, "restore-comment", of_comment).await.accepted();
    world.send(&voter, "cast-vote", vote(&comment_id, "upvote")).await.accepted();
    world.send(&owner, "delete-post", json!({ "post_id": post_id })).await.accepted();
    world.send(&voter, "cast-vote", vote(&comment_id, "none")).await.refused(410, "CVT-07");
    for id in [unknown_id(), post_id] {
        world.send(&voter, "cast-vote", vote(&id, "upvote")).await.refused(404, "REL-10");
    }
}

#[tokio::test]
async fn cmt_10_a_comment_takes_a_hundred_changes_and_is_moderated_all_the_same() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let post_id = world.post(&owner, &community_id).await;
    let comment_id = world.comment(&owner, &post_id, None).await;
    let edit = |number: u32| json!({ "comment_id": comment_id, "body": format!("Words {number}") });
    for number in 0..100 {
        world.send(&owner, "edit-comment", edit(number)).await.accepted();
    }
    world.send(&owner, "edit-comment", edit(100)).await.refused(422, "CMT-10");
    let (body, reason) =
        (json!({ "comment_id": comment_id }), json!({ "comment_id": comment_id, "reason": "x" }));
    for (command, event) in
        [("delete-comment", "CommentDeleted"), ("restore-comment", "CommentRestored")]
    {
        let moderated = world.send(&admin, command, reason.clone()).await;
        assert_eq!(moderated.events(), [event, "CommentModerated"]);
    }
    world.send(&owner, "delete-comment", body.clone()).await.accepted();
    world.send(&owner, "restore-comment", body).await.refused(422, "CMT-10");
}
