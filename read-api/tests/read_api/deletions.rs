//! Requests to be erased, by whom they are of and by who reviews them; the register of what stays;
//! certificates.

use agora_domain::{
    Actor,
    compliance::{
        deletion_request::{DeletionRequest, DeletionRequestEvent},
        deletion_values::DeletionGround,
    },
    identity::values::AdminScope,
    ids::DeletionId,
};
use agora_service::clock;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::world::{User, World};

const PATH: &str = "/v1/data-deletion-requests";

impl World {
    async fn on_request(&self, id: DeletionId, event: Value) {
        let event: DeletionRequestEvent = serde_json::from_value(event).unwrap();
        self.append::<DeletionRequest>(Actor::SYSTEM, id, vec![event]).await;
    }

    async fn asks_to_be_erased(&self, of: &User, at: DateTime<Utc>) -> DeletionId {
        self.asks_on(DeletionGround::Objection, of, at).await
    }

    async fn asks_on(&self, ground: DeletionGround, of: &User, at: DateTime<Utc>) -> DeletionId {
        let id = DeletionId(clock::new_id());
        let requested = json!({ "DeletionRequested": { "deletion_id": id, "subject": of.actor,
            "deletion_scope": "PARTIAL_DELETION", "data_categories": ["content", "evidence"],
            "legal_ground": ground, "requested_by": of.actor, "requested_at": at,
            "due_at": at + TimeDelta::days(30), "verification_required": false } });
        self.on_request(id, requested).await;
        id
    }
}

fn reason(of: &User, text: &str) -> Value {
    json!({ "$personal": { "subject": of.id(), "category": "evidence", "value": text } })
}

fn ids(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item["deletion_id"].as_str().unwrap().to_owned()).collect()
}

fn texts(ids: &[DeletionId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn ddr_11_law_02_requests_of_ones_own_and_for_reviewers_what_waits_and_is_overdue() {
    let world = World::new().await;
    let (ada, bob) = (world.member(None).await, world.member(None).await);
    let privacy = world.admin(&[AdminScope::Privacy]).await;
    let other = world.admin(&[AdminScope::Security]).await;
    let now = clock::now();
    let late = world.asks_to_be_erased(&ada, now - TimeDelta::days(40)).await;
    let soon = world.asks_to_be_erased(&bob, now - TimeDelta::days(20)).await;
    let taken_back = world.asks_to_be_erased(&ada, now - TimeDelta::days(1)).await;
    let withdrawn = json!({ "DeletionWithdrawn": { "withdrawn_at": now } });
    world.on_request(taken_back, withdrawn).await;
    world.project().await;
    let mine = world.get_as(&ada, PATH).await.ok();
    assert_eq!(ids(&mine), texts(&[taken_back, late]));
    assert_eq!(mine["items"][0]["status"], "REJECTED");
    assert_eq!(mine["items"][0]["rejection_reason"], "withdrawn by subject", "K18");
    assert_eq!(mine["items"][0]["reviewer_id"], Value::Null);
    assert!(mine["items"][0]["complaint"].as_str().unwrap().contains("authority"));
    for (query, expected) in [
        ("", vec![taken_back, soon, late]),
        ("?due=open", vec![late, soon]),
        ("?due=overdue", vec![late]),
        ("?status=REJECTED", vec![taken_back]),
    ] {
        let list = world.get_as(&privacy, &format!("{PATH}{query}")).await.ok();
        assert_eq!(ids(&list), texts(&expected), "{query}");
    }
    let of_bob = format!("{PATH}?user_id={}", bob.id());
    assert!(ids(&world.get_as(&ada, &of_bob).await.ok()).is_empty());
    assert_eq!(ids(&world.get_as(&privacy, &of_bob).await.ok()), texts(&[soon]));
    assert!(ids(&world.get_as(&other, PATH).await.ok()).is_empty());
    let one = format!("{PATH}/{soon}");
    for (user, status) in [(&bob, 200), (&privacy, 200), (&ada, 404), (&other, 404)] {
        assert_eq!(world.get_as(user, &one).await.status, status);
    }
    world.get_as(&privacy, &format!("{PATH}?status=GONE")).await.problem(400);
    let records = world.security_records().await;
    assert!(records.iter().filter(|(kind, ..)| kind == "audit_read").count() >= 5);
}

#[tokio::test]
async fn ddr_01_every_ground_is_shown_as_it_was_given() {
    let world = World::new().await;
    let privacy = world.admin(&[AdminScope::Privacy]).await;
    let mut asked = Vec::new();
    for ground in DeletionGround::ALL {
        let person = world.member(None).await;
        asked.push((world.asks_on(*ground, &person, clock::now()).await, ground.as_str()));
    }
    world.project().await;
    for (id, ground) in asked {
        let shown = world.get_as(&privacy, &format!("{PATH}/{id}")).await.ok();
        assert_eq!(shown["legal_ground"], ground);
    }
}

#[tokio::test]
async fn ddr_06_ddr_17_what_stays_is_registered_and_certificates_are_everybodys() {
    let world = World::new().await;
    let ada = world.member(None).await;
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    let now = clock::now();
    let id = world.asks_to_be_erased(&ada, now).await;
    let certificate = format!("/v1/erasure-certificates/{id}");
    let approved = json!({ "DeletionApproved": { "reviewer_id": auditor.actor, "approved_at": now,
        "retention": { "ground": "LEGAL_CLAIMS", "categories": ["evidence"],
            "reason": reason(&ada, "A claim is before the court.") },
        "recipients": ["Newsletter Ltd"] } });
    let told = json!({ "RecipientNotified": { "recipient": "Newsletter Ltd", "status": "NOTIFIED",
        "notified_by": auditor.actor, "notified_at": now } });
    let step = json!({ "ErasureStepRecorded": { "step": { "at": now, "store": "keys",
        "categories": ["content"], "result": "DONE", "count": 1,
        "key_ids": ["00112233445566778899aabbccddeeff"] } } });
    for event in [
        json!({ "DeletionReviewStarted": { "reviewer_id": auditor.actor, "review_started_at": now } }),
        approved,
        json!({ "ErasureStarted": { "processing_started_at": now } }),
        step,
        told,
    ] {
        world.on_request(id, event).await;
    }
    world.project().await;
    world.get(&certificate).await.problem(404);
    assert_eq!(world.get("/v1/erasure-certificate-keys").await.ok()["keys"], json!([]));
    world.get_as(&ada, "/v1/retained-data").await.problem(403);
    let register = world.get_as(&auditor, "/v1/retained-data").await.ok();
    assert_eq!(ids(&register), texts(&[id]));
    let entry = &register["items"][0];
    assert_eq!(entry["retention_article"], "17(3)(e)");
    assert_eq!(entry["retained_categories"], json!(["evidence"]));
    assert_eq!(entry["retention_reason"], "A claim is before the court.");
    assert_eq!(entry["third_party_notification"], json!({ "Newsletter Ltd": "NOTIFIED" }));
    assert_eq!(entry["processing_log"][0]["store"], "keys");
    for event in [
        json!({ "ErasureCompleted": { "completed_at": now } }),
        json!({ "ErasureCertificateIssued": { "statement": "{\"type\":\"x\"}",
            "public_key": "0f".repeat(32), "signature": "AA==" } }),
    ] {
        world.on_request(id, event).await;
    }
    world.project().await;
    let shown = world.get(&certificate).await.ok();
    assert_eq!(shown["statement"], "{\"type\":\"x\"}");
    let keys = world.get("/v1/erasure-certificate-keys").await.ok();
    assert_eq!(keys["keys"][0]["public_key"], shown["public_key"]);
    assert_eq!(keys["algorithm"], "Ed25519");
    // The exception has ended, and a later request took what was left.
    let (later, at) = (DeletionId(clock::new_id()), now + TimeDelta::seconds(1));
    for event in [
        json!({ "DeletionRequested": { "deletion_id": later, "subject": ada.actor,
            "deletion_scope": "COMPLETE_DELETION", "legal_ground": "OBJECTION",
            "requested_by": auditor.actor, "requested_at": at, "due_at": at + TimeDelta::days(30),
            "verification_required": false } }),
        json!({ "DeletionReviewStarted": { "reviewer_id": auditor.actor, "review_started_at": at } }),
        json!({ "DeletionApproved": { "reviewer_id": auditor.actor, "approved_at": at } }),
        json!({ "ErasureStarted": { "processing_started_at": at } }),
        json!({ "ErasureCompleted": { "completed_at": at } }),
        json!({ "ErasureCertificateIssued": { "statement": "{}", "public_key": "0f".repeat(32),
            "signature": "AA==" } }),
    ] {
        world.on_request(later, event).await;
    }
    world.project().await;
    let register = world.get_as(&auditor, "/v1/retained-data").await.ok();
    assert!(ids(&register).is_empty(), "{register}");
}

/// Of fifty thousand people; few wait, few keep something.
const GROW: &str = "
    INSERT INTO read.data_deletion_requests (deletion_id, user_id, deletion_scope, legal_ground,
        status, requested_at, retention_override, backup_deletion_status, verification_required,
        created_at, updated_at, user_kind, requested_by, due_at, is_withdrawn, position, sequence,
        retention_reason, retention_ground, retained_categories, certificate_statement,
        certificate_public_key, certificate_signature, completed_at)
    SELECT gen_random_uuid(), lpad(to_hex(g % 50000), 32, '0')::uuid, 'COMPLETE_DELETION',
        'OBJECTION', CASE WHEN g % 1000 = 0 THEN 'PENDING' ELSE 'COMPLETED' END, t.at, g % 500 = 1,
        'COMPLETED', false, t.at, t.at, 'member', gen_random_uuid(), t.at, false, g, 1,
        CASE WHEN g % 500 = 1 THEN 'x' END, CASE WHEN g % 500 = 1 THEN 'LEGAL_CLAIMS' END,
        CASE WHEN g % 500 = 1 THEN '[]'::jsonb END,
        CASE WHEN g % 1000 <> 0 THEN '{}' END, CASE WHEN g % 1000 <> 0 THEN '0f' END,
        CASE WHEN g % 1000 <> 0 THEN 'AA==' END, CASE WHEN g % 1000 <> 0 THEN t.at END
    FROM generate_series(1, 200000) g
    CROSS JOIN LATERAL (SELECT '2025-01-01'::timestamptz + g * interval '1 minute' AS at) t;
    ANALYZE read.data_deletion_requests";

#[tokio::test]
async fn ddr_11_each_way_to_ask_is_an_index_in_its_order() {
    let world = World::new().await;
    sqlx::raw_sql(GROW).execute(&world.database.pool).await.unwrap();
    let table = "read.data_deletion_requests";
    for (way, rest) in [
        (
            "newest",
            "WHERE (requested_at, deletion_id) < ($1, $2) ORDER BY requested_at DESC, deletion_id DESC LIMIT 21",
        ),
        (
            "of one",
            "WHERE (requested_at, deletion_id) < ($1, $2) AND user_id = $2 ORDER BY requested_at DESC, deletion_id DESC LIMIT 21",
        ),
        (
            "due",
            "WHERE (due_at, deletion_id) > ('-infinity', $2) AND $1::timestamptz IS NOT NULL AND status NOT IN ('REJECTED', 'COMPLETED') ORDER BY due_at, deletion_id LIMIT 21",
        ),
        (
            "retained",
            "WHERE retention_override AND (requested_at, deletion_id) < ($1, $2) ORDER BY requested_at DESC, deletion_id DESC LIMIT 21",
        ),
        (
            "keys",
            "WHERE certificate_public_key > '' AND $1::timestamptz IS NOT NULL AND $2::uuid IS NOT NULL ORDER BY certificate_public_key LIMIT 1",
        ),
    ] {
        let plan: Vec<String> =
            sqlx::query_scalar(&format!("EXPLAIN SELECT * FROM {table} {rest}"))
                .bind(clock::now())
                .bind(uuid::Uuid::max())
                .fetch_all(&world.reads)
                .await
                .unwrap();
        let plan = plan.join("\n");
        assert!(!plan.contains("Seq Scan") && !plan.contains("Sort"), "{way}: {plan}");
    }
}
