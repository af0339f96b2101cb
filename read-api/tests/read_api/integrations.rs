//! Integrations as admins and ops read them.

use agora_domain::{
    Personal, PersonalCategory, Subject,
    identity::values::AdminScope,
    ids::IntegrationId,
    site::{
        integration::{Integration, IntegrationEvent, IntegrationState, IntegrationStatus},
        integration_values::ConfigJson,
    },
};
use agora_service::clock;

use crate::world::{User, World};

const SECRET: &str = "hunter2";

fn state(name: &str, status: IntegrationStatus) -> IntegrationState {
    IntegrationState {
        name: name.parse().unwrap(),
        provider_url: Some("https://example.com/".parse().unwrap()),
        status,
        last_successful_sync_at: None,
    }
}

async fn registered(world: &World, admin: &User, name: &str) -> IntegrationId {
    let integration_id = IntegrationId(clock::new_id());
    let config: ConfigJson = format!(r#"{{"client_secret":"{SECRET}"}}"#).parse().unwrap();
    let subject = Subject::from(integration_id.0);
    let (content, credential) = (PersonalCategory::Content, PersonalCategory::Credential);
    let registered = IntegrationEvent::IntegrationRegistered {
        integration_id,
        integration: state(name, IntegrationStatus::PendingSetup),
        masked_config: Personal::new(subject.clone(), content, config.masked()),
        config_json: Personal::new(subject.clone(), credential, config),
        registered_by: admin.actor,
    };
    let failed = IntegrationEvent::IntegrationFailed {
        integration: state(name, IntegrationStatus::Error),
        problem: Some(Personal::new(subject, content, "It answers 401.".parse().unwrap())),
        reported_by: admin.actor,
    };
    world.append::<Integration>(admin.actor, integration_id, vec![registered, failed]).await;
    integration_id
}

#[tokio::test]
async fn int_03_int_04_admins_see_names_of_settings_ops_health_and_nobody_a_secret() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let ops = world.admin(&[AdminScope::Ops]).await;
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    let member = world.member(None).await;
    let global = world.admin(&[AdminScope::Global]).await;
    let id = registered(&world, &admin, "SendGrid").await;
    world.project().await;
    let path = format!("/v1/integrations/{id}");
    let seen = world.get_as(&admin, &path).await.ok();
    assert_eq!(seen["integration_name"], "SendGrid");
    assert_eq!(
        (&seen["status"], &seen["last_error"]),
        (&"error".into(), &"It answers 401.".into())
    );
    assert_eq!(seen["provider_url"], "https://example.com/");
    assert_eq!(seen["config_json"], r#"{"client_secret":"***"}"#);
    let health = world.get_as(&ops, &path).await.ok();
    assert_eq!((&health["status"], &health["last_error"]), (&seen["status"], &seen["last_error"]));
    assert!(health.get("provider_url").is_none() && health.get("config_json").is_none());
    for user in [&auditor, &member] {
        world.get_as(user, &path).await.problem(403);
    }
    world.get(&path).await.problem(401);
    let stream = format!("/v1/audit/streams/integration/{id}");
    let mut replies = vec![
        world.get_as(&admin, &path).await,
        world.get_as(&admin, "/v1/integrations").await,
        world.get_as(&ops, "/v1/integrations").await,
        world.get_as(&admin, &format!("{path}/history")).await,
        world.get_as(&admin, "/v1/audit-log?type=integration_change").await,
        world.get_as(&auditor, &stream).await,
        world.get_as(&auditor, "/v1/audit/events").await,
        world.get_as(&global, &stream).await,
    ];
    for reply in replies.drain(..) {
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert!(!reply.body.contains(SECRET), "{}", reply.body);
    }
    let history = world.get_as(&admin, &format!("{path}/history")).await.ok();
    let payload = &history["events"]["items"][0]["payload"]["IntegrationRegistered"];
    assert_eq!(payload["config_json"]["$withheld"], true);
    let audited = world.get_as(&admin, "/v1/audit-log?type=integration_change").await.ok();
    assert_eq!(audited["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn int_01_integrations_are_listed_by_name_in_parts() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    for name in ["Stripe", "GoogleOAuth", "SendGrid"] {
        registered(&world, &admin, name).await;
    }
    world.project().await;
    let first = world.get_as(&admin, "/v1/integrations?limit=2").await.ok();
    let names = |part: &serde_json::Value| -> Vec<String> {
        let items = part["items"].as_array().unwrap();
        items.iter().map(|item| item["integration_name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&first), ["GoogleOAuth", "SendGrid"]);
    let next = format!("/v1/integrations?limit=2&cursor={}", first["next"].as_str().unwrap());
    assert_eq!(names(&world.get_as(&admin, &next).await.ok()), ["Stripe"]);
    let tampered = "/v1/integrations?cursor=AAAA";
    world.get_as(&admin, tampered).await.problem(400);
    world.get_as(&admin, "/v1/integrations/x").await.problem(400);
    let unknown = format!("/v1/integrations/{}", clock::new_id());
    world.get_as(&admin, &unknown).await.problem(404);
    let stale = format!("/v1/integrations?min_position={}&wait_ms=0", world.head().await + 1);
    world.get_as(&admin, &stale).await.problem(503);
}
