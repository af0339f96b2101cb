//! Service accounts as the API knows them, and as admins read them.

use agora_domain::{
    Actor, Personal, PersonalCategory,
    identity::{
        admin::{Admin, AdminEvent},
        service_account::{ServiceAccount, ServiceAccountEvent},
        values::AdminScope,
    },
    ids::{AdminId, ApiKeyId, CredentialId},
};
use agora_event_store::{
    Unit,
    unit::{Claim, Release},
};
use agora_service::clock;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::{Reply, User, World};

struct Program {
    admin_id: AdminId,
    key_id: ApiKeyId,
    key: String,
}

impl World {
    async fn program(&self, by: &User, scopes: &[AdminScope]) -> Program {
        let (admin_id, credential_id) = (AdminId(clock::new_id()), CredentialId(clock::new_id()));
        let key_id = ApiKeyId(clock::new_id());
        let key =
            format!("agora_sk_{}", URL_SAFE_NO_PAD.encode(Sha256::digest(admin_id.to_string())));
        let created_by = by.actor;
        let account = ServiceAccountEvent::ServiceAccountCreated {
            admin_id,
            credential_id,
            key_id,
            created_by,
        };
        let subject = Actor::admin(admin_id).subject();
        let name = "nightly checks".parse().unwrap();
        let admin = AdminEvent::AdminCreated {
            admin_id,
            credential_id,
            display_name: Some(Personal::new(subject, PersonalCategory::Identity, name)),
            scopes: scopes.to_vec(),
            created_by,
        };
        let mut unit = Unit::default();
        self.draft::<ServiceAccount>(&mut unit, by.actor, admin_id, vec![account]).await;
        self.draft::<Admin>(&mut unit, by.actor, admin_id, vec![admin]).await;
        unit.takes.push(Claim {
            scope: "api_key",
            key: URL_SAFE_NO_PAD.encode(Sha256::digest(&key)),
            aggregate_id: format!("{admin_id}/{key_id}"),
        });
        self.write(unit).await;
        Program { admin_id, key_id, key }
    }

    async fn get_by(&self, program: &Program, path: &str) -> Reply {
        let request = axum::http::Request::get(path);
        self.send(request.header("authorization", format!("Bearer {}", program.key))).await
    }
}

#[tokio::test]
async fn adm_07_a_key_reads_what_its_scopes_may_and_has_no_session() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let program = world.program(&admin, &[AdminScope::Global]).await;
    let auditor = world.program(&admin, &[AdminScope::Auditor]).await;
    world.project().await;
    let me = world.get_by(&program, "/v1/me").await.ok();
    assert_eq!((&me["id"], &me["kind"]), (&json!(program.admin_id), &json!("admin")));
    assert_eq!((&me["session_id"], &me["display_name"]), (&Value::Null, &json!("nightly checks")));
    assert_eq!(world.get_by(&program, "/v1/me/sessions").await.ok()["items"], json!([]));
    world.get_by(&program, "/v1/configuration").await.ok();
    world.get_by(&auditor, "/v1/configuration").await.problem(403);
    assert_eq!(world.get_by(&auditor, "/v1/audit/events?limit=1").await.status, 200);
}

#[tokio::test]
async fn adm_04_adm_07_an_ended_key_is_refused_at_the_next_request() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let program = world.program(&admin, &[AdminScope::Global]).await;
    world.get_by(&program, "/v1/categories").await.ok();
    let suspended = AdminEvent::AdminSuspended { suspended_by: admin.actor };
    world.append::<Admin>(admin.actor, program.admin_id, vec![suspended]).await;
    let problem = world.get_by(&program, "/v1/categories").await.problem(401);
    assert_eq!(problem["rule"], "ADM-04");
    let reinstated = AdminEvent::AdminReinstated { reinstated_by: admin.actor };
    world.append::<Admin>(admin.actor, program.admin_id, vec![reinstated]).await;
    world.get_by(&program, "/v1/categories").await.ok();
    let mut unit = Unit::default();
    let revoked = ServiceAccountEvent::ServiceAccountKeyRevoked {
        admin_id: program.admin_id,
        credential_id: CredentialId(clock::new_id()),
        revoked_by: admin.actor,
    };
    let id = program.admin_id;
    world.draft::<ServiceAccount>(&mut unit, admin.actor, id, vec![revoked]).await;
    let aggregate_id = format!("{id}/{}", program.key_id);
    unit.releases.push(Release { scope: "api_key", aggregate_id });
    world.write(unit).await;
    let problem = world.get_by(&program, "/v1/categories").await.problem(401);
    assert_eq!(problem["rule"], "ADM-07");
}

#[tokio::test]
async fn adm_07_admins_list_service_accounts_without_their_keys() {
    let world = World::new().await;
    let (admin, member) = (world.admin(&[]).await, world.member(None).await);
    let programs = [
        world.program(&admin, &[AdminScope::Auditor]).await,
        world.program(&admin, &[AdminScope::Ops]).await,
    ];
    let position = world.project().await;
    let path = "/v1/service-accounts";
    let first = world.get_as(&admin, &format!("{path}?limit=1&min_position={position}")).await;
    assert!(first.position() >= position);
    let first = first.ok();
    assert_eq!(first["items"][0]["id"], json!(programs[1].admin_id));
    assert_eq!(first["items"][0]["scopes"], json!(["ops"]));
    let next = format!("{path}?limit=1&cursor={}", first["next"].as_str().unwrap());
    let second = world.get_as(&admin, &next).await;
    assert!(!second.body.contains("agora_sk_"));
    let shown = &second.ok()["items"][0];
    assert_eq!(shown["key_id"], json!(programs[0].key_id));
    assert_eq!(shown["display_name"], "nightly checks");
    assert_eq!(shown["status"], "active");
    world.get_as(&member, path).await.problem(403);
    world.get(path).await.problem(401);
    world.get_as(&admin, &format!("{path}?cursor=AAAA")).await.problem(400);
    let audited = world.get_as(&admin, "/v1/audit-log?type=service_account_created").await.ok();
    assert_eq!(audited["items"].as_array().unwrap().len(), 2);
    assert_eq!(audited["items"][0]["actor_adminuser_id"], json!(admin.id()));
}
