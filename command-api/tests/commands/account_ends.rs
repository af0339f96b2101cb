//! MEM, ADM, CRD: how accounts end.

use agora_domain::identity::{credential::Credential, member::Member};
use serde_json::{Value, json};

use crate::common::{Answer, PASSWORD, Person, World, unknown_id};

fn of(member: &Person) -> Value {
    json!({ "member_id": member.id() })
}

async fn mark(world: &World, admin: &Person, member: &Person) -> Answer {
    let body = json!({ "member_id": member.id(), "reason": "Asked for by letter." });
    world.send(admin, "mark-member-for-deletion", body).await
}

async fn register(world: &World, email: &str) -> Answer {
    world.guest("register-member", json!({ "email": email, "password": PASSWORD })).await
}

#[tokio::test]
async fn mem_06_mem_08_crd_08_a_member_asks_for_its_deletion_with_its_password() {
    let world = World::new().await;
    let member = world.member().await;
    let phone = world.another_session(&member).await;
    let wrong = json!({ "password": "not the password" });
    world.send(&member, "request-account-deletion", wrong).await.refused(403, "CRD-08");
    let asked =
        world.send(&member, "request-account-deletion", json!({ "password": PASSWORD })).await;
    assert_eq!(
        asked.events(),
        ["MemberDeletionPending", "SessionRevoked", "SessionRevoked", "PrincipalSessionsChanged"]
    );
    for session in [&member, &phone] {
        world.send(session, "log-out", json!({})).await.refused(401, "SES-04");
    }
    // It still reads and follows its request, and asking again changes nothing.
    let again = world.log_in(&member).await;
    let body = json!({ "display_name": "Ola" });
    world.send(&again, "change-display-name", body).await.refused(403, "MEM-05");
    let body = json!({ "password": PASSWORD });
    let asked = world.send(&again, "request-account-deletion", body).await;
    assert!(!asked.events().contains(&"MemberDeletionPending"));
}

#[tokio::test]
async fn mem_05_a_suspended_member_may_ask_for_its_deletion() {
    let world = World::new().await;
    let (admin, member) = (world.admin(&[]).await, world.member().await);
    world.send(&admin, "suspend-member", of(&member)).await.accepted();
    let member = world.log_in(&member).await;
    let body = json!({ "password": PASSWORD });
    world.send(&member, "request-account-deletion", body).await.accepted();
    // Taking it back does not lift the suspension.
    let cancelled = world.send(&admin, "cancel-account-deletion", of(&member)).await;
    assert_eq!(cancelled.events(), ["MemberDeletionRejected", "MemberSuspended"]);
}

#[tokio::test]
async fn mem_08_an_admin_marks_with_a_reason_and_only_what_is_marked_is_deleted_or_taken_back() {
    let world = World::new().await;
    let (admin, member) = (world.admin(&[]).await, world.member().await);
    for command in ["delete-member", "cancel-account-deletion"] {
        world.send(&admin, command, of(&member)).await.refused(409, "MEM-08");
        let nobody = json!({ "member_id": unknown_id() });
        world.send(&admin, command, nobody).await.refused(404, "REL-10");
    }
    world.send(&admin, "mark-member-for-deletion", of(&member)).await.problem(400);
    let marked = mark(&world, &admin, &member).await;
    assert_eq!(
        marked.events(),
        ["MemberDeletionPending", "SessionRevoked", "PrincipalSessionsChanged"]
    );
    let stored = world.last_payload("member", &member.id()).await;
    let reason = stored["MemberDeletionPending"]["reason"].as_str().unwrap();
    assert!(reason.starts_with(&format!("sealed:v1:content:{}:", member.id())), "{reason}");
    assert!(mark(&world, &admin, &member).await.events().is_empty());
    let cancelled = world.send(&admin, "cancel-account-deletion", of(&member)).await;
    assert_eq!(cancelled.events(), ["MemberDeletionRejected"]);
    let member = world.log_in(&member).await;
    world.send(&member, "change-display-name", json!({ "display_name": "Ola" })).await.accepted();
}

#[tokio::test]
async fn mem_07_crd_04_crd_11_a_deleted_member_is_gone_and_its_address_is_free() {
    let world = World::new().await;
    let (admin, member) = (world.admin(&[]).await, world.member().await);
    mark(&world, &admin, &member).await.accepted();
    let waiting = world.log_in(&member).await;
    register(&world, &member.email).await.refused(422, "CRD-01");
    let deleted = world.send(&admin, "delete-member", of(&member)).await;
    assert_eq!(
        deleted.events(),
        ["MemberDeleted", "CredentialInvalidated", "SessionRevoked", "PrincipalSessionsChanged"]
    );
    world.send(&waiting, "log-out", json!({})).await.refused(401, "SES-04");
    let body = json!({ "email": member.email, "password": PASSWORD });
    world.guest("log-in", body).await.refused(401, "CRD-09");
    assert!(world.send(&admin, "delete-member", of(&member)).await.events().is_empty());
    mark(&world, &admin, &member).await.refused(410, "MEM-07");
    let state = world.app.log.load::<Member>(&member.id()).await.unwrap().state;
    let credential_id = state.credential_id().unwrap().to_string();
    let credential = world.app.log.load::<Credential>(&credential_id).await.unwrap();
    assert!(!credential.state.is_valid());
    // The address is somebody else's now, under another id.
    assert_ne!(register(&world, &member.email).await.id(), member.id());
}

#[tokio::test]
async fn adm_05_crd_04_an_admin_is_deleted_by_another_and_the_last_one_stays() {
    let world = World::new().await;
    let (first, second) = (world.admin(&[]).await, world.admin(&[]).await);
    let of = |admin: &Person| json!({ "admin_id": admin.id() });
    world.send(&first, "delete-admin", of(&first)).await.refused(403, "ADM-05");
    let deleted = world.send(&first, "delete-admin", of(&second)).await;
    assert_eq!(
        deleted.events(),
        [
            "AdminDeleted",
            "AdminRosterChanged",
            "CredentialInvalidated",
            "SessionRevoked",
            "PrincipalSessionsChanged"
        ]
    );
    world.send(&second, "log-out", json!({})).await.problem(401);
    let body = json!({ "email": second.email, "password": PASSWORD });
    world.guest("log-in", body).await.refused(401, "CRD-09");
    assert!(world.send(&first, "delete-admin", of(&second)).await.events().is_empty());
    world.send(&first, "delete-admin", of(&first)).await.refused(409, "ADM-05");
    world.send(&first, "reinstate-admin", of(&second)).await.refused(409, "ADM-04");
    register(&world, &second.email).await.accepted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adm_05_of_two_admins_who_delete_each_other_at_once_one_stays() {
    let world = World::new().await;
    for _ in 0..5 {
        let (one, other) = (world.admin(&[]).await, world.admin(&[]).await);
        // Only these two are left.
        let of = |admin: &Person| json!({ "admin_id": admin.id() });
        let (by_one, by_other) = tokio::join!(
            world.send(&one, "delete-admin", of(&other)),
            world.send(&other, "delete-admin", of(&one)),
        );
        let done = [&by_one, &by_other].into_iter().filter(|answer| answer.status == 200).count();
        assert_eq!(done, 1, "{} {}", by_one.text, by_other.text);
        let left = if by_one.status == 200 { &one } else { &other };
        world.send(left, "log-out", json!({})).await.accepted();
    }
}
