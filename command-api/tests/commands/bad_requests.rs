//! Requests that are wrong around their bodies: tokens, media types, sizes, paths, headers.

use agora_command_api::{commands, permission::Matrix, permission::Roles};
use agora_domain::identity::values::AdminScope;
use chrono::{TimeDelta, Utc};
use serde_json::json;

use crate::common::{Call, SeedSession, World};

const MEGABYTE: usize = 1 << 20;

fn needs_session(command: &str) -> bool {
    !Matrix::new().roles(command).include(Roles::GUEST)
}

#[tokio::test]
async fn ses_04_ses_05_ses_13_a_token_that_holds_nothing_opens_no_command() {
    let world = World::new().await;
    let member = world.member().await;
    let out = world.another_session(&member).await;
    world.send(&out, "log-out", json!({})).await.accepted();
    let seed = SeedSession::new(member.actor);
    let seed = SeedSession { expires_at: Utc::now() - TimeDelta::seconds(1), ..seed };
    let expired = seed.token.clone();
    world.execute(seed).await;
    let forged = "A".repeat(43);
    let long = "x".repeat(50_000);
    for command in commands::all() {
        let before = world.head().await;
        for (token, rule) in [
            (forged.as_str(), "SES-04"),
            (out.token.as_str(), "SES-04"),
            (expired.as_str(), "SES-05"),
            (long.as_str(), "SES-04"),
            (member.session_id.as_str(), "SES-04"),
            ("' OR '1'='1", "SES-04"),
        ] {
            let call = Call::new(command.name).token(token).body(json!({}));
            let answer = world.request(call).await;
            answer.refused(401, rule);
            assert!(answer.headers.contains_key("www-authenticate"));
            assert!(!answer.text.contains(token), "{}", command.name);
        }
        if needs_session(command.name) {
            world.request(Call::new(command.name).raw("{}")).await.refused(401, "SES-13");
            let path = format!("/v1/commands/{}?access_token={}", command.name, member.token);
            let answer = world.request(Call::to(path).raw("{}")).await;
            answer.refused(401, "SES-13");
            assert!(!answer.text.contains(&member.token));
        }
        assert_eq!(world.head().await, before, "{}", command.name);
    }
}

#[tokio::test]
async fn two_tokens_are_none() {
    let world = World::new().await;
    let member = world.member().await;
    let call = Call::new("log-out").token(&member.token).also("authorization", "Bearer x");
    world.request(call).await.refused(401, "SES-13");
}

#[tokio::test]
async fn a_body_of_more_than_a_mebibyte_is_too_large() {
    let world = World::new().await;
    let (member, admin) = (world.member().await, world.admin(&[]).await);
    let before = world.head().await;
    for command in commands::all() {
        let mut body = b"{\"x\":\"".to_vec();
        body.resize(MEGABYTE + 1, b'x');
        for token in [&member.token, &admin.token] {
            let call = Call::new(command.name).token(token).raw(body.clone());
            let answer = world.request(call).await;
            assert!(matches!(answer.status, 413 | 403), "{}: {}", command.name, answer.text);
            answer.problem(answer.status);
        }
        let announced = Call::new(command.name)
            .token(&admin.token)
            .header("content-length", "99999999999")
            .raw(body.clone());
        let answer = world.request(announced).await;
        assert!(matches!(answer.status, 413 | 403), "{}: {}", command.name, answer.text);
    }
    let answer =
        world.guest("log-in", json!({ "email": "x".repeat(MEGABYTE), "password": "x" })).await;
    answer.problem(413);
    let just_fits = format!("{{\"email\":\"{}\"}}", "x".repeat(MEGABYTE - 12));
    assert_eq!(just_fits.len(), MEGABYTE);
    world.request(Call::new("log-in").raw(just_fits)).await.refused(422, "CRD-01");
    assert_eq!(world.head().await, before);
}

#[tokio::test]
async fn a_body_of_another_media_type_is_refused() {
    let world = World::new().await;
    // Who may deal with incidents and with erasures may all that an admin may.
    let scopes = [AdminScope::Security, AdminScope::Privacy];
    let (member, admin) = (world.member().await, world.admin(&scopes).await);
    let (_, reporter) = world.reporter().await;
    let ops = world.admin(&[AdminScope::Ops]).await;
    let before = world.head().await;
    for command in commands::all() {
        let roles = Matrix::new().roles(command.name);
        let call = || match Call::new(command.name) {
            call if roles.include(Roles::MEMBER) => call.token(&member.token),
            call if roles
                .include(Roles::ADMIN.in_person().and(Roles::SECURITY).and(Roles::PRIVACY)) =>
            {
                call.token(&admin.token)
            }
            call if roles.include(Roles::ORG_USER) => call.token(&reporter.token),
            call if roles.include(Roles::OPS) => call.token(&ops.token),
            // What is for those alone who have no session.
            call => call,
        };
        for kind in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"]
        {
            world.request(call().header("content-type", kind).raw("{}")).await.problem(415);
        }
        world.request(call().without("content-type").raw("{}")).await.problem(415);
    }
    assert_eq!(world.head().await, before);
    let call = Call::new("log-in").header("content-type", "Application/JSON; charset=utf-8");
    world.request(call.raw("{}")).await.problem(400);
}

#[tokio::test]
async fn unknown_commands_and_methods_are_told_so() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let long = "x".repeat(20_000);
    for name in ["no-such-command", "CAST-VOTE", "cast_vote", "cast-vote%00", "%F0%9F%9A%80", &long]
    {
        let answer = world.send(&admin, name, json!({})).await;
        answer.problem(404);
        assert!(!answer.text.contains(name), "no echo");
    }
    let answer = world.send(&admin, "%ff%fe", json!({})).await;
    assert!((400..500).contains(&answer.status), "{}", answer.text);
    world.send(&admin, "cast-vote/", json!({})).await.problem(404);
    world.send(&admin, "cast-vote/x", json!({})).await.problem(404);
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let answer = world.answer(method, Call::new("cast-vote").token(&admin.token)).await;
        answer.problem(405);
        assert_eq!(answer.headers["allow"], "POST");
    }
}

#[tokio::test]
async fn headers_of_bytes_are_no_crash() {
    let world = World::new().await;
    let member = world.member().await;
    for name in ["user-agent", "traceparent", "tracestate", "accept", "origin", "forwarded"] {
        let call = Call::new("change-display-name")
            .token(&member.token)
            .header(name, "\u{e5}\u{1F680}")
            .body(json!({ "display_name": null }));
        world.request(call).await.accepted();
    }
}
