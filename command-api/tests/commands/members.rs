//! MEM: members, and what suspension and deletion keep them from.

use agora_domain::identity::member::{MarkMemberForDeletion, Member, MemberCommand};
use serde_json::{Value, json};

use crate::common::{PASSWORD, Person, Settled, World, unique};

#[tokio::test]
async fn mem_01_a_display_name_has_at_most_32_characters() {
    let world = World::new().await;
    let member = world.member().await;
    let change =
        |name: Value| world.send(&member, "change-display-name", json!({ "display_name": name }));
    let long = change("å".repeat(33).into()).await;
    long.refused(422, "MEM-01");
    assert_eq!(long.wrong_fields(), [("/display_name", Some("MEM-01"))]);
    for name in ["", "O", &"å".repeat(32)] {
        assert_eq!(change(name.into()).await.events(), ["DisplayNameChanged"], "{name}");
        assert!(change(name.into()).await.events().is_empty(), "the same again changes nothing");
    }
    assert_eq!(change(Value::Null).await.events(), ["DisplayNameChanged"]);
    world.send(&member, "change-display-name", json!({})).await.problem(400);
}

#[tokio::test]
async fn mem_03_adm_02_an_address_is_a_members_or_an_admins_and_never_both() {
    let world = World::new().await;
    let (member, admin) = (world.member().await, world.admin(&[]).await);
    let body = |email: &str| json!({ "email": email.to_uppercase(), "password": PASSWORD });
    let before = world.head().await;
    world.send(&admin, "create-admin", body(&member.email)).await.refused(422, "CRD-01");
    world.guest("register-member", body(&admin.email)).await.refused(422, "CRD-01");
    world.guest("register-member", body(&member.email)).await.refused(422, "CRD-01");
    assert_eq!(world.head().await, before);
}

/// What a member who may not write is refused, and how.
async fn is_refused_to_write(world: &World, person: &Person, settled: &Settled, post_id: &str) {
    let community = json!({ "community_id": settled.community_id });
    let writes = [
        (
            "create-post",
            json!({ "community_id": settled.community_id, "title": "A title", "body": "Some body text" }),
        ),
        ("edit-post", json!({ "post_id": post_id, "title": "Another title" })),
        ("delete-post", json!({ "post_id": post_id })),
        ("restore-post", json!({ "post_id": post_id })),
        ("cast-vote", json!({ "target": { "kind": "post", "id": post_id }, "vote_state": "none" })),
        ("join-community", community.clone()),
        ("leave-community", community.clone()),
        ("visit-community", community.clone()),
        (
            "create-community",
            json!({ "name": unique("community"), "category_id": settled.category_id }),
        ),
        ("update-community", json!({ "community_id": settled.community_id, "description": "x" })),
        ("delete-community", community),
        ("change-display-name", json!({ "display_name": "Ola" })),
    ];
    let before = world.head().await;
    for (command, body) in writes {
        world.send(person, command, body).await.refused(403, "MEM-05");
    }
    assert_eq!(world.head().await, before, "nothing was appended");
}

#[tokio::test]
async fn mem_04_mem_05_a_suspended_member_logs_in_and_writes_nothing() {
    let world = World::new().await;
    let settled = world.settled().await;
    let post_id = world.post(&settled.owner, &settled.community_id).await;
    let suspend = json!({ "member_id": settled.owner.id(), "reason": "Spam." });
    let answer = world.send(&settled.admin, "suspend-member", suspend).await;
    assert_eq!(answer.events(), ["MemberSuspended", "SessionRevoked", "PrincipalSessionsChanged"]);
    let suspended = world.log_in(&settled.owner).await;
    is_refused_to_write(&world, &suspended, &settled, &post_id).await;

    let other = world.log_in(&settled.owner).await;
    let body = json!({ "session_id": other.session_id });
    assert_eq!(world.send(&suspended, "revoke-session", body).await.events().len(), 2);
    let body = json!({ "current_password": PASSWORD, "new_password": "a phrase of my own" });
    assert_eq!(world.send(&suspended, "change-password", body).await.events(), ["PasswordChanged"]);
    world.send(&suspended, "log-out", json!({})).await.accepted();
}

#[tokio::test]
async fn mem_05_a_reinstated_member_writes_again() {
    let world = World::new().await;
    let settled = world.settled().await;
    let body = json!({ "member_id": settled.owner.id() });
    world.send(&settled.admin, "suspend-member", body.clone()).await.accepted();
    let owner = world.log_in(&settled.owner).await;
    let again = world.send(&settled.admin, "suspend-member", body.clone()).await;
    assert!(again.events().is_empty(), "and its session stays");
    let reinstated = world.send(&settled.admin, "reinstate-member", body.clone()).await;
    assert_eq!(reinstated.events(), ["MemberReinstated"]);
    assert!(world.send(&settled.admin, "reinstate-member", body).await.events().is_empty());
    world.post(&owner, &settled.community_id).await;
}

#[tokio::test]
async fn mem_06_mem_08_who_waits_for_deletion_writes_nothing_and_cannot_be_suspended() {
    let world = World::new().await;
    let settled = world.settled().await;
    let post_id = world.post(&settled.owner, &settled.community_id).await;
    let body = json!({ "member_id": settled.owner.id(), "reason": "Asked for by letter." });
    world.send(&settled.admin, "mark-member-for-deletion", body).await.accepted();
    // To follow the deletion it logs in again.
    let owner = world.another_session(&settled.owner).await;
    is_refused_to_write(&world, &owner, &settled, &post_id).await;
    let body = json!({ "member_id": settled.owner.id() });
    for command in ["suspend-member", "reinstate-member"] {
        world.send(&settled.admin, command, body.clone()).await.refused(403, "MEM-06");
    }
}

#[tokio::test]
async fn mem_07_a_deleted_member_is_gone_for_good() {
    let world = World::new().await;
    let (admin, member) = (world.admin(&[]).await, world.member().await);
    let mark = MarkMemberForDeletion { requested_by: admin.actor, reason: None };
    for command in [MemberCommand::MarkForDeletion(mark), MemberCommand::Delete] {
        world.decide::<Member>(&member.id(), command).await;
    }
    world.send(&member, "log-out", json!({})).await.refused(401, "MEM-07");
    let body = json!({ "member_id": member.id() });
    world.send(&admin, "suspend-member", body.clone()).await.refused(410, "MEM-07");
    world.send(&admin, "reinstate-member", body).await.refused(410, "MEM-07");
    let body = json!({ "email": member.email, "password": PASSWORD });
    world.guest("log-in", body).await.refused(401, "SES-03");
}

#[tokio::test]
async fn mem_09_every_event_of_a_member_has_its_time() {
    let world = World::new().await;
    let member = world.member().await;
    let body = json!({ "display_name": "Ola" });
    world.send(&member, "change-display-name", body).await.accepted();
    let in_order: bool = sqlx::query_scalar(
        "SELECT count(*) = 2 AND min(recorded_at) < max(recorded_at)
         FROM log.events WHERE aggregate_type = 'member' AND aggregate_id = $1",
    )
    .bind(member.id())
    .fetch_one(&world.database.pool)
    .await
    .unwrap();
    assert!(in_order);
}
