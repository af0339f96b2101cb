//! SES: tokens and the sessions that they open.

use agora_command_api::Settings;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::common::{Call, PASSWORD, Person, SeedSession, World};

fn login(person: &Person) -> Value {
    json!({ "email": person.email, "password": PASSWORD })
}

/// A command that needs a session and changes nothing.
async fn try_session(world: &World, person: &Person) -> crate::common::Answer {
    world.send(person, "change-display-name", json!({ "display_name": null })).await
}

#[tokio::test]
async fn ses_01_ses_02_ses_08_a_token_is_256_bits_its_own_and_kept_as_a_hash_only() {
    let world = World::new().await;
    let member = world.member().await;
    let (one, other) = (world.log_in(&member).await, world.log_in(&member).await);
    assert_ne!(one.token, other.token);
    assert_ne!(one.session_id, other.session_id);
    for token in [&one.token, &other.token] {
        assert_eq!(URL_SAFE_NO_PAD.decode(token).unwrap().len(), 32);
        try_session(&world, &one.with_token(token)).await.accepted();
    }
    let kept: Vec<String> =
        sqlx::query_scalar("SELECT key FROM log.claims WHERE scope = 'session_token'")
            .fetch_all(&world.database.pool)
            .await
            .unwrap();
    let hash = agora_command_api::authenticate::hash(&one.token);
    assert!(kept.contains(&agora_command_api::authenticate::claim_key(&hash)));
    assert!(!kept.contains(&one.token));
    let dump = crate::personal_data::dump(&world).await;
    assert!(!dump.contains(&one.token) && !dump.contains(&other.token));
}

#[tokio::test]
async fn ses_03_who_is_not_there_or_may_not_log_in_gets_no_session() {
    let world = World::new().await;
    let (first, second) = (world.admin(&[]).await, world.admin(&[]).await);
    let body = json!({ "admin_id": second.id() });
    world.send(&first, "suspend-admin", body).await.accepted();
    let before = world.head().await;
    world.guest("log-in", login(&second)).await.refused(401, "SES-03");
    let nobody = json!({ "email": "nobody@example.org", "password": PASSWORD });
    world.guest("log-in", nobody).await.refused(401, "CRD-09");
    assert_eq!(world.head().await, before);
}

#[tokio::test]
async fn ses_04_ses_14_a_session_that_was_ended_is_refused_on_the_next_request() {
    let world = World::new().await;
    let member = world.member().await;
    let one = world.log_in(&member).await;
    let out = world.send(&one, "log-out", json!({})).await;
    assert_eq!(out.events(), ["SessionRevoked", "PrincipalSessionsChanged"]);
    assert_eq!(out.id(), one.session_id);
    try_session(&world, &one).await.refused(401, "SES-04");
    world.send(&one, "log-out", json!({})).await.refused(401, "SES-04");
    try_session(&world, &member).await.accepted();
}

#[tokio::test]
async fn ses_05_an_expired_session_is_refused() {
    let world = World::new().await;
    let member = world.member().await;
    let seed = SeedSession::new(member.actor);
    let seed = SeedSession { expires_at: Utc::now() - TimeDelta::seconds(1), ..seed };
    let expired = member.with_token(&seed.token);
    world.execute(seed).await;
    try_session(&world, &expired).await.refused(401, "SES-05");
}

#[tokio::test]
async fn ses_07_one_login_too_many_ends_the_oldest_session() {
    let settings = Settings { sessions_max: 2, ..Settings::default() };
    let world = World::with(settings).await;
    let oldest = world.member().await;
    let second = world.log_in(&oldest).await;
    let third = world.guest("log-in", login(&oldest)).await;
    assert_eq!(third.events(), ["SessionRevoked", "PrincipalSessionsChanged", "SessionIssued"]);
    let stored = world.last_payload("session", &oldest.session_id).await;
    assert_eq!(stored["SessionRevoked"]["cause"], "superseded");
    try_session(&world, &oldest).await.refused(401, "SES-04");
    try_session(&world, &second).await.accepted();
    try_session(&world, &oldest.with_token(&third.result("token"))).await.accepted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ses_07_logins_at_once_leave_no_more_than_the_limit() {
    let settings = Settings { sessions_max: 3, ..Settings::default() };
    let world = World::with(settings).await;
    let twin = world.twin().await;
    let member = world.member().await;
    let logins = (0..12).map(|number| {
        let instance = if number % 2 == 0 { &world } else { &twin };
        instance.guest("log-in", login(&member))
    });
    let mut open = 0;
    for answer in futures::future::join_all(logins).await {
        let token = answer.result("token");
        open += usize::from(try_session(&twin, &member.with_token(&token)).await.status == 200);
    }
    assert_eq!(open, 3);
}

#[tokio::test]
async fn ses_09_a_login_with_a_token_takes_its_sessions_place() {
    let world = World::new().await;
    let old = world.member().await;
    let answer = world.send(&old, "log-in", login(&old)).await;
    let new = old.with_token(&answer.result("token"));
    try_session(&world, &old).await.refused(401, "SES-04");
    try_session(&world, &new).await.accepted();
    // Somebody else's token is nothing to be replaced.
    let other = world.member().await;
    world.send(&new, "log-in", login(&other)).await.accepted();
    try_session(&world, &new).await.accepted();
}

#[tokio::test]
async fn ses_10_a_session_ends_after_its_lifetime_and_when_it_is_not_used() {
    let settings = Settings {
        session_lifetime_seconds: 3_600,
        session_idle_seconds: 600,
        ..Settings::default()
    };
    let world = World::with(settings).await;
    let member = world.member().await;
    let answer = world.guest("log-in", login(&member)).await;
    let expires_at: DateTime<Utc> = answer.result("expires_at").parse().unwrap();
    let left = expires_at - Utc::now();
    assert!((3_590..=3_600).contains(&left.num_seconds()), "{left}");

    for (idle_seconds, open) in [(590, true), (601, false)] {
        let person = world.log_in(&member).await;
        // As another instance would have noted it.
        sqlx::query(
            "INSERT INTO log.session_activity (session_id, last_used_at)
             VALUES ($1::uuid, clock_timestamp() - make_interval(secs => $2))",
        )
        .bind(&person.session_id)
        .bind(f64::from(idle_seconds))
        .execute(&world.database.pool)
        .await
        .unwrap();
        let answer = try_session(&world, &person).await;
        if open {
            answer.accepted();
        } else {
            answer.refused(401, "SES-10");
        }
    }
}

#[tokio::test]
async fn ses_10_a_use_is_noted_where_other_instances_see_it() {
    let world = World::new().await;
    let member = world.member().await;
    try_session(&world, &member).await.accepted();
    let noted = || async {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM log.session_activity WHERE session_id = $1::uuid",
        )
        .bind(&member.session_id)
        .fetch_one(&world.database.pool)
        .await
        .unwrap();
        count == 1
    };
    agora_event_store::testing::eventually("the use is noted", noted).await;
}

#[tokio::test]
async fn ses_13_a_token_counts_in_the_authorization_header_only() {
    let world = World::new().await;
    let member = world.member().await;
    let body = json!({ "display_name": null });
    let token = &member.token;
    for query in ["access_token", "token", "authorization"] {
        let path = format!("/v1/commands/change-display-name?{query}={token}");
        let answer = world.request(Call::to(path).body(body.clone())).await;
        answer.refused(401, "SES-13");
        assert!(!answer.text.contains(token));
    }
    let call = || Call::new("change-display-name").body(body.clone());
    let cookie = call().header("cookie", &format!("session={token}"));
    world.request(cookie).await.refused(401, "SES-13");
    for header in [format!("Basic {token}"), token.clone(), "Bearer".to_owned(), String::new()] {
        let answer = world.request(call().header("authorization", &header)).await;
        answer.refused(401, "SES-13");
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"agora\"");
    }
    let lower = call().header("authorization", &format!("bearer {token}"));
    world.request(lower).await.accepted();
}
