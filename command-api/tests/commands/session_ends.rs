//! SES: who may end whose sessions.

use agora_command_api::Settings;
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

#[tokio::test]
async fn ses_12_an_admin_ends_everybodys_sessions_at_one_go() {
    let world = World::new().await;
    let twin = world.twin().await;
    let (admin, other_admin) = (world.admin(&[]).await, world.admin(&[]).await);
    let (member, phone) = {
        let member = world.member().await;
        let phone = world.another_session(&member).await;
        (member, phone)
    };
    for person in [&member, &phone, &other_admin] {
        try_session(&twin, person).await.accepted();
    }
    let everybody = "revoke-everybodys-sessions";
    world.send(&member, everybody, json!({})).await.refused(403, "ROL-01");
    let ended = world.send(&admin, everybody, json!({ "keep_current": true })).await;
    assert_eq!(ended.events(), ["AllSessionsRevoked"]);
    for world in [&world, &twin] {
        for person in [&member, &phone, &other_admin] {
            try_session(world, person).await.refused(401, "SES-04");
        }
        try_session(world, &admin).await.accepted();
    }
    // Who logs in again is in; the next end takes the one that was kept with it.
    let again = world.log_in(&member).await;
    try_session(&twin, &again).await.accepted();
    world.send(&admin, everybody, json!({})).await.accepted();
    for person in [&again, &admin] {
        try_session(&world, person).await.refused(401, "SES-04");
    }
}

#[tokio::test]
async fn ses_12_ending_everybodys_sessions_needs_a_recent_login() {
    let world = World::with(Settings { recent_login_seconds: 0, ..Settings::default() }).await;
    let admin = world.admin(&[]).await;
    let refused = world.send(&admin, "revoke-everybodys-sessions", json!({})).await;
    refused.refused(401, "SES-12");
    try_session(&world, &admin).await.accepted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ses_12_a_login_that_races_with_the_end_is_of_one_side_or_the_other() {
    let world = World::new().await;
    let twin = world.twin().await;
    let (admin, member) = (world.admin(&[]).await, world.member().await);
    let logins = async {
        let mut sessions = Vec::new();
        for _ in 0..6 {
            sessions.push(world.log_in(&member).await);
        }
        sessions
    };
    let end = twin.send(&admin, "revoke-everybodys-sessions", json!({ "keep_current": true }));
    let (sessions, ended) = tokio::join!(logins, end);
    let ended = ended.accepted()["position"].as_i64().unwrap();
    for session in sessions {
        let issued: i64 =
            sqlx::query_scalar("SELECT position FROM log.stream('session', $1) WHERE sequence = 1")
                .bind(&session.session_id)
                .fetch_one(&world.database.pool)
                .await
                .unwrap();
        let answer = try_session(&world, &session).await;
        if issued < ended {
            answer.refused(401, "SES-04");
        } else {
            answer.accepted();
        }
    }
}

#[tokio::test]
async fn ses_12_an_operator_ends_every_session_and_no_route_does() {
    let world = World::new().await;
    let (member, admin) = (world.member().await, world.admin(&[]).await);
    world.execute(agora_command_api::end_sessions::EndSessions).await;
    for person in [&member, &admin] {
        world.send(person, "log-out", json!({})).await.problem(401);
    }
    world.log_in(&member).await;
}
