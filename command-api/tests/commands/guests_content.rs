//! CMT, CVT, PVT: what guests write and vote, where the configuration lets them.

use agora_command_api::Settings;
use chrono::Utc;
use serde_json::{Value, json};

use crate::common::{Settled, World, actor_json, unknown_id};

async fn allow(world: &World, settled: &Settled, key: &str) {
    let body = json!({ "key": key, "value": "true" });
    world.send(&settled.admin, "set-configuration", body).await.accepted();
}

fn comment(post_id: &str) -> Value {
    json!({ "post_id": post_id, "body": "A comment of some length." })
}

fn vote(kind: &str, id: &str, state: &str) -> Value {
    json!({ "target": { "kind": kind, "id": id }, "vote_state": state })
}

fn guest_json(id: &str) -> Value {
    json!({ "kind": "guest", "id": id })
}

#[tokio::test]
async fn cmt_09_guest_comments_are_off_until_the_configuration_allows_them() {
    let world = World::new().await;
    let settled = world.settled().await;
    let post_id = world.post(&settled.owner, &settled.community_id).await;
    let guest = world.visitor().await;
    world.guest("create-comment", comment(&post_id)).await.refused(401, "SES-13");
    let off = world.send_as_guest(&guest, "create-comment", comment(&post_id)).await;
    off.refused(403, "CMT-09");
    allow(&world, &settled, "allow_guest_comments").await;
    world.guest("create-comment", comment(&post_id)).await.refused(401, "SES-13");
    let answer = world.send_as_guest(&guest, "create-comment", comment(&post_id)).await;
    assert_eq!(answer.events(), ["CommentCreated"]);
    let stored = world.last_payload("comment", &answer.id()).await;
    assert_eq!(stored["CommentCreated"]["author"], guest_json(&guest.id));
    assert!(stored["CommentCreated"]["body"].as_str().unwrap().starts_with("sealed:v1:content:"));
    // No name, and no address that would stay as long as the comment does.
    let mut named = comment(&post_id);
    named["display_name"] = "Kari".into();
    world.send_as_guest(&guest, "create-comment", named).await.refused(422, "CMT-09");
    let address: String =
        sqlx::query_scalar("SELECT metadata->>'ip' FROM log.events WHERE aggregate_id = $1")
            .bind(answer.id())
            .fetch_one(&world.database.pool)
            .await
            .unwrap();
    let day = format!("sealed:v1:network:day-{}", Utc::now().date_naive());
    assert!(address.starts_with(&day), "{address}");
    // A post's own rules hold for guests as for others.
    let nowhere = comment(&unknown_id());
    world.send_as_guest(&guest, "create-comment", nowhere).await.refused(404, "CMT-08");
}

#[tokio::test]
async fn cmt_10_a_guest_changes_its_own_comments_with_the_same_signature_only() {
    let world = World::new().await;
    let settled = world.settled().await;
    allow(&world, &settled, "allow_guest_comments").await;
    let post_id = world.post(&settled.owner, &settled.community_id).await;
    let (guest, other) = (world.visitor().await, world.visitor().await);
    let id = world.send_as_guest(&guest, "create-comment", comment(&post_id)).await.id();
    let body = json!({ "comment_id": id, "body": "Other words." });
    let named = json!({ "comment_id": id });
    world.send_as_guest(&other, "edit-comment", body.clone()).await.refused(403, "CMT-10");
    world.send_as_guest(&other, "delete-comment", named.clone()).await.refused(403, "CMT-10");
    world.send(&settled.owner, "edit-comment", body.clone()).await.refused(403, "CMT-10");
    let edited = world.send_as_guest(&guest, "edit-comment", body.clone()).await;
    assert_eq!(edited.events(), ["CommentEdited"]);
    let deleted = world.send_as_guest(&guest, "delete-comment", named.clone()).await;
    assert_eq!(deleted.events(), ["CommentDeleted"]);
    let restored = world.send_as_guest(&guest, "restore-comment", named.clone()).await;
    assert_eq!(restored.events(), ["CommentRestored"]);
    // An admin moderates a guest's comment as anybody's.
    let with_reason = json!({ "comment_id": id, "reason": "Spam." });
    let moderated = world.send(&settled.admin, "delete-comment", with_reason).await;
    assert_eq!(moderated.events(), ["CommentDeleted", "CommentModerated"]);
    world.send_as_guest(&guest, "restore-comment", named.clone()).await.refused(403, "CMT-10");
    // Switched off again, guests write nothing; they may still take back what they wrote.
    let id = world.send_as_guest(&guest, "create-comment", comment(&post_id)).await.id();
    let off = json!({ "key": "allow_guest_comments", "value": "false" });
    world.send(&settled.admin, "set-configuration", off).await.accepted();
    let (edit, named) = (json!({ "comment_id": id, "body": "More." }), json!({ "comment_id": id }));
    world.send_as_guest(&guest, "edit-comment", edit).await.refused(403, "CMT-09");
    world.send_as_guest(&guest, "delete-comment", named).await.accepted();
}

#[tokio::test]
async fn cmt_09_guests_are_limited_each_and_by_address() {
    let settings =
        Settings { guest_acts_per_guest: 2, guest_acts_per_address: 5, ..Settings::default() };
    let world = World::with(settings).await;
    let settled = world.settled().await;
    allow(&world, &settled, "allow_guest_comments").await;
    let post_id = world.post(&settled.owner, &settled.community_id).await;
    let guest = world.visitor().await;
    for _ in 0..2 {
        world.send_as_guest(&guest, "create-comment", comment(&post_id)).await.accepted();
    }
    let limited = world.send_as_guest(&guest, "create-comment", comment(&post_id)).await;
    limited.refused(429, "CMT-09");
    assert!(limited.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    // Another signature helps only until the address has had enough.
    let mut accepted = 2;
    for _ in 0..5 {
        let fresh = world.visitor().await;
        let answer = world.send_as_guest(&fresh, "create-comment", comment(&post_id)).await;
        accepted += u32::from(answer.status == 200);
        assert!(matches!(answer.status, 200 | 429), "{}", answer.text);
    }
    assert_eq!(accepted, 5);
    // Who has an account is not counted.
    world.send(&settled.owner, "create-comment", comment(&post_id)).await.accepted();
}

#[tokio::test]
async fn cvt_03_cvt_05_cvt_06_pvt_03_guests_vote_on_others_comments_where_allowed() {
    let world = World::new().await;
    let settled = world.settled().await;
    allow(&world, &settled, "allow_guest_comments").await;
    let post_id = world.post(&settled.owner, &settled.community_id).await;
    let guest = world.visitor().await;
    let own = world.send_as_guest(&guest, "create-comment", comment(&post_id)).await.id();
    let others = world.send(&settled.owner, "create-comment", comment(&post_id)).await.id();
    let up = vote("comment", &others, "upvote");
    world.send_as_guest(&guest, "cast-vote", up.clone()).await.refused(403, "CVT-06");
    allow(&world, &settled, "allow_guest_votes").await;
    world.guest("cast-vote", up.clone()).await.refused(401, "SES-13");
    let answer = world.send_as_guest(&guest, "cast-vote", up.clone()).await;
    assert_eq!(answer.events(), ["CommentVoteCast"]);
    assert_eq!(answer.id(), format!("{others}:guest:{}", guest.id));
    let stored = world.last_payload("comment_vote", &answer.id()).await;
    assert_eq!(stored["CommentVoteCast"]["voter"], guest_json(&guest.id));
    assert!(world.send_as_guest(&guest, "cast-vote", up).await.events().is_empty());
    let none = vote("comment", &others, "none");
    let back = world.send_as_guest(&guest, "cast-vote", none).await;
    assert_eq!(back.events(), ["CommentVoteCast"]);
    let on_own = vote("comment", &own, "upvote");
    world.send_as_guest(&guest, "cast-vote", on_own.clone()).await.refused(403, "CVT-03");
    // Members vote on what a guest wrote.
    let answer = world.send(&settled.owner, "cast-vote", on_own).await;
    let stored = world.last_payload("comment_vote", &answer.id()).await;
    assert_eq!(stored["CommentVoteCast"]["voter"], actor_json(settled.owner.actor));
    // Never on posts, whatever the configuration says.
    let on_post = vote("post", &post_id, "upvote");
    world.send_as_guest(&guest, "cast-vote", on_post).await.refused(403, "PVT-03");
}

#[tokio::test]
async fn pst_05_gst_02_a_guest_does_not_post_nor_has_it_a_password() {
    let world = World::new().await;
    let settled = world.settled().await;
    let guest = world.visitor().await;
    let post = json!({
        "community_id": settled.community_id,
        "title": "A title of some length",
        "body": "A body of some more length.",
    });
    world.send_as_guest(&guest, "create-post", post).await.refused(403, "PST-05");
    let change = json!({ "current_password": "x", "new_password": "an uncommon phrase" });
    world.send_as_guest(&guest, "change-password", change).await.refused(403, "ROL-01");
}
