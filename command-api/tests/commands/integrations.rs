//! INT: integrations with outside services.

use agora_domain::site::integration::{ConfigureIntegration, Integration, IntegrationCommand};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::common::{Answer, Person, Settled, World, unique, unknown_id};

const SECRET: &str = "correct-horse-hunter2";

fn body(name: &str) -> Value {
    let config = json!({ "client_id": "agora", "client_secret": SECRET }).to_string();
    json!({ "integration_name": name, "config_json": config })
}

async fn register(world: &World, admin: &Person) -> String {
    world.send(admin, "register-integration", body(&unique("integration"))).await.id()
}

async fn about(world: &World, admin: &Person, command: &str, id: &str) -> Answer {
    world.send(admin, command, json!({ "integration_id": id })).await
}

#[tokio::test]
async fn int_01_a_name_is_taken_once_up_to_case_until_it_is_removed() {
    let world = World::new().await;
    let twin = world.twin().await;
    let Settled { admin, .. } = world.settled().await;
    let names = ["SendGrid", "sendgrid", "SENDGRID", "sendGrid"];
    let answers =
        join_all(names.iter().zip([&world, &twin].iter().cycle()).map(async |(name, world)| {
            world.send(&admin, "register-integration", body(name)).await
        }))
        .await;
    let (taken, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(taken.len(), 1);
    refused.iter().for_each(|answer| answer.refused(422, "INT-01"));
    for wrong in ["", "Google OAuth", "å", &"x".repeat(65)] {
        world.send(&admin, "register-integration", body(wrong)).await.refused(422, "INT-01");
    }
    let id = taken[0].id();
    about(&world, &admin, "remove-integration", &id).await.accepted();
    about(&world, &admin, "remove-integration", &id).await.refused(404, "REL-10");
    about(&twin, &admin, "enable-integration", &id).await.refused(404, "REL-10");
    let again = twin.send(&admin, "register-integration", body("sendgrid")).await.id();
    assert_ne!(again, id);
}

#[tokio::test]
async fn int_03_int_04_settings_are_an_object_and_stand_nowhere_in_the_clear() {
    let world = World::new().await;
    let Settled { admin, .. } = world.settled().await;
    for wrong in
        ["", "[]", "null", "5", "{", "{} {}", &format!("{{\"a\":\"{}\"}}", "x".repeat(65_529))]
    {
        let body = json!({ "integration_name": unique("x"), "config_json": wrong });
        world.send(&admin, "register-integration", body).await.refused(422, "INT-03");
    }
    let id = register(&world, &admin).await;
    let config = json!({ "other": SECRET }).to_string();
    let configure = json!({ "integration_id": id, "config_json": config });
    let answer = world.send(&admin, "configure-integration", configure).await;
    assert_eq!(answer.events(), ["IntegrationConfigured"]);
    let stored: Vec<String> = sqlx::query_scalar(
        "SELECT payload::text || metadata::text FROM log.events WHERE aggregate_type = 'integration'",
    )
    .fetch_all(&world.database.pool)
    .await
    .unwrap();
    assert_eq!(stored.len(), 2);
    for text in &stored {
        assert!(!text.contains(SECRET) && !text.contains("client_secret"), "{text}");
        assert!(text.contains(&format!("sealed:v1:credential:{id}")), "{text}");
    }
    // Nothing that changes nothing is an event.
    let nothing = about(&world, &admin, "configure-integration", &id).await;
    assert!(nothing.events().is_empty());
}

#[tokio::test]
async fn int_06_only_public_https_addresses_are_taken() {
    let world = World::new().await;
    let Settled { admin, .. } = world.settled().await;
    let id = register(&world, &admin).await;
    for wrong in [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://[::ffff:169.254.169.254]/",
        "https://100.64.1.1/",
        "https://localhost/",
        "https://metadata.google.internal/",
        "https://user@example.com/",
        "https://example.com\\@10.0.0.1/",
    ] {
        let mut register = body(&unique("x"));
        register["provider_url"] = wrong.into();
        world.send(&admin, "register-integration", register).await.refused(422, "INT-06");
        let configure = json!({ "integration_id": id, "provider_url": wrong });
        let answer = world.send(&admin, "configure-integration", configure).await;
        answer.refused(422, "INT-06");
        assert!(!answer.text.contains(wrong), "no echo");
    }
    let url = |length: usize| {
        let start = "https://1.1.1.1/";
        let text = format!("{start}{}", "x".repeat(length - start.len()));
        json!({ "integration_id": id, "provider_url": text })
    };
    world.send(&admin, "configure-integration", url(2_048)).await.accepted();
    world.send(&admin, "configure-integration", url(2_049)).await.refused(422, "INT-06");
    let longer = json!({ "key": "max_uri_length", "value": "80000" });
    world.send(&admin, "set-configuration", longer).await.accepted();
    world.send(&admin, "configure-integration", url(80_000)).await.accepted();
    world.send(&admin, "configure-integration", url(80_001)).await.refused(422, "INT-06");
    let none = json!({ "integration_id": id, "provider_url": null });
    world.send(&admin, "configure-integration", none).await.accepted();
    let stored = world.last_payload("integration", &id).await;
    assert_eq!(stored["IntegrationConfigured"]["integration"]["provider_url"], Value::Null);
}

#[tokio::test]
async fn int_02_int_05_int_07_status_and_handshakes_follow_the_life_cycle() {
    let world = World::new().await;
    let Settled { admin, .. } = world.settled().await;
    let ops = world.admin(&[agora_domain::identity::values::AdminScope::Ops]).await;
    let id = register(&world, &admin).await;
    about(&world, &ops, "enable-integration", &id).await.refused(403, "ROL-01");
    about(&world, &ops, "record-integration-sync", &id).await.refused(409, "INT-05");
    about(&world, &admin, "enable-integration", &id).await.accepted();
    assert!(about(&world, &admin, "enable-integration", &id).await.events().is_empty());
    about(&world, &ops, "record-integration-sync", &id).await.accepted();
    let sync = |at: &str| json!({ "integration_id": id, "synced_at": at });
    world
        .send(&ops, "record-integration-sync", sync("2020-01-01T00:00:00Z"))
        .await
        .refused(409, "INT-05");
    world
        .send(&ops, "record-integration-sync", sync("2999-01-01T00:00:00Z"))
        .await
        .refused(422, "INT-05");
    world.send(&ops, "record-integration-sync", sync("soon")).await.refused(422, "INT-05");
    let report = json!({ "integration_id": id, "problem": "The provider answers 401." });
    let failed = world.send(&ops, "report-integration-error", report.clone()).await;
    assert_eq!(failed.events(), ["IntegrationFailed"]);
    assert!(world.send(&ops, "report-integration-error", report).await.events().is_empty());
    about(&world, &admin, "disable-integration", &id).await.accepted();
    about(&world, &ops, "report-integration-error", &id).await.refused(409, "INT-07");
    about(&world, &admin, "enable-integration", &unknown_id()).await.refused(404, "REL-10");
}

#[tokio::test]
async fn int_06_an_integration_is_not_enabled_once_its_host_is_no_longer_public() {
    let world = World::new().await;
    let Settled { admin, .. } = world.settled().await;
    let id = register(&world, &admin).await;
    // A name that stood for a public address when it was configured: as an event that is stored.
    let provider_url = serde_json::from_value(json!("https://localhost/")).unwrap();
    let moved = ConfigureIntegration {
        provider_url: Some(Some(provider_url)),
        config: None,
        actor: admin.actor,
    };
    world.decide::<Integration>(&id, IntegrationCommand::Configure(moved)).await;
    let twin = world.twin().await;
    about(&twin, &admin, "enable-integration", &id).await.refused(422, "INT-06");
    let back = json!({ "integration_id": id, "provider_url": "https://1.1.1.1/" });
    twin.send(&admin, "configure-integration", back).await.accepted();
    let enabled = about(&twin, &admin, "enable-integration", &id).await;
    assert_eq!(enabled.events(), ["IntegrationEnabled"]);
    about(&twin, &admin, "enable-integration", &unknown_id()).await.refused(404, "REL-10");
}
