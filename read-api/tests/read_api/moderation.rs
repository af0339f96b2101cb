//! Moderation as everybody, the author, admins and auditors read it.

use agora_domain::{
    Personal, PersonalCategory,
    content::{
        moderation::ModerationAction,
        post::{Post, PostEvent},
    },
    identity::values::AdminScope,
    ids::{CommunityId, PostId},
};
use serde_json::Value;

use crate::world::{User, World};

async fn moderate(
    world: &World,
    admin: &User,
    author: &User,
    post: PostId,
    community_id: CommunityId,
    change: PostEvent,
    action: ModerationAction,
) {
    let text = "Ærlig talt, spam.".parse().unwrap();
    let moderated = PostEvent::PostModerated {
        action,
        moderator: admin.actor,
        reason: Personal::new(author.actor.subject(), PersonalCategory::Content, text),
        community_id: Some(community_id),
        author: Some(author.actor),
    };
    world.append::<Post>(admin.actor, post, vec![change, moderated]).await;
}

#[tokio::test]
async fn mod_03_mod_04_mod_05_mod_06_mod_08_each_sees_what_is_for_it() {
    let world = World::new().await;
    let (author, admin) = (world.member(Some("Ada")).await, world.admin(&[]).await);
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    let community = world.community_of(&author, "rustaceans").await;
    let post = world.post(&author, community, "A post of the past").await;
    let by = admin.actor;
    for (change, action) in [
        (PostEvent::PostDeleted { deleted_by: by }, ModerationAction::Delete),
        (PostEvent::PostRestored { restored_by: by }, ModerationAction::Restore),
    ] {
        moderate(&world, &admin, &author, post, community, change, action).await;
    }
    // What its author does is no moderation (MOD-03).
    world.edit_post(&author, post, "Another title").await;
    world.project().await;

    let public = world.get("/v1/communities/rustaceans/moderation-log").await;
    assert!(!public.body.contains("spam") && !public.body.contains(&author.id().to_string()));
    let public = public.ok();
    let acts: Vec<&Value> =
        public["items"].as_array().unwrap().iter().map(|entry| &entry["action_type"]).collect();
    assert_eq!(acts, ["restore", "delete"], "the newest first");
    let part = world.get("/v1/communities/rustaceans/moderation-log?limit=1").await.ok();
    let next = part["next"].as_str().unwrap();
    let rest = world
        .get(&format!("/v1/communities/rustaceans/moderation-log?limit=1&cursor={next}"))
        .await
        .ok();
    assert_eq!(rest["items"][0]["action_type"], "delete");

    let notices = world.get_as(&author, "/v1/me/moderation-notices").await.ok();
    assert_eq!(notices["items"][0]["action_reason"], "Ærlig talt, spam.");
    let others = world.member(None).await;
    let none = world.get_as(&others, "/v1/me/moderation-notices").await.ok();
    assert!(none["items"].as_array().unwrap().is_empty());

    for reader in [&admin, &auditor] {
        let all = world.get_as(reader, "/v1/moderation-log").await.ok();
        assert_eq!(all["items"].as_array().unwrap().len(), 2);
        assert_eq!(all["items"][1]["performed_adminuser_id"], admin.id().to_string());
    }
    world.get_as(&author, "/v1/moderation-log").await.problem(403);
    // Restored, it is there again as it was, and then as its author edited it.
    let shown = world.get(&format!("/v1/posts/{post}")).await.ok();
    assert_eq!((&shown["title"], &shown["deleted_at"]), (&"Another title".into(), &Value::Null));
}
