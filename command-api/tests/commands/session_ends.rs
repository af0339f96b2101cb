//! SES: who may end whose sessions.

use agora_domain::identity::{principal_sessions::PrincipalSessions, session::Session};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::common::{PASSWORD, Person, SeedSession, World, actor_json, unknown_id};

async fn try_session(world: &World, person: &Person) -> crate::common::Answer {
    world.send(person, "change-display-name", json!({ "display_name": null })).await
}

fn session(person: &Person) -> Value {
    json!({ "session_id": person.session_id })
}

#[tokio::test]
async fn ses_06_an_admin_forces_a_logout_and_the_log_tells_who_and_which() {
    let world = World::new().await;
    let (admin, member) = (world.admin(&[]).await, world.member().await);
    let phone = world.another_session(&member).await;
    let body = json!({ "principal": actor_json(member.actor) });
    let answer = world.send(&admin, "revoke-all-sessions", body.clone()).await;
    assert_eq!(answer.events(), ["SessionRevoked", "SessionRevoked", "PrincipalSessionsChanged"]);
    for person in [&member, &phone] {
        try_session(&world, person).await.refused(401, "SES-04");
        let stored = world.last_payload("session", &person.session_id).await;
        let expected = json!({ "revoked_by": actor_json(admin.actor), "cause": "revoked" });
        assert_eq!(stored["SessionRevoked"], expected);
    }
    assert!(world.send(&admin, "revoke-all-sessions", body).await.events().is_empty());
    world.log_in(&member).await;
    for kind in ["member", "admin"] {
        let body = json!({ "principal": { "kind": kind, "id": unknown_id() } });
        world.send(&admin, "revoke-all-sessions", body).await.refused(404, "REL-10");
    }
}

#[tokio::test]
async fn ses_06_ses_12_only_who_administers_ends_somebody_elses_sessions() {
    use agora_domain::identity::values::AdminScope;
    let world = World::new().await;
    let (member, other) = (world.member().await, world.member().await);
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    let all = json!({ "principal": actor_json(member.actor) });
    for person in [&other, &auditor] {
        world.send(person, "revoke-all-sessions", all.clone()).await.refused(403, "SES-12");
        // That there is such a session must not leak: it is answered as an unknown one.
        let known = world.send(person, "revoke-session", session(&member)).await;
        known.refused(404, "REL-10");
        let body = json!({ "session_id": unknown_id() });
        assert_eq!(known.text, world.send(person, "revoke-session", body).await.text);
    }
    try_session(&world, &member).await.accepted();
    let admin = world.admin(&[]).await;
    let ended = world.send(&admin, "revoke-session", session(&member)).await;
    assert_eq!(ended.events(), ["SessionRevoked", "PrincipalSessionsChanged"]);
    try_session(&world, &member).await.refused(401, "SES-04");
}

#[tokio::test]
async fn ses_11_a_new_password_ends_all_other_sessions() {
    let world = World::new().await;
    let member = world.member().await;
    let (phone, laptop) =
        (world.another_session(&member).await, world.another_session(&member).await);
    let body = json!({ "current_password": PASSWORD, "new_password": "a phrase of my own" });
    let changed = world.send(&laptop, "change-password", body).await;
    assert_eq!(
        changed.events(),
        ["PasswordChanged", "SessionRevoked", "SessionRevoked", "PrincipalSessionsChanged"]
    );
    for person in [&member, &phone] {
        try_session(&world, person).await.refused(401, "SES-04");
    }
    try_session(&world, &laptop).await.accepted();
    let stored = world.last_payload("session", &phone.session_id).await;
    assert_eq!(stored["SessionRevoked"]["cause"], "password_changed");
}

#[tokio::test]
async fn ses_11_suspension_and_retirement_end_all_sessions() {
    let world = World::new().await;
    let (admin, member) = (world.admin(&[]).await, world.member().await);
    let (second, third) = (world.admin(&[]).await, world.admin(&[]).await);
    for (command, body, person, cause) in [
        ("suspend-member", json!({ "member_id": member.id() }), &member, "principal_suspended"),
        ("suspend-admin", json!({ "admin_id": second.id() }), &second, "principal_suspended"),
        ("retire-admin", json!({ "admin_id": third.id() }), &third, "principal_retired"),
    ] {
        let other = world.another_session(person).await;
        world.send(&admin, command, body).await.accepted();
        for person in [person, &other] {
            world.send(person, "log-out", json!({})).await.refused(401, "SES-04");
            let stored = world.last_payload("session", &person.session_id).await;
            assert_eq!(stored["SessionRevoked"]["cause"], cause, "{command}");
        }
        let list = PrincipalSessions::stream_id(person.actor);
        let list = world.app.log.load_fresh::<PrincipalSessions>(&list).await.unwrap();
        assert!(list.state.active().is_empty(), "{command}");
    }
}

#[tokio::test]
async fn ses_12_one_ends_ones_other_sessions_all_or_some() {
    let world = World::new().await;
    let member = world.member().await;
    let (phone, laptop) =
        (world.another_session(&member).await, world.another_session(&member).await);
    world.send(&member, "revoke-session", session(&phone)).await.accepted();
    try_session(&world, &phone).await.refused(401, "SES-04");
    let kept = json!({ "keep_current": true });
    let answer = world.send(&member, "revoke-all-sessions", kept).await;
    assert_eq!(answer.events(), ["SessionRevoked", "PrincipalSessionsChanged"]);
    try_session(&world, &laptop).await.refused(401, "SES-04");
    let answer = world.send(&member, "revoke-all-sessions", json!({})).await;
    assert_eq!(answer.events(), ["SessionRevoked", "PrincipalSessionsChanged"]);
    try_session(&world, &member).await.refused(401, "SES-04");
}

#[tokio::test]
async fn ses_09_ses_12_ending_other_sessions_needs_a_recent_login() {
    let world = World::new().await;
    let member = world.member().await;
    let seed = SeedSession::new(member.actor).aged(TimeDelta::minutes(16));
    let old = Person { session_id: seed.session_id.to_string(), ..member.with_token(&seed.token) };
    world.execute(seed).await;
    world.send(&old, "revoke-session", session(&member)).await.refused(401, "SES-12");
    world.send(&old, "revoke-all-sessions", json!({})).await.refused(401, "SES-12");
    try_session(&world, &member).await.accepted();
    let login = json!({ "email": member.email, "password": PASSWORD });
    let fresh = world.send(&old, "log-in", login).await;
    let fresh = old.with_token(&fresh.result("token"));
    try_session(&world, &old).await.refused(401, "SES-04");
    world.send(&fresh, "revoke-session", session(&member)).await.accepted();
    // One's own present session ends without.
    let seed = SeedSession::new(member.actor).aged(TimeDelta::minutes(16));
    let old = Person { session_id: seed.session_id.to_string(), ..member.with_token(&seed.token) };
    world.execute(seed).await;
    world.send(&old, "revoke-session", session(&old)).await.accepted();
}

#[tokio::test]
async fn ses_14_revoking_twice_keeps_the_first_time() {
    let world = World::new().await;
    let (admin, member) = (world.admin(&[]).await, world.member().await);
    let phone = world.another_session(&member).await;
    world.send(&member, "revoke-session", session(&phone)).await.accepted();
    let before = world.head().await;
    for person in [&member, &admin] {
        let again = world.send(person, "revoke-session", session(&phone)).await;
        assert!(again.events().is_empty());
        assert_eq!(again.id(), phone.session_id);
    }
    assert_eq!(world.head().await, before);
    let loaded = world.app.log.load_fresh::<Session>(&phone.session_id).await.unwrap();
    assert_eq!(loaded.sequence, 2);
}
