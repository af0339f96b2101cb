//! ADM: admins, their scopes, and that one always stays.

use agora_command_api::{
    bootstrap::{BootstrapAdmin, NewAdmin},
    commands::register_member::NewPassword,
    execute::{Caller, Conditions, execute},
};
use agora_domain::identity::{admin_roster::AdminRoster, values::AdminScope};
use serde_json::json;

use crate::common::{PASSWORD, Settled, World, actor_json, unknown_id};

#[tokio::test]
async fn adm_01_only_an_admin_makes_an_admin_who_then_logs_in() {
    let world = World::new().await;
    let (admin, member) = (world.admin(&[]).await, world.member().await);
    let body = json!({
        "email": "kari@example.org", "password": PASSWORD,
        "display_name": "Kari", "scopes": ["security", "global", "security"],
    });
    world.guest("create-admin", body.clone()).await.refused(401, "SES-13");
    world.send(&member, "create-admin", body.clone()).await.refused(403, "ADM-01");
    let made = world.send(&admin, "create-admin", body).await;
    assert_eq!(made.events(), ["CredentialRegistered", "AdminCreated", "AdminRosterChanged"]);
    let stored = world.last_payload("admin", &made.id()).await;
    assert_eq!(stored["AdminCreated"]["scopes"], json!(["global", "security"]));
    assert_eq!(stored["AdminCreated"]["created_by"], actor_json(admin.actor));
    let login = json!({ "email": "KARI@example.org", "password": PASSWORD });
    let login = world.guest("log-in", login).await;
    assert_eq!(login.body["result"]["principal"], json!({ "kind": "admin", "id": made.id() }));
}

#[tokio::test]
async fn adm_01_the_platform_makes_the_first_admin_and_no_other() {
    let world = World::new().await;
    let bootstrap = |email: &str| {
        BootstrapAdmin(NewAdmin {
            email: email.parse().unwrap(),
            password: NewPassword::Given(PASSWORD.into()),
            display_name: None,
            scopes: vec![AdminScope::Global],
        })
    };
    world.execute(bootstrap("admin@example.org")).await;
    let (caller, conditions) = (Caller::system(None), Conditions::default());
    let second = execute(&world.app, &caller, &conditions, bootstrap("b@example.org")).await;
    assert_eq!(second.unwrap_err().rule, Some("ADM-01"));
    world.get("/v1/commands/bootstrap-admin").await.problem(404 + 1);
    world.guest("bootstrap-admin", json!({})).await.problem(404);
}

#[tokio::test]
async fn adm_03_an_admin_moderates_and_manages_what_is_not_its_own() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let post_id = world.post(&owner, &community_id).await;
    let body = json!({ "post_id": post_id, "reason": "Off topic." });
    let deleted = world.send(&admin, "delete-post", body).await;
    assert_eq!(deleted.events(), ["PostDeleted", "PostModerated"]);
    let body = json!({ "community_id": community_id, "reason": "Off topic." });
    let deleted = world.send(&admin, "delete-community", body).await;
    assert_eq!(deleted.events(), ["CommunityDeleted", "CommunityModerated"]);
}

#[tokio::test]
async fn adm_04_a_suspended_or_retired_admin_is_refused_on_the_next_request() {
    let world = World::new().await;
    let (first, second) = (world.admin(&[]).await, world.admin(&[]).await);
    let body = json!({ "admin_id": second.id() });
    let login = json!({ "email": second.email, "password": PASSWORD });
    let suspended = world.send(&first, "suspend-admin", body.clone()).await;
    assert_eq!(
        suspended.events(),
        ["AdminSuspended", "AdminRosterChanged", "SessionRevoked", "PrincipalSessionsChanged"]
    );
    world.send(&second, "log-out", json!({})).await.refused(401, "SES-04");
    world.guest("log-in", login.clone()).await.refused(401, "SES-03");
    let late = world.another_session(&second).await;
    world.send(&late, "log-out", json!({})).await.refused(401, "ADM-04");

    let reinstated = world.send(&first, "reinstate-admin", body.clone()).await;
    assert_eq!(reinstated.events(), ["AdminReinstated", "AdminRosterChanged"]);
    assert!(world.send(&first, "reinstate-admin", body.clone()).await.events().is_empty());
    let second = world.log_in(&second).await;
    for command in ["suspend-admin", "retire-admin"] {
        world.send(&second, command, body.clone()).await.refused(403, "ADM-05");
    }
    for command in ["grant-admin-scope", "revoke-admin-scope"] {
        let own = json!({ "admin_id": second.id(), "scope": "auditor" });
        world.send(&second, command, own).await.refused(403, "ADM-06");
    }
    let retired = world.send(&first, "retire-admin", body.clone()).await;
    assert!(retired.events().contains(&"AdminRetired"));
    world.send(&second, "log-out", json!({})).await.refused(401, "SES-04");
    world.guest("log-in", login).await.refused(401, "SES-03");
    assert!(world.send(&first, "retire-admin", body.clone()).await.events().is_empty());
    for command in ["suspend-admin", "reinstate-admin"] {
        world.send(&first, command, body.clone()).await.refused(409, "ADM-04");
    }
}

#[tokio::test]
async fn adm_05_the_last_active_admin_stays() {
    let world = World::new().await;
    let (first, second) = (world.admin(&[]).await, world.admin(&[]).await);
    let (of_first, of_second) =
        (json!({ "admin_id": first.id() }), json!({ "admin_id": second.id() }));
    world.send(&first, "suspend-admin", of_second.clone()).await.accepted();
    let before = world.head().await;
    for command in ["suspend-admin", "retire-admin"] {
        world.send(&first, command, of_first.clone()).await.refused(409, "ADM-05");
    }
    assert_eq!(world.head().await, before);
    // Who is not active counts for nothing: it can be retired.
    assert_eq!(world.send(&first, "retire-admin", of_second).await.events(), ["AdminRetired"]);
    world.send(&first, "log-out", json!({})).await.accepted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adm_05_of_two_admins_who_suspend_each_other_at_once_one_stays() {
    let world = World::new().await;
    let twin = world.twin().await;
    for _ in 0..5 {
        let (first, second) = (world.admin(&[]).await, twin.admin(&[]).await);
        let roster = twin.app.log.load_fresh::<AdminRoster>(AdminRoster::STREAM_ID).await.unwrap();
        for admin in roster.state.active() {
            if ![first.actor.id, second.actor.id].contains(&admin.0) {
                let body = json!({ "admin_id": admin });
                world.send(&first, "retire-admin", body).await.accepted();
            }
        }
        let (of_first, of_second) =
            (json!({ "admin_id": first.id() }), json!({ "admin_id": second.id() }));
        let (one, other) = tokio::join!(
            world.send(&first, "suspend-admin", of_second),
            twin.send(&second, "suspend-admin", of_first),
        );
        let accepted = [&one, &other].iter().filter(|answer| answer.status == 200).count();
        assert_eq!(accepted, 1, "{} {}", one.text, other.text);
        let roster = twin.app.log.load_fresh::<AdminRoster>(AdminRoster::STREAM_ID).await.unwrap();
        assert_eq!(roster.state.active().len(), 1);
    }
}

#[tokio::test]
async fn adm_06_a_grant_tells_all_scopes_before_and_after() {
    let world = World::new().await;
    let (first, second) = (world.admin(&[]).await, world.admin(&[AdminScope::Legal]).await);
    let body = |scope: &str| json!({ "admin_id": second.id(), "scope": scope });
    let granted = world.send(&first, "grant-admin-scope", body("auditor")).await;
    assert_eq!(granted.events(), ["AdminScopeGranted"]);
    assert!(world.send(&first, "grant-admin-scope", body("auditor")).await.events().is_empty());
    let stored = world.last_payload("admin", &second.id()).await;
    let expected = json!({
        "scope": "auditor", "granted_by": actor_json(first.actor),
        "previous": ["legal"], "scopes": ["legal", "auditor"],
    });
    assert_eq!(stored["AdminScopeGranted"], expected);
    let revoked = world.send(&first, "revoke-admin-scope", body("legal")).await;
    assert_eq!(revoked.events(), ["AdminScopeRevoked"]);
    let stored = world.last_payload("admin", &second.id()).await;
    assert_eq!(stored["AdminScopeRevoked"]["scopes"], json!(["auditor"]));
    // An auditor only reads: the next request is refused.
    world.send(&second, "grant-admin-scope", body("global")).await.refused(403, "ROL-01");
    world.send(&first, "grant-admin-scope", body("root")).await.refused(422, "ADM-06");
    for command in ["grant-admin-scope", "revoke-admin-scope"] {
        let body = json!({ "admin_id": unknown_id(), "scope": "legal" });
        world.send(&first, command, body).await.refused(404, "REL-10");
    }
}

#[tokio::test]
async fn adm_04_an_admin_changes_its_own_name() {
    let world = World::new().await;
    let admin = world.admin(&[AdminScope::Auditor]).await;
    let body = json!({ "display_name": "Kari" });
    let changed = world.send(&admin, "change-display-name", body).await;
    assert_eq!(changed.events(), ["AdminDisplayNameChanged"]);
}
