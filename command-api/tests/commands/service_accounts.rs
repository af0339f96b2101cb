//! ADM-07: admins that are programs. They have a key, and nothing else.

use agora_domain::Actor;
use serde_json::{Value, json};

use crate::{
    common::{Call, Person, World, unique, unknown_id},
    personal_data::dump,
};

/// A service account with its present key.
#[derive(Clone)]
struct Program {
    id: String,
    key: String,
}

impl Program {
    fn body(&self) -> Value {
        json!({ "admin_id": self.id })
    }

    fn call(&self, command: &str, body: Value) -> Call {
        Call::new(command).token(&self.key).body(body)
    }
}

impl World {
    async fn program(&self, admin: &Person, scopes: &[&str]) -> Program {
        let body = json!({ "display_name": "nightly checks", "scopes": scopes });
        let answer = self.send(admin, "create-service-account", body).await;
        assert_eq!(answer.events(), ["ServiceAccountCreated", "AdminCreated"]);
        Program { id: answer.id(), key: answer.result("key") }
    }

    async fn makes_a_category(&self, program: &Program) -> crate::common::Answer {
        let body = json!({ "name": unique("category") });
        self.request(program.call("create-category", body)).await
    }
}

#[tokio::test]
async fn adm_07_a_key_acts_as_an_admin_of_its_scopes() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let program = world.program(&admin, &["global"]).await;
    assert!(program.key.starts_with("agora_sk_"), "{}", program.key);
    assert_eq!(program.key.len(), "agora_sk_".len() + 43, "256 bits in base64url");
    let answer = world.makes_a_category(&program).await;
    assert_eq!(answer.events(), ["CategoryCreated", "CategoriesReordered"]);
    let (actor, key): (String, Option<String>) = sqlx::query_as(
        "SELECT metadata->>'actor', metadata->>'api_key' FROM log.events WHERE aggregate_id = $1",
    )
    .bind(answer.id())
    .fetch_one(&world.database.pool)
    .await
    .unwrap();
    assert_eq!(actor, format!("admin:{}", program.id));
    assert!(key.is_some(), "which key it was is told");
    let auditor = world.program(&admin, &["auditor"]).await;
    world.makes_a_category(&auditor).await.refused(403, "ROL-01");
    // The key itself is nowhere.
    assert!(!dump(&world).await.contains(&program.key["agora_sk_".len()..]));
}

#[tokio::test]
async fn adm_01_adm_06_adm_07_only_admins_make_them_and_scopes_are_named() {
    let world = World::new().await;
    let (admin, member) = (world.admin(&[]).await, world.member().await);
    let body = json!({ "display_name": "checks", "scopes": ["auditor"] });
    world.send(&member, "create-service-account", body.clone()).await.refused(403, "ROL-01");
    world.guest("create-service-account", body.clone()).await.refused(401, "SES-13");
    for (scopes, rule) in [(json!([]), Some("ADM-06")), (json!(["root"]), Some("ADM-06"))] {
        let wrong = json!({ "display_name": "checks", "scopes": scopes });
        let answer = world.send(&admin, "create-service-account", wrong).await;
        answer.problem(422);
        assert_eq!(answer.wrong_fields()[0].1, rule);
    }
    let nothing = world.send(&admin, "create-service-account", json!({})).await;
    nothing.problem(400);
    let wrong: Vec<_> = nothing.wrong_fields().iter().map(|(field, _)| *field).collect();
    assert_eq!(wrong, ["/display_name", "/scopes"]);
    // The reply holds a secret, so no receipt keeps it.
    let call = Call::new("create-service-account").token(&admin.token);
    world.request(call.header("idempotency-key", "k").body(body)).await.refused(400, "ESX-04");
}

#[tokio::test]
async fn adm_07_a_rotated_or_revoked_key_is_refused_at_the_next_request() {
    let world = World::new().await;
    let twin = world.twin().await;
    let admin = world.admin(&[]).await;
    let first = world.program(&admin, &["global"]).await;
    // Both instances know the key by now.
    for instance in [&world, &twin] {
        instance.makes_a_category(&first).await.accepted();
    }
    let rotated = world.send(&admin, "rotate-service-account-key", first.body()).await;
    assert_eq!(rotated.events(), ["ServiceAccountKeyRotated"]);
    let second = Program { key: rotated.result("key"), ..first.clone() };
    for instance in [&world, &twin, &world.twin().await] {
        instance.makes_a_category(&first).await.refused(401, "ADM-07");
        instance.makes_a_category(&second).await.accepted();
    }
    let revoked = twin.send(&admin, "revoke-service-account-key", first.body()).await;
    assert_eq!(revoked.events(), ["ServiceAccountKeyRevoked"]);
    for instance in [&world, &twin] {
        instance.makes_a_category(&second).await.refused(401, "ADM-07");
        let again = instance.send(&admin, "revoke-service-account-key", first.body()).await;
        assert!(again.events().is_empty());
    }
    let third = world.send(&admin, "rotate-service-account-key", first.body()).await;
    let third = Program { key: third.result("key"), ..first.clone() };
    twin.makes_a_category(&third).await.accepted();
    // A stolen key is no way to a key that lasts: only a person gives keys out.
    let call = third.call("rotate-service-account-key", third.body());
    world.request(call).await.refused(403, "ROL-01");
    twin.makes_a_category(&third).await.accepted();
    let unknown = json!({ "admin_id": unknown_id() });
    for command in ["rotate-service-account-key", "revoke-service-account-key"] {
        world.send(&admin, command, unknown.clone()).await.refused(404, "REL-10");
        // A person has a password and no key.
        let person = json!({ "admin_id": admin.id() });
        world.send(&admin, command, person).await.refused(404, "REL-10");
    }
    let made_up = Program { key: format!("agora_sk_{}", "x".repeat(43)), ..first };
    world.makes_a_category(&made_up).await.refused(401, "ADM-07");
}

#[tokio::test]
async fn adm_04_adm_07_a_suspended_or_retired_account_is_refused_at_the_next_request() {
    let world = World::new().await;
    let twin = world.twin().await;
    let admin = world.admin(&[]).await;
    let program = world.program(&admin, &["global"]).await;
    twin.makes_a_category(&program).await.accepted();
    world.send(&admin, "suspend-admin", program.body()).await.accepted();
    for instance in [&world, &twin] {
        instance.makes_a_category(&program).await.refused(401, "ADM-04");
    }
    world.send(&admin, "reinstate-admin", program.body()).await.accepted();
    twin.makes_a_category(&program).await.accepted();
    let retired = world.send(&admin, "retire-admin", program.body()).await;
    assert_eq!(retired.events(), ["AdminRetired", "ServiceAccountKeyRevoked"]);
    for instance in [&world, &twin] {
        instance.makes_a_category(&program).await.refused(401, "ADM-07");
    }
    let again = world.send(&admin, "rotate-service-account-key", program.body()).await;
    again.refused(409, "ADM-04");
}

#[tokio::test]
async fn adm_05_programs_do_not_count_as_the_last_admin() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let program = world.program(&admin, &["global"]).await;
    // Once suspended and reinstated, a person is in the roster again; a program is not.
    world.send(&admin, "suspend-admin", program.body()).await.accepted();
    let reinstated = world.send(&admin, "reinstate-admin", program.body()).await;
    assert_eq!(reinstated.events(), ["AdminReinstated"]);
    // A program takes nobody's rights: else one could be all that is left.
    for command in ["suspend-admin", "retire-admin", "delete-admin"] {
        let body = json!({ "admin_id": admin.id() });
        world.request(program.call(command, body)).await.refused(403, "ROL-01");
    }
    world.send(&admin, "retire-admin", program.body()).await.accepted();
}

#[tokio::test]
async fn adm_07_a_service_account_has_no_login() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let program = world.program(&admin, &["global"]).await;
    let passwords = json!({ "current_password": "x", "new_password": "an uncommon phrase" });
    for (command, body) in
        [("log-out", json!({})), ("change-password", passwords), ("revoke-all-sessions", json!({}))]
    {
        let before = world.head().await;
        world.request(program.call(command, body)).await.refused(403, "ADM-07");
        assert_eq!(world.head().await, before);
    }
    // It ends other people's sessions, as an admin may.
    let member = world.member().await;
    let ends = json!({ "principal": { "kind": "member", "id": member.id() } });
    world.request(program.call("revoke-all-sessions", ends)).await.accepted();
    world.send(&member, "log-out", json!({})).await.refused(401, "SES-04");
    let another = world.another_session(&member).await;
    let ends = json!({ "session_id": another.session_id });
    world.request(program.call("revoke-session", ends)).await.accepted();
    let unknown = json!({ "session_id": unknown_id() });
    world.request(program.call("revoke-session", unknown)).await.refused(404, "REL-10");
    // Nothing of it can be logged in with: no address and no password is of it.
    let credentials: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM log.events
         WHERE aggregate_type = 'credential' AND position($1 IN payload::text) > 0",
    )
    .bind(&program.id)
    .fetch_one(&world.database.pool)
    .await
    .unwrap();
    assert_eq!(credentials, 0);
    let of_admin = Actor::admin(program.id.parse().unwrap());
    let ends = json!({ "principal": { "kind": "admin", "id": of_admin.id } });
    assert!(world.send(&admin, "revoke-all-sessions", ends).await.events().is_empty());
}
