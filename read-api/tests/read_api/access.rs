//! Who is let in, and what a refusal leaves behind. Which role may read what, the permission matrix's
//! test of the command API walks (`command-api/tests/commands/matrix.rs`).

use agora_domain::identity::{
    admin::{Admin, AdminEvent},
    member::{Member, MemberEvent},
    values::AdminScope,
};
use agora_service::clock;
use chrono::TimeDelta;

use crate::world::World;

#[tokio::test]
async fn aud_06_a_refusal_leaves_a_record_with_who_what_and_why() {
    let world = World::new().await;
    let ada = world.member(None).await;
    world.get("/v1/me").await.problem(401);
    world.get_as(&ada, "/v1/audit-log").await.problem(403);
    let records = world.security_records().await;
    let expected = [
        ("refusal", "FAILURE", "/v1/me", Some("SES-13")),
        ("refusal", "BLOCKED", "/v1/audit-log", Some("ROL-01")),
    ];
    let text = |text: &str| text.to_owned();
    let expected = expected.map(|(kind, result, action, rule)| {
        (text(kind), text(result), text(action), rule.map(text))
    });
    assert_eq!(records, expected);
    let (kind, id, address): (String, uuid::Uuid, String) = sqlx::query_as(
        "SELECT actor_kind, actor_id, ip_address FROM log.security_records WHERE status = 403",
    )
    .fetch_one(&world.database.pool)
    .await
    .unwrap();
    assert_eq!((kind.as_str(), id), ("member", ada.id()));
    assert!(address.starts_with("sealed:v1:network:"), "addresses are not stored in the clear");
}

#[tokio::test]
async fn ses_04_a_revoked_session_is_refused_at_the_next_request() {
    let world = World::new().await;
    let ada = world.member(None).await;
    world.project().await;
    world.get_as(&ada, "/v1/me").await.ok();
    world.revoke(&ada).await;
    // The read tables do not know yet, and need not.
    let problem = world.get_as(&ada, "/v1/me").await.problem(401);
    assert_eq!(problem["rule"], "SES-04");
    // A token that does not hold is refused where none is needed, too.
    world.get_as(&ada, "/v1/categories").await.problem(401);
}

#[tokio::test]
async fn ses_05_an_expired_session_is_refused() {
    let world = World::new().await;
    let ada = world.member(None).await;
    let expired = world.log_in_until(ada.actor, clock::now() - TimeDelta::seconds(1)).await;
    let reply = world.get_as(&expired, "/v1/me").await;
    assert_eq!(reply.problem(401)["rule"], "SES-05");
    assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"agora\"");
}

#[tokio::test]
async fn ses_10_a_session_that_lay_idle_for_too_long_is_refused() {
    let world = World::new().await;
    let ada = world.member(None).await;
    world.get_as(&ada, "/v1/categories").await.ok();
    sqlx::query("INSERT INTO log.session_activity VALUES ($1, now() - interval '8 days')")
        .bind(ada.session.0)
        .execute(&world.database.pool)
        .await
        .unwrap();
    assert_eq!(world.get_as(&ada, "/v1/me").await.problem(401)["rule"], "SES-10");
}

#[tokio::test]
async fn ses_13_a_token_counts_in_its_header_only() {
    let world = World::new().await;
    let ada = world.member(None).await;
    world.project().await;
    for path in
        [format!("/v1/me?token={}", ada.token), format!("/v1/me?access_token={}", ada.token)]
    {
        let reply = world.get(&path).await;
        reply.problem(401);
        assert!(!reply.body.contains(&ada.token));
    }
    let reply = world.get(&format!("/v1/categories?access_token={}", ada.token)).await;
    let problem = reply.problem(400);
    assert_eq!(problem["errors"][0]["pointer"], "/query/access_token");
    assert!(!reply.body.contains(&ada.token));
    let get = || axum::http::Request::get("/v1/me");
    for header in [
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "bearer\tx",
        "x",
        &format!("Bearer {}", "x".repeat(600)),
    ] {
        let reply = world.send(get().header("authorization", header)).await;
        assert_eq!(reply.problem(401)["rule"], "SES-13", "{header}");
    }
    let forged = world.send(get().header("authorization", "Bearer forged")).await;
    assert_eq!(forged.problem(401)["rule"], "SES-04");
    let twice = get().header("authorization", format!("Bearer {}", ada.token));
    world.send(twice.header("authorization", "Bearer other")).await.problem(401);
    let lower = get().header("authorization", format!("bearer {}", ada.token));
    world.send(lower).await.ok();
}

#[tokio::test]
async fn mem_05_suspended_members_keep_reading() {
    let world = World::new().await;
    let ada = world.member(None).await;
    let suspended = MemberEvent::MemberSuspended { suspended_by: ada.actor, reason: None };
    world.append::<Member>(ada.actor, ada.id(), vec![suspended]).await;
    world.project().await;
    assert_eq!(world.get_as(&ada, "/v1/me").await.ok()["status"], "suspended");
    world.get_as(&ada, "/v1/me/votes").await.ok();
}

#[tokio::test]
async fn adm_04_suspended_and_retired_admins_are_refused_at_the_next_request() {
    let world = World::new().await;
    let root = world.admin(&[AdminScope::Global]).await;
    world.get_as(&root, "/v1/audit-log").await.ok();
    let suspended = AdminEvent::AdminSuspended { suspended_by: root.actor };
    world.append::<Admin>(root.actor, root.id(), vec![suspended]).await;
    assert_eq!(world.get_as(&root, "/v1/audit-log").await.problem(401)["rule"], "ADM-04");
    let reinstated = AdminEvent::AdminReinstated { reinstated_by: root.actor };
    world.append::<Admin>(root.actor, root.id(), vec![reinstated]).await;
    world.get_as(&root, "/v1/audit-log").await.ok();
    let retired = AdminEvent::AdminRetired { retired_by: root.actor };
    world.append::<Admin>(root.actor, root.id(), vec![retired]).await;
    assert_eq!(world.get_as(&root, "/v1/categories").await.problem(401)["rule"], "ADM-04");
}
