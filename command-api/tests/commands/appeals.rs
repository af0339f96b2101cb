//! MOD-08: appeals against what moderators do.

use agora_domain::{community::community::Community, content::post::Post};
use serde_json::{Value, json};

use crate::common::{Answer, Settled, World, unknown_id};

/// The id of the act that a command recorded: that of its last event.
fn act(answer: &Answer) -> Value {
    answer.accepted()["events"].as_array().unwrap().last().unwrap()["event_id"].clone()
}

fn appeal(act: &Value, text: &str) -> Value {
    json!({ "moderation_id": act, "text": text })
}

fn decide(act: &Value, outcome: &str) -> Value {
    json!({ "moderation_id": act, "outcome": outcome, "reason": "Looked at again." })
}

#[tokio::test]
async fn mod_08_an_appeal_that_is_overturned_brings_the_post_back() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let (other, stranger) = (world.admin(&[]).await, world.member().await);
    let post_id = world.post(&owner, &community_id).await;
    let body = json!({ "post_id": post_id, "reason": "Off topic." });
    let act = act(&world.send(&admin, "delete-post", body).await);
    let lodge = appeal(&act, "It was on topic.");
    world.send(&stranger, "appeal-moderation", lodge.clone()).await.refused(403, "MOD-08");
    world.send(&other, "decide-appeal", decide(&act, "upheld")).await.refused(404, "REL-10");
    let lodged = world.send(&owner, "appeal-moderation", lodge.clone()).await;
    assert_eq!(lodged.events(), ["ModerationAppealLodged"]);
    assert_eq!(lodged.id(), act.as_str().unwrap());
    world.send(&owner, "appeal-moderation", lodge).await.refused(409, "MOD-08");
    world.send(&admin, "decide-appeal", decide(&act, "upheld")).await.refused(403, "MOD-08");
    world.send(&owner, "decide-appeal", decide(&act, "overturned")).await.problem(403);
    let decided = world.send(&other, "decide-appeal", decide(&act, "overturned")).await;
    let expected = ["ModerationAppealDecided", "PostRestored", "PostModerated"];
    assert_eq!(decided.events(), expected);
    let post = world.app.log.load::<Post>(&post_id).await.unwrap();
    assert!(!post.state.is_deleted());
    // Said again it is no news, and otherwise too late.
    let again = world.send(&other, "decide-appeal", decide(&act, "overturned")).await;
    assert!(again.events().is_empty());
    world.send(&other, "decide-appeal", decide(&act, "upheld")).await.refused(409, "MOD-08");
}

#[tokio::test]
async fn mod_08_what_is_upheld_stays_and_what_its_author_deleted_stays_deleted() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let other = world.admin(&[]).await;
    let mut acts = Vec::new();
    for _ in 0..2 {
        let post_id = world.post(&owner, &community_id).await;
        let body = json!({ "post_id": post_id, "reason": "Off topic." });
        let act = act(&world.send(&admin, "delete-post", body).await);
        world.send(&owner, "appeal-moderation", appeal(&act, "No.")).await.accepted();
        acts.push((post_id, act));
    }
    let upheld = world.send(&other, "decide-appeal", decide(&acts[0].1, "upheld")).await;
    assert_eq!(upheld.events(), ["ModerationAppealDecided"]);
    let body = json!({ "post_id": acts[1].0, "reason": "A mistake." });
    let restored = world.send(&other, "restore-post", body).await;
    let nothing = appeal(&act(&restored), "Thanks.");
    world.send(&owner, "appeal-moderation", nothing).await.refused(422, "MOD-08");
    world.send(&owner, "delete-post", json!({ "post_id": acts[1].0 })).await.accepted();
    let decided = world.send(&other, "decide-appeal", decide(&acts[1].1, "overturned")).await;
    assert_eq!(decided.events(), ["ModerationAppealDecided"]);
}

#[tokio::test]
async fn mod_07_mod_08_comments_and_communities_come_back_too() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let other = world.admin(&[]).await;
    let post_id = world.post(&owner, &community_id).await;
    let body = json!({ "post_id": post_id, "body": "A comment." });
    let comment_id = world.send(&owner, "create-comment", body).await.id();
    for (command, body, expected) in [
        (
            "delete-comment",
            json!({ "comment_id": comment_id, "reason": "Rude." }),
            ["ModerationAppealDecided", "CommentRestored", "CommentModerated"],
        ),
        (
            "delete-community",
            json!({ "community_id": community_id, "reason": "Spam." }),
            ["ModerationAppealDecided", "CommunityRestored", "CommunityModerated"],
        ),
    ] {
        let deleted = world.send(&admin, command, body).await;
        let events = deleted.accepted()["events"].as_array().unwrap().clone();
        let moderated = |event: &&Value| event["type"].as_str().unwrap().ends_with("Moderated");
        let act = events.iter().find(moderated).unwrap()["event_id"].clone();
        world.send(&owner, "appeal-moderation", appeal(&act, "No.")).await.accepted();
        let decided = world.send(&other, "decide-appeal", decide(&act, "overturned")).await;
        assert_eq!(decided.events(), expected);
    }
    let community = world.app.log.load::<Community>(&community_id).await.unwrap();
    assert!(community.state.is_open());
}

#[tokio::test]
async fn mod_08_an_appeal_that_is_overturned_undoes_no_later_removal() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let (second, judge) = (world.admin(&[]).await, world.admin(&[]).await);
    let post_id = world.post(&owner, &community_id).await;
    let body = json!({ "post_id": post_id, "body": "A comment." });
    let comment_id = world.send(&owner, "create-comment", body).await.id();
    for (thing, key, id) in [
        ("comment", "comment_id", &comment_id),
        ("post", "post_id", &post_id),
        ("community", "community_id", &community_id),
    ] {
        let (delete, restore) = (format!("delete-{thing}"), format!("restore-{thing}"));
        let body = json!({ key: id, "reason": "Looked at." });
        let moderated = |answer: &Answer| {
            let events = answer.accepted()["events"].as_array().unwrap().clone();
            let moderated = |event: &&Value| event["type"].as_str().unwrap().ends_with("Moderated");
            events.iter().find(moderated).unwrap()["event_id"].clone()
        };
        let first = moderated(&world.send(&admin, &delete, body.clone()).await);
        world.send(&owner, "appeal-moderation", appeal(&first, "No.")).await.accepted();
        world.send(&admin, &restore, body.clone()).await.accepted();
        let later = moderated(&world.send(&second, &delete, body.clone()).await);
        let decided = world.send(&judge, "decide-appeal", decide(&first, "overturned")).await;
        assert_eq!(decided.events(), ["ModerationAppealDecided"], "{thing}");
        // The later one falls to its own appeal.
        world.send(&owner, "appeal-moderation", appeal(&later, "No.")).await.accepted();
        let decided = world.send(&judge, "decide-appeal", decide(&later, "overturned")).await;
        assert_eq!(decided.events().len(), 3, "{thing}");
    }
}

#[tokio::test]
async fn mod_08_only_acts_of_moderation_are_appealed_and_texts_have_limits() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let post_id = world.post(&owner, &community_id).await;
    let own = act(&world.send(&owner, "delete-post", json!({ "post_id": post_id })).await);
    for not_one in [own, json!(unknown_id())] {
        let body = appeal(&not_one, "No.");
        world.send(&owner, "appeal-moderation", body).await.refused(404, "REL-10");
    }
    let post_id = world.post(&owner, &community_id).await;
    let body = json!({ "post_id": post_id, "reason": "Off topic." });
    let act = act(&world.send(&admin, "delete-post", body).await);
    for (length, accepted) in [(0, false), (1_001, false), (1_000, true)] {
        let body = appeal(&act, &"å".repeat(length));
        let answer = world.send(&owner, "appeal-moderation", body).await;
        if accepted {
            answer.accepted();
        } else {
            answer.refused(422, "MOD-08");
        }
    }
    for outcome in ["", "UPHELD", "maybe"] {
        let answer = world.send(&admin, "decide-appeal", decide(&act, outcome)).await;
        answer.refused(422, "MOD-08");
    }
}
