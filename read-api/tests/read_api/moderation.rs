//! Moderation as everybody, the author, admins and auditors read it.

use agora_domain::{
    Personal, PersonalCategory,
    content::{
        moderation::ModerationAction,
        moderation_appeal::{
            AppealOutcome, ModeratedKind, Moderation, ModerationAppeal, ModerationAppealEvent,
        },
        post::{Post, PostEvent},
    },
    identity::values::AdminScope,
    ids::{CommunityId, ModerationId, PostId},
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
async fn pst_15_mod_06_a_removed_post_stays_readable_for_its_author_with_the_reason() {
    let world = World::new().await;
    let (author, admin) = (world.member(None).await, world.admin(&[]).await);
    let community = world.community_of(&author, "rustaceans").await;
    let post = world.post(&author, community, "A post of the past").await;
    let path = format!("/v1/posts/{post}");
    let deleted = PostEvent::PostDeleted { deleted_by: admin.actor };
    let delete = ModerationAction::Delete;
    moderate(&world, &admin, &author, post, community, deleted, delete).await;
    world.project().await;
    let shown = world.get_as(&author, &path).await.ok();
    assert_eq!(shown["title"], "A post of the past");
    assert_eq!(shown["removal"]["reason"], "Ærlig talt, spam.", "{shown}");
    assert_eq!(shown["removal"]["performed_adminuser_id"], admin.id().to_string());
    let notices = world.get_as(&author, "/v1/me/moderation-notices").await.ok();
    assert_eq!(shown["removal"]["moderation_id"], notices["items"][0]["id"]);
    world.get(&path).await.problem(404);
    world.get_as(&admin, &path).await.problem(404);
    // Restored by an admin and then deleted by its author, it was not removed.
    let restored = PostEvent::PostRestored { restored_by: admin.actor };
    let restore = ModerationAction::Restore;
    moderate(&world, &admin, &author, post, community, restored, restore).await;
    world.delete_post(&author, post).await;
    world.project().await;
    let shown = world.get_as(&author, &path).await.ok();
    assert!(shown["deleted_at"].is_string() && shown.get("removal").is_none());
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

#[tokio::test]
async fn mod_08_an_appeal_is_read_by_who_lodged_it_and_by_who_decides() {
    let world = World::new().await;
    let (author, admin) = (world.member(None).await, world.admin(&[]).await);
    let (other, auditor) = (world.admin(&[]).await, world.admin(&[AdminScope::Auditor]).await);
    let community = world.community_of(&author, "rustaceans").await;
    let post = world.post(&author, community, "A post of the past").await;
    let deleted = PostEvent::PostDeleted { deleted_by: admin.actor };
    let delete = ModerationAction::Delete;
    moderate(&world, &admin, &author, post, community, deleted, delete).await;
    world.project().await;
    let notices = || async { world.get_as(&author, "/v1/me/moderation-notices").await.ok() };
    let notice = notices().await["items"][0].clone();
    assert_eq!(notice["appeal"], Value::Null);
    let id = ModerationId(notice["id"].as_str().unwrap().parse().unwrap());
    let (subject, content) = (author.actor.subject(), PersonalCategory::Content);
    let lodged = ModerationAppealEvent::ModerationAppealLodged {
        against: Moderation {
            moderation_id: id,
            kind: ModeratedKind::Post,
            thing_id: post.0,
            community_id: Some(community),
            action: delete,
            moderator: admin.actor,
            affected: author.actor,
        },
        appellant: author.actor,
        text: Personal::new(subject.clone(), content, "It was no spam.".parse().unwrap()),
    };
    world.append::<ModerationAppeal>(author.actor, id, vec![lodged]).await;
    world.project().await;
    for reader in [&other, &auditor] {
        let open = world.get_as(reader, "/v1/appeals?open=true").await.ok();
        let appeal = &open["items"][0];
        assert_eq!(appeal["id"], id.to_string());
        assert_eq!(appeal["community_platform_post_id"], post.to_string());
        assert_eq!(appeal["appellant_memberuser_id"], author.id().to_string());
        assert_eq!(appeal["text"], "It was no spam.");
        assert_eq!((&appeal["outcome"], &appeal["sequence"]), (&Value::Null, &1.into()));
    }
    world.get_as(&author, "/v1/appeals").await.problem(403);
    world.get("/v1/appeals").await.problem(401);
    let decided = ModerationAppealEvent::ModerationAppealDecided {
        decided_by: other.actor,
        outcome: AppealOutcome::Upheld,
        reason: Personal::new(subject, content, "It was.".parse().unwrap()),
    };
    world.append::<ModerationAppeal>(other.actor, id, vec![decided]).await;
    world.project().await;
    let none = world.get_as(&other, "/v1/appeals?open=true").await.ok();
    assert!(none["items"].as_array().unwrap().is_empty());
    let all = world.get_as(&other, "/v1/appeals?limit=1").await.ok();
    assert_eq!(all["items"][0]["decided_adminuser_id"], other.id().to_string());
    let appeal = notices().await["items"][0]["appeal"].clone();
    assert_eq!(
        (&appeal["outcome"], &appeal["decision_reason"]),
        (&"upheld".into(), &"It was.".into())
    );
    // Erased, nobody reads it any more.
    world.erase(&author).await;
    let all = world.another_instance().get_as(&other, "/v1/appeals").await.ok();
    assert_eq!(
        (&all["items"][0]["text"], &all["items"][0]["outcome"]),
        (&Value::Null, &"upheld".into())
    );
}
