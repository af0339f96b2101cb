//! CFG: the configuration, and what follows it at once.

use serde_json::{Value, json};

use crate::common::{Call, Settled, World};

fn set(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": value })
}

#[tokio::test]
async fn cfg_01_a_key_is_plain_and_there_is_one_entry_a_key() {
    let world = World::new().await;
    let Settled { admin, .. } = world.settled().await;
    for wrong in ["", "Max", "a b", "å", &"x".repeat(65)] {
        world.send(&admin, "set-configuration", set(wrong, "1")).await.refused(422, "CFG-01");
    }
    let first = world.send(&admin, "set-configuration", set("theme", "dark")).await;
    let call = || Call::new("set-configuration").token(&admin.token).header("if-match", "\"0\"");
    // Who wants to make the key, and not to change it, says so.
    world.request(call().body(set("theme", "light"))).await.refused(412, "ESX-03");
    let second = world.send(&admin, "set-configuration", set("theme", "light")).await;
    assert_eq!((first.id(), second.id()), ("theme".to_owned(), "theme".to_owned()));
    let stored = world.last_payload("configuration", "theme").await;
    assert_eq!(stored["ConfigurationSet"]["previous"], "dark");
}

#[tokio::test]
async fn cfg_02_cfg_03_cfg_04_values_are_kept_as_they_are_and_only_changes_are_events() {
    let world = World::new().await;
    let Settled { admin, .. } = world.settled().await;
    for value in ["{ \"a\" : 1.0 }", " x\r\ny ", "e\u{301}", "10", ""] {
        let body = set("anything", value);
        let events = world.send(&admin, "set-configuration", body.clone()).await;
        assert_eq!(events.events(), ["ConfigurationSet"]);
        let stored = world.last_payload("configuration", "anything").await;
        assert_eq!(stored["ConfigurationSet"]["value"], value);
        assert!(world.send(&admin, "set-configuration", body).await.events().is_empty());
    }
    let too_long = set("anything", &"x".repeat(65_537));
    world.send(&admin, "set-configuration", too_long).await.refused(422, "CFG-03");
    let describe = |text: Value| json!({ "key": "anything", "description": text });
    let long = describe("å".repeat(201).into());
    world.send(&admin, "describe-configuration", long).await.refused(422, "CFG-02");
    let fits = describe("å".repeat(200).into());
    let described = world.send(&admin, "describe-configuration", fits.clone()).await;
    assert_eq!(described.events(), ["ConfigurationDescribed"]);
    assert!(world.send(&admin, "describe-configuration", fits).await.events().is_empty());
    let unknown = json!({ "key": "nothing", "description": null });
    world.send(&admin, "describe-configuration", unknown).await.refused(404, "REL-10");
}

#[tokio::test]
async fn cfg_07_cfg_08_what_the_platform_reads_is_checked() {
    let world = World::new().await;
    let Settled { admin, .. } = world.settled().await;
    for (key, value, rule) in [
        ("smtp.password", "x", "CFG-05"),
        ("enable_voting", "maybe", "CFG-07"),
        ("max_post_length", "many", "CFG-07"),
        ("max_post_length", "10001", "CFG-08"),
        ("max_comment_length", "2001", "CFG-08"),
        ("max_concurrent_sessions", "0", "CFG-08"),
    ] {
        world.send(&admin, "set-configuration", set(key, value)).await.refused(422, rule);
    }
}

/// A change holds for the next command, in every instance.
#[tokio::test]
async fn cfg_07_a_change_takes_effect_at_once_everywhere() {
    let world = World::new().await;
    let twin = world.twin().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let (post_id, reader) = (world.post(&owner, &community_id).await, world.member().await);
    let post = |length: usize| json!({ "community_id": community_id, "title": "A title", "body": "å".repeat(length) });
    let vote = json!({ "target": { "kind": "post", "id": post_id }, "vote_state": "upvote" });
    let comment = json!({ "post_id": post_id, "body": "Three" });
    // The twin has what it needs in its cache.
    twin.send(&owner, "create-post", post(50)).await.accepted();
    twin.send(&reader, "create-post", post(50)).await.refused(403, "PST-13");
    for (key, value) in [
        ("max_post_length", "40"),
        ("max_comment_length", "4"),
        ("enable_voting", "false"),
        ("posting_requires_membership", "false"),
    ] {
        world.send(&admin, "set-configuration", set(key, value)).await.accepted();
    }
    for world in [&twin, &world] {
        world.send(&owner, "create-post", post(41)).await.refused(422, "PST-02");
        world.send(&reader, "create-post", post(40)).await.accepted();
        world.send(&owner, "create-comment", comment.clone()).await.refused(422, "CMT-01");
        world.send(&reader, "cast-vote", vote.clone()).await.refused(403, "CFG-07");
    }
    for key in ["enable_voting", "max_post_length"] {
        world.send(&admin, "remove-configuration", json!({ "key": key })).await.accepted();
    }
    twin.send(&reader, "cast-vote", vote).await.accepted();
    twin.send(&owner, "create-post", post(10_000)).await.accepted();
}

#[tokio::test]
async fn ses_07_cfg_07_the_number_of_sessions_is_configured() {
    let world = World::new().await;
    let Settled { admin, .. } = world.settled().await;
    let member = world.member().await;
    let body = set("max_concurrent_sessions", "1");
    world.send(&admin, "set-configuration", body).await.accepted();
    let again = world.log_in(&member).await;
    world.send(&member, "log-out", json!({})).await.refused(401, "SES-04");
    world.send(&again, "log-out", json!({})).await.accepted();
}
