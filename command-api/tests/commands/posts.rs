//! PST: posts.

use agora_domain::content::post::Post;
use serde_json::{Value, json};

use crate::common::{Settled, World, unknown_id};

fn post(community_id: &str, title: &str, body: &str) -> Value {
    json!({ "community_id": community_id, "title": title, "body": body })
}

#[tokio::test]
async fn pst_01_pst_02_lengths_of_title_and_body() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    for (title, body, rule) in
        [(4, 10, "PST-01"), (121, 10, "PST-01"), (5, 9, "PST-02"), (5, 10_001, "PST-02")]
    {
        let body = post(&community_id, &"å".repeat(title), &"å".repeat(body));
        world.send(&owner, "create-post", body).await.refused(422, rule);
    }
    for (title, body) in [(5, 10), (120, 10_000)] {
        let body = post(&community_id, &"å".repeat(title), &"å".repeat(body));
        assert_eq!(world.send(&owner, "create-post", body).await.events(), ["PostCreated"]);
    }
    let both = post(&community_id, "four", "nine char");
    let both = world.send(&owner, "create-post", both).await;
    let expected = [("/title", Some("PST-01")), ("/body", Some("PST-02"))];
    assert_eq!(both.wrong_fields(), expected);
}

#[tokio::test]
async fn pst_03_pst_04_text_is_plain_and_counted_after_nfc_and_lf() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    for dirty in ["nul \u{0} in it", "escape \u{1b}[31m red", "bidi \u{202E} override"] {
        let body = post(&community_id, dirty, "A body of some length.");
        world.send(&owner, "create-post", body).await.refused(422, "PST-03");
        let body = post(&community_id, "A title", dirty);
        world.send(&owner, "create-post", body).await.refused(422, "PST-03");
    }
    let html = post(&community_id, "<b>bold</b>", "line one\nline two <script>");
    world.send(&owner, "create-post", html).await.accepted();
    // Four characters after NFC, though six as they come; nine after CRLF becomes LF.
    let decomposed = post(&community_id, "e\u{301}e\u{301}xy", "A body of some length.");
    world.send(&owner, "create-post", decomposed).await.refused(422, "PST-01");
    let crlf = post(&community_id, "A title", "1234\r\n5678");
    world.send(&owner, "create-post", crlf).await.refused(422, "PST-02");
}

#[tokio::test]
async fn pst_05_the_author_is_who_sends_it_a_member_or_an_admin() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let body = post(&community_id, "A title", "A body of some length.");
    world.guest("create-post", body.clone()).await.refused(401, "SES-13");
    for person in [&admin, &owner] {
        let made = world.send(person, "create-post", body.clone()).await;
        let stored = world.last_payload("post", &made.id()).await;
        assert_eq!(stored["PostCreated"]["author"], crate::common::actor_json(person.actor));
    }
    let mut forged = body;
    forged["author"] = crate::common::actor_json(admin.actor);
    world.send(&owner, "create-post", forged).await.problem(400);
}

#[tokio::test]
async fn pst_06_the_community_must_be_there() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let body = json!({ "community_id": community_id });
    world.send(&owner, "delete-community", body).await.accepted();
    for id in [community_id, unknown_id(), owner.id()] {
        let body = post(&id, "A title", "A body of some length.");
        for person in [&admin, &owner] {
            world.send(person, "create-post", body.clone()).await.refused(404, "PST-06");
        }
    }
}

#[tokio::test]
async fn pst_07_the_name_that_is_shown_has_at_most_32_characters() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let mut body = post(&community_id, "A title", "A body of some length.");
    body["author_display_name"] = "å".repeat(33).into();
    world.send(&owner, "create-post", body.clone()).await.refused(422, "PST-07");
    for name in [json!("å".repeat(32)), json!(""), Value::Null] {
        body["author_display_name"] = name;
        world.send(&owner, "create-post", body.clone()).await.accepted();
    }
}

#[tokio::test]
async fn pst_08_pst_09_an_author_edits_deletes_and_restores_its_own() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let post_id = world.post(&owner, &community_id).await;
    let edit = json!({ "post_id": post_id, "title": "Another title" });
    assert_eq!(world.send(&owner, "edit-post", edit.clone()).await.events(), ["PostEdited"]);
    assert!(world.send(&owner, "edit-post", edit.clone()).await.events().is_empty());
    let body = json!({ "post_id": post_id });
    assert_eq!(world.send(&owner, "delete-post", body.clone()).await.events(), ["PostDeleted"]);
    assert!(world.send(&owner, "delete-post", body.clone()).await.events().is_empty());
    world.send(&owner, "edit-post", edit).await.refused(410, "PST-08");
    assert_eq!(world.send(&owner, "restore-post", body.clone()).await.events(), ["PostRestored"]);
    assert!(world.send(&owner, "restore-post", body).await.events().is_empty());
    let loaded = world.app.log.load_fresh::<Post>(&post_id).await.unwrap();
    assert!(!loaded.state.is_deleted());
}

#[tokio::test]
async fn pst_09_mod_02_another_member_is_refused_and_an_admin_gives_a_reason() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let other = world.member().await;
    let post_id = world.post(&owner, &community_id).await;
    let without = json!({ "post_id": post_id, "title": "Another title" });
    let mut with = without.clone();
    with["reason"] = "Wrong title.".into();
    let plain = json!({ "post_id": post_id });
    let reason = json!({ "post_id": post_id, "reason": "Off topic." });
    for (command, without, with, event) in [
        ("edit-post", &without, &with, "PostEdited"),
        ("delete-post", &plain, &reason, "PostDeleted"),
        ("restore-post", &plain, &reason, "PostRestored"),
    ] {
        let before = world.head().await;
        world.send(&other, command, with.clone()).await.refused(403, "PST-09");
        world.send(&admin, command, without.clone()).await.refused(422, "MOD-06");
        assert_eq!(world.head().await, before);
        if command == "restore-post" {
            // What a moderator deleted, its author cannot bring back.
            world.send(&owner, command, plain.clone()).await.refused(403, "PST-09");
        }
        let moderated = world.send(&admin, command, with.clone()).await;
        assert_eq!(moderated.events(), [event, "PostModerated"]);
    }
    let stored = world.last_payload("post", &post_id).await;
    let sealed = stored["PostModerated"]["reason"].as_str().unwrap();
    assert!(sealed.starts_with(&format!("sealed:v1:content:{}:", owner.id())), "{sealed}");
    for reason in [json!(""), json!("x".repeat(256))] {
        let body = json!({ "post_id": post_id, "reason": reason });
        world.send(&admin, "delete-post", body).await.refused(422, "MOD-02");
    }
    for command in ["edit-post", "delete-post", "restore-post"] {
        for id in [unknown_id(), community_id.clone(), owner.id()] {
            let body = json!({ "post_id": id, "reason": "x" });
            world.send(&admin, command, body).await.refused(404, "REL-10");
        }
    }
}

#[tokio::test]
async fn pst_13_posting_takes_membership() {
    let world = World::new().await;
    let Settled { community_id, .. } = world.settled().await;
    let member = world.member().await;
    let body = post(&community_id, "A title", "A body of some length.");
    world.send(&member, "create-post", body.clone()).await.refused(403, "PST-13");
    world.join(&member, &community_id).await;
    world.send(&member, "create-post", body.clone()).await.accepted();
    let leave = json!({ "community_id": community_id });
    world.send(&member, "leave-community", leave).await.accepted();
    world.send(&member, "create-post", body).await.refused(403, "PST-13");
}

#[tokio::test]
async fn pst_12_a_post_takes_a_hundred_changes_and_is_moderated_all_the_same() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let post_id = world.post(&owner, &community_id).await;
    let edit = |number: u32| json!({ "post_id": post_id, "title": format!("Title {number}") });
    for number in 0..98 {
        world.send(&owner, "edit-post", edit(number)).await.accepted();
    }
    let (body, reason) =
        (json!({ "post_id": post_id }), json!({ "post_id": post_id, "reason": "Spam." }));
    // The 99th and the 100th: taking away and bringing back count as well.
    world.send(&owner, "delete-post", body.clone()).await.accepted();
    world.send(&owner, "restore-post", body.clone()).await.accepted();
    world.send(&owner, "edit-post", edit(100)).await.refused(422, "PST-12");
    for (command, event) in [("delete-post", "PostDeleted"), ("restore-post", "PostRestored")] {
        let moderated = world.send(&admin, command, reason.clone()).await;
        assert_eq!(moderated.events(), [event, "PostModerated"]);
    }
    assert_eq!(world.send(&owner, "delete-post", body.clone()).await.events(), ["PostDeleted"]);
    world.send(&owner, "restore-post", body).await.refused(422, "PST-12");
}
