//! COM: communities.

use agora_domain::{
    Actor,
    community::{community::Community, membership::Membership},
    identity::values::AdminScope,
};
use serde_json::{Value, json};

use crate::common::{Settled, World, unique, unknown_id};

#[tokio::test]
async fn com_01_a_name_has_5_to_32_characters_of_its_alphabet() {
    let world = World::new().await;
    let Settled { owner, category_id, .. } = world.settled().await;
    let create = |name: &str| {
        let body = json!({ "name": name, "category_id": category_id });
        world.send(&owner, "create-community", body)
    };
    for name in ["four", &"x".repeat(33), "has space", "blåbær", "a/b/c/d", "x\u{0}xxx"] {
        create(name).await.refused(422, "COM-01");
    }
    for name in ["five5", &"x".repeat(32), "A-b_C-0"] {
        create(name).await.accepted();
    }
}

#[tokio::test]
async fn com_02_com_03_a_name_is_unique_for_ever_and_never_changes() {
    let world = World::new().await;
    let Settled { admin, owner, category_id, .. } = world.settled().await;
    let create = |name: &str| {
        let body = json!({ "name": name, "category_id": category_id });
        world.send(&owner, "create-community", body)
    };
    let community_id = create("kernel-talk").await.id();
    create("Kernel-Talk").await.refused(422, "COM-02");
    let body = json!({ "community_id": community_id, "reason": "Spam." });
    world.send(&admin, "delete-community", body).await.accepted();
    create("KERNEL-talk").await.refused(422, "COM-02");
    let before = world.head().await;
    for name in [json!("another-name"), json!("kernel-talk"), Value::Null] {
        let body = json!({ "community_id": community_id, "name": name });
        world.send(&owner, "update-community", body).await.refused(422, "COM-02");
    }
    assert_eq!(world.head().await, before);
}

#[tokio::test]
async fn com_04_com_14_descriptions_and_images_keep_their_rules() {
    let world = World::new().await;
    let Settled { owner, community_id, category_id, .. } = world.settled().await;
    let long_uri = format!("https://example.org/{}", "x".repeat(2_048));
    for (field, value, rule) in [
        ("description", "å".repeat(201), "COM-04"),
        ("logo_uri", "javascript:alert(1)".to_owned(), "COM-14"),
        ("logo_uri", "data:image/png;base64,AAAA".to_owned(), "COM-14"),
        ("banner_uri", "http://example.org/a.png".to_owned(), "COM-14"),
        ("banner_uri", "https://user:secret@example.org/a.png".to_owned(), "COM-14"),
        ("banner_uri", "https://".to_owned(), "COM-14"),
        ("logo_uri", long_uri, "COM-14"),
    ] {
        let mut body = json!({ "community_id": community_id });
        body[field] = value.clone().into();
        world.send(&owner, "update-community", body).await.refused(422, rule);
        let mut body = json!({ "name": unique("community"), "category_id": category_id });
        body[field] = value.into();
        world.send(&owner, "create-community", body).await.refused(422, rule);
    }
    let several = json!({
        "name": "x", "category_id": "x", "description": "å".repeat(201), "logo_uri": "x",
    });
    let several = world.send(&owner, "create-community", several).await;
    several.refused(422, "COM-01");
    let expected = [
        ("/name", Some("COM-01")),
        ("/category_id", None),
        ("/description", Some("COM-04")),
        ("/logo_uri", Some("COM-14")),
    ];
    assert_eq!(several.wrong_fields(), expected, "all that is wrong is told at once");
}

#[tokio::test]
async fn com_05_the_category_must_exist_also_for_a_move() {
    let world = World::new().await;
    let Settled { admin, owner, category_id, community_id } = world.settled().await;
    let update = |category_id: &str| {
        let body = json!({ "community_id": community_id, "category_id": category_id });
        world.send(&owner, "update-community", body)
    };
    update(&unknown_id()).await.refused(422, "COM-05");
    assert!(update(&category_id).await.events().is_empty());
    let other = world.category(&admin).await;
    assert_eq!(update(&other).await.events(), ["CommunityRecategorised"]);
    let body = json!({ "category_id": category_id });
    world.send(&admin, "retire-category", body).await.accepted();
    update(&category_id).await.refused(422, "COM-05");
}

#[tokio::test]
async fn com_06_com_07_only_the_owner_changes_a_community() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let other = world.member().await;
    world.join(&other, &community_id).await;
    let body = json!({ "community_id": community_id, "description": "Mine now." });
    world.send(&other, "update-community", body.clone()).await.refused(403, "COM-07");
    world.send(&admin, "update-community", body).await.refused(403, "COM-07");
    let body = json!({
        "community_id": community_id,
        "description": "All about kernels.",
        "logo_uri": "https://example.org/logo.png",
    });
    assert_eq!(world.send(&owner, "update-community", body).await.events(), ["CommunityUpdated"]);
    let body = json!({ "community_id": community_id, "description": null });
    world.send(&owner, "update-community", body).await.accepted();
    let stored = world.last_payload("community", &community_id).await;
    let expected = json!({
        "description": null, "logo_uri": "https://example.org/logo.png", "banner_uri": null,
    });
    assert_eq!(stored["CommunityUpdated"], expected, "null clears, what is absent stays");
    let body = json!({ "community_id": unknown_id(), "description": "x" });
    world.send(&owner, "update-community", body).await.refused(404, "REL-10");
    let loaded = world.app.log.load::<Community>(&community_id).await.unwrap();
    assert_eq!(loaded.state.owner().map(Actor::member), Some(owner.actor));
}

#[tokio::test]
async fn com_16_admins_see_to_a_community_once_its_owners_account_is_deleted() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let (other, auditor) = (world.member().await, world.admin(&[AdminScope::Auditor]).await);
    let another_category = world.category(&admin).await;
    let update = json!({
        "community_id": community_id,
        "description": "In good hands.",
        "category_id": another_category,
    });
    let rules = json!({ "community_id": community_id, "rules": ["Be kind."] });
    // Neither a request nor a mark is the end of an account.
    for command in ["suspend-member", "mark-member-for-deletion", "delete-member"] {
        world.send(&admin, "update-community", update.clone()).await.refused(403, "COM-07");
        world.send(&admin, "set-community-rules", rules.clone()).await.refused(403, "COM-07");
        let mut body = json!({ "member_id": owner.id() });
        if command == "mark-member-for-deletion" {
            body["reason"] = "Asked for by letter.".into();
        }
        world.send(&admin, command, body).await.accepted();
    }
    world.send(&other, "update-community", update.clone()).await.refused(403, "COM-07");
    world.send(&other, "set-community-rules", rules.clone()).await.refused(403, "RUL-04");
    for (command, body) in [("update-community", &update), ("set-community-rules", &rules)] {
        world.send(&auditor, command, body.clone()).await.refused(403, "ROL-01");
    }
    let tended = world.send(&admin, "update-community", update.clone()).await;
    assert_eq!(tended.events(), ["CommunityUpdated", "CommunityRecategorised"]);
    let set = world.send(&admin, "set-community-rules", rules.clone()).await;
    assert_eq!(set.events(), ["CommunityRulesSet"]);
    // A process that has nothing in its cache decides the same.
    let twin = world.twin().await;
    assert!(twin.send(&admin, "set-community-rules", rules).await.events().is_empty());
    let loaded = twin.app.log.load_fresh::<Community>(&community_id).await.unwrap();
    assert_eq!(loaded.state.owner().map(Actor::member), Some(owner.actor));
    let reason = json!({ "community_id": community_id, "reason": "Nobody sees to it." });
    world.send(&admin, "delete-community", reason).await.accepted();
    world.send(&admin, "update-community", update).await.refused(410, "COM-09");
}

#[tokio::test]
async fn com_08_com_09_mod_06_mod_07_the_owner_or_an_admin_deletes_and_an_admin_restores() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let other = world.member().await;
    let post_id = world.post(&owner, &community_id).await;
    let body = json!({ "community_id": community_id });
    let reasoned = json!({ "community_id": community_id, "reason": "Nobody sees to it." });
    world.send(&other, "delete-community", reasoned.clone()).await.refused(403, "COM-08");
    for person in [&owner, &admin] {
        let moderates = person.actor == admin.actor;
        if moderates {
            let silent = world.send(person, "delete-community", body.clone()).await;
            silent.refused(422, "MOD-06");
        }
        let deleted = world.send(person, "delete-community", reasoned.clone()).await;
        let moderated = ["CommunityDeleted", "CommunityModerated"];
        assert_eq!(deleted.events(), moderated[..1 + usize::from(moderates)]);
        assert!(world.send(person, "delete-community", reasoned.clone()).await.events().is_empty());
        // Nobody posts, joins, votes or changes anything there.
        let post =
            json!({ "community_id": community_id, "title": "A title", "body": "A body text" });
        world.send(&owner, "create-post", post).await.refused(404, "PST-06");
        world.send(&other, "join-community", body.clone()).await.refused(404, "MSH-04");
        world.send(&other, "visit-community", body.clone()).await.refused(404, "REC-06");
        let vote = json!({ "target": { "kind": "post", "id": post_id }, "vote_state": "upvote" });
        world.send(&other, "cast-vote", vote).await.refused(410, "PVT-08");
        let update = json!({ "community_id": community_id, "description": "x" });
        world.send(&owner, "update-community", update).await.refused(410, "COM-09");
        world.send(&owner, "restore-community", body.clone()).await.refused(403, "COM-08");
        world.send(&admin, "restore-community", body.clone()).await.refused(422, "MOD-06");
        let restored = world.send(&admin, "restore-community", reasoned.clone()).await;
        assert_eq!(restored.events(), ["CommunityRestored", "CommunityModerated"]);
        let again = world.send(&admin, "restore-community", reasoned.clone()).await;
        assert!(again.events().is_empty());
    }
    for command in ["delete-community", "restore-community"] {
        let body = json!({ "community_id": unknown_id() });
        world.send(&admin, command, body).await.refused(404, "REL-10");
    }
}

#[tokio::test]
async fn com_12_com_13_a_member_creates_a_community_and_is_its_first_member() {
    let world = World::new().await;
    let Settled { admin, owner, category_id, .. } = world.settled().await;
    let body = json!({ "name": "kernel-talk", "category_id": category_id });
    world.guest("create-community", body.clone()).await.refused(401, "SES-13");
    world.send(&admin, "create-community", body.clone()).await.refused(403, "COM-12");
    let made = world.send(&owner, "create-community", body).await;
    assert_eq!(made.events(), ["CommunityCreated", "CommunityJoined"]);
    let stored = world.last_payload("community", &made.id()).await;
    assert_eq!(stored["CommunityCreated"]["owner"], owner.id());
    let stream =
        Membership::stream_id(made.id().parse().unwrap(), owner.actor.as_member().unwrap());
    assert!(world.app.log.load_fresh::<Membership>(&stream).await.unwrap().state.is_member());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn com_15_of_creates_at_once_with_one_folded_name_one_succeeds() {
    let world = World::new().await;
    let twin = world.twin().await;
    let Settled { owner, category_id, .. } = world.settled().await;
    let other = twin.member().await;
    for round in 0..10 {
        let body =
            |name: &str| json!({ "name": format!("{name}-{round}"), "category_id": category_id });
        let (one, two) = tokio::join!(
            world.send(&owner, "create-community", body("Kernel")),
            twin.send(&other, "create-community", body("kernel")),
        );
        let (accepted, refused) = if one.status == 200 { (one, two) } else { (two, one) };
        accepted.accepted();
        refused.refused(422, "COM-02");
    }
}
