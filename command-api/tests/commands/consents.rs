//! Consents: a record for each answer, each to the text that holds, withdrawn in one step.

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use crate::common::{Answer, CLIENT, Person, World, answer, in_seconds, unknown_id};

const VERSION: &str = "v1";

/// A world in which a policy holds, and a member.
async fn world() -> (World, Person) {
    let world = World::new().await;
    let lawyers = world.lawyers().await;
    world.policy(&lawyers, VERSION, false).await;
    let member = world.member().await;
    (world, member)
}

fn analytics() -> Value {
    answer("ANALYTICS", "search_analytics", VERSION)
}

fn withdrawal() -> Value {
    json!({ "consent_type": "ANALYTICS", "purpose": "search_analytics" })
}

/// An answer with one field changed.
fn with(field: &str, value: Value) -> Value {
    let mut body = analytics();
    body[field] = value;
    body
}

async fn record(world: &World, answer: &Answer) -> Value {
    let payload = world.last_payload("consent", &answer.id()).await;
    payload.as_object().unwrap().values().next().unwrap()["consent"].clone()
}

#[tokio::test]
async fn con_06_con_07_con_08_a_grant_is_a_record_that_a_withdrawal_keeps() {
    let (world, member) = world().await;
    let mut body = analytics();
    body["evidence_data"] = json!({ "form": "settings of Kari" });
    let granted = world.send(&member, "grant-consent", body.clone()).await;
    assert_eq!(granted.events(), ["ConsentGranted"]);
    assert_eq!(granted.result("status"), "GRANTED");
    let before = record(&world, &granted).await;
    assert_eq!(before["consent_id"], granted.result("consent_id"));
    assert_eq!(
        (&before["consent_version"], &before["principal"]["id"]),
        (&json!("v1"), &json!(member.id()))
    );
    assert_eq!(before["policy_hash"].as_str().unwrap().len(), 64);
    for sealed in ["ip_address", "purpose_description", "evidence_data"] {
        let text = before[sealed].as_str().unwrap();
        assert!(text.starts_with("sealed:") && text.contains(&member.id()), "{sealed}: {text}");
    }
    let all = before.to_string();
    assert!(!all.contains(CLIENT) && !all.contains("Kari") && !all.contains("make this better"));
    assert!(world.send(&member, "grant-consent", body).await.events().is_empty(), "the same again");

    let withdrawn = world.send(&member, "withdraw-consent", withdrawal()).await;
    assert_eq!(
        (withdrawn.events(), withdrawn.result("status")),
        (vec!["ConsentWithdrawn"], "WITHDRAWN".into())
    );
    let after = record(&world, &withdrawn).await;
    assert_eq!(
        (&after["consent_id"], &after["granted_at"]),
        (&before["consent_id"], &before["granted_at"])
    );
    assert!(after["withdrawn_at"].as_str() >= after["granted_at"].as_str(), "con_05");
    let again = world.send(&member, "withdraw-consent", withdrawal()).await;
    assert!(again.events().is_empty(), "a withdrawal twice");
    let new = world.send(&member, "grant-consent", analytics()).await;
    assert_ne!(
        new.result("consent_id"),
        granted.result("consent_id"),
        "a later grant is a new record"
    );
}

#[tokio::test]
async fn con_06_con_09_what_there_is_to_withdraw() {
    let (world, member) = world().await;
    let withdraw = async || world.send(&member, "withdraw-consent", withdrawal()).await;
    withdraw().await.refused(409, "CON-06");
    let denied = world.send(&member, "deny-consent", analytics()).await;
    assert_eq!(
        (denied.events(), denied.result("status")),
        (vec!["ConsentDenied"], "DENIED".into())
    );
    assert_eq!(record(&world, &denied).await["granted_at"], Value::Null, "con_05");
    assert!(world.send(&member, "deny-consent", analytics()).await.events().is_empty());
    withdraw().await.refused(409, "CON-06");
    world.send(&member, "grant-consent", analytics()).await.accepted();
    let denied = world.send(&member, "deny-consent", analytics()).await;
    assert_eq!(denied.events(), ["ConsentWithdrawn", "ConsentDenied"]);
    let mut reason = withdrawal();
    reason["reason"] = "I do not want to be analysed".into();
    world.send(&member, "grant-consent", analytics()).await.accepted();
    let withdrawn = world.send(&member, "withdraw-consent", reason).await;
    let reason = record(&world, &withdrawn).await["withdrawal_reason"].clone();
    assert!(reason.as_str().unwrap().starts_with("sealed:"), "{reason}");
    // What rests on another ground is objected to.
    let contract = with("legal_basis", "CONTRACT".into());
    world.send(&member, "grant-consent", contract).await.accepted();
    let refused = withdraw().await;
    refused.refused(422, "CON-09");
    assert!(refused.body["detail"].as_str().unwrap().contains("Art. 21"), "{}", refused.text);
    // Nobody withdraws another's.
    let other = world.member().await;
    world.send(&other, "withdraw-consent", withdrawal()).await.refused(409, "CON-06");
}

#[tokio::test]
async fn con_12_a_consent_whose_time_has_passed_is_over_without_a_job() {
    let (world, member) = world().await;
    let past = with("expires_at", "2020-01-01T00:00:00Z".into());
    world.send(&member, "grant-consent", past).await.refused(422, "CON-05");
    let short = with("expires_at", in_seconds(1).into());
    let first = world.send(&member, "grant-consent", short).await;
    sleep(Duration::from_millis(1_100)).await;
    world.send(&member, "withdraw-consent", withdrawal()).await.refused(409, "CON-06");
    let second = world.send(&member, "grant-consent", analytics()).await;
    assert_ne!(first.result("consent_id"), second.result("consent_id"));
    let payload = world.last_payload("consent", &second.id()).await;
    assert_eq!(payload["ConsentGranted"]["supersedes"], Value::Null, "it had ended");
}

#[tokio::test]
async fn con_01_con_04_con_10_con_11_con_16_what_is_no_consent_is_refused() {
    let (world, member) = world().await;
    let deep = json!({ "age": 12, "form": "x" });
    for (field, value, rule) in [
        ("consent_type", json!("SPAM"), "CON-01"),
        ("consent_method", json!("SILENCE"), "CON-01"),
        ("legal_basis", json!("VIBES"), "CON-01"),
        ("consent_method", json!("IMPLIED"), "CON-10"),
        ("consent_method", json!("PRE_CHECKED"), "CON-10"),
        ("data_categories", json!([]), "CON-04"),
        ("data_categories", json!(["kari@example.org"]), "CON-04"),
        ("processing_purposes", json!([]), "CON-04"),
        ("processing_purposes", json!(["ads", "search_analytics"]), "CON-11"),
        ("retention_period_days", json!(0), "CON-04"),
        ("retention_period_days", json!(-1), "CON-04"),
        ("evidence_data", json!([1]), "CON-04"),
        ("evidence_data", json!("{}"), "CON-04"),
        ("evidence_data", deep, "CON-16"),
    ] {
        let answer = world.send(&member, "grant-consent", with(field, value.clone())).await;
        assert_eq!(answer.status, 422, "{field} {value}: {}", answer.text);
        let found = match answer.body["errors"].as_array() {
            Some(errors) => errors[0]["rule"].clone(),
            None => answer.body["rule"].clone(),
        };
        assert_eq!(found, rule, "{field} {value}: {}", answer.text);
    }
    for (field, value) in [
        ("data_categories", json!("usage")),
        ("third_party_sharing", json!("no")),
        ("retention_period_days", json!(1.5)),
        ("expires_at", json!("tomorrow")),
    ] {
        world.send(&member, "grant-consent", with(field, value)).await.problem(400);
    }
    let guarded = with("evidence_data", json!({ "age": 12, "guardian": { "relation": "mother" } }));
    world.send(&member, "grant-consent", guarded).await.accepted();
}

#[tokio::test]
async fn con_03_rel_05_a_consent_is_to_the_version_that_holds() {
    let world = World::new().await;
    let (lawyers, member) = (world.lawyers().await, world.member().await);
    let to = async |version: &str| {
        let body = answer("COOKIES", "statistics", version);
        world.send(&member, "grant-consent", body).await
    };
    to("v1").await.refused(422, "CON-03");
    let first = world.policy(&lawyers, "v1", false).await;
    let granted = to("v1").await;
    assert_eq!(record(&world, &granted).await["policy_version_id"], first);
    to("v9").await.refused(422, "CON-03");
    let later = crate::common::draft("v2", &in_seconds(3_600), false);
    let later = world.approved(&lawyers, later).await;
    to("v2").await.refused(422, "CON-03");
    world.on_version(&lawyers.author, "publish-policy", &later).await.accepted();
    to("v2").await.refused(422, "CON-03");
    world.policy(&lawyers, "v3", false).await;
    to("v1").await.refused(422, "CON-03");
    let newer = to("v3").await;
    let payload = world.last_payload("consent", &newer.id()).await;
    assert_eq!(payload["ConsentGranted"]["supersedes"], granted.result("consent_id"));
}

#[tokio::test]
async fn con_13_with_sec_gpc_marketing_and_sharing_are_denied() {
    let (world, member) = world().await;
    let marketing = answer("MARKETING", "newsletter", VERSION);
    world.send(&member, "grant-consent", marketing.clone()).await.accepted();
    let denied = world.send_opted_out(&member, "grant-consent", marketing).await;
    assert_eq!(denied.events(), ["ConsentWithdrawn", "ConsentDenied"]);
    assert_eq!(denied.result("status"), "DENIED");
    assert_eq!(denied.body["result"]["denied_by_signal"], true);
    let shared = with("third_party_sharing", true.into());
    let denied = world.send_opted_out(&member, "grant-consent", shared).await;
    assert_eq!(denied.events(), ["ConsentDenied"]);
    let own = answer("COOKIES", "statistics", VERSION);
    let granted = world.send_opted_out(&member, "grant-consent", own).await;
    assert_eq!(granted.events(), ["ConsentGranted"], "the signal says nothing of this");
}

#[tokio::test]
async fn con_10_an_import_is_history_and_does_not_touch_what_holds() {
    let (world, member) = world().await;
    let admin = world.admin(&[]).await;
    let granted = world.send(&member, "grant-consent", analytics()).await;
    let import = |principal: Value| {
        json!({
            "principal": principal, "consent_status": "GRANTED",
            "terms": with("consent_method", "PRE_CHECKED".into()),
            "granted_at": "2019-01-01T00:00:00Z",
        })
    };
    let member_json = json!({ "kind": "member", "id": member.id() });
    let imported = world.send(&admin, "import-consent", import(member_json.clone())).await;
    assert_eq!(imported.events(), ["ConsentImported"]);
    assert_ne!(imported.id(), granted.id());
    let record = record(&world, &imported).await;
    assert_eq!((&record["is_imported"], &record["ip_address"]), (&json!(true), &Value::Null));
    let withdrawn = world.send(&member, "withdraw-consent", withdrawal()).await;
    assert_eq!(withdrawn.result("consent_id"), granted.result("consent_id"));
    let nobody = json!({ "kind": "member", "id": unknown_id() });
    world.send(&admin, "import-consent", import(nobody)).await.refused(404, "CON-02");
    let mut wrong = import(member_json.clone());
    wrong["consent_status"] = "DENIED".into();
    world.send(&admin, "import-consent", wrong).await.refused(422, "CON-05");
    let mut unknown = import(member_json);
    unknown["terms"]["consent_version"] = "v0".into();
    world.send(&admin, "import-consent", unknown.clone()).await.refused(422, "CON-03");
    unknown["terms"]["consent_type"] = "SPAM".into();
    let wrong = world.send(&admin, "import-consent", unknown).await;
    assert_eq!(wrong.wrong_fields(), [("/terms/consent_type", Some("CON-01"))]);
}

#[tokio::test]
async fn con_06_of_two_withdrawals_at_once_one_is_an_event() {
    let (world, member) = world().await;
    let twin = world.twin().await;
    world.send(&member, "grant-consent", analytics()).await.accepted();
    let both = (0..8).map(|number| {
        let world = if number % 2 == 0 { &world } else { &twin };
        world.send(&member, "withdraw-consent", withdrawal())
    });
    let answers = join_all(both).await;
    let events: usize = answers.iter().map(|answer| answer.events().len()).sum();
    assert_eq!(events, 1);
}

#[tokio::test]
async fn con_06_a_grant_and_a_withdrawal_at_once_come_one_after_the_other() {
    let (world, member) = world().await;
    let twin = world.twin().await;
    for _ in 0..4 {
        world.send(&member, "grant-consent", analytics()).await.accepted();
        let head = world.head().await;
        let sharing = with("third_party_sharing", true.into());
        let (grant, withdraw) = tokio::join!(
            world.send(&member, "grant-consent", sharing),
            twin.send(&member, "withdraw-consent", withdrawal()),
        );
        grant.accepted();
        withdraw.accepted();
        let order: Vec<String> =
            world.events_after(head).await.into_iter().map(|(event_type, _)| event_type).collect();
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(sorted, ["ConsentGranted", "ConsentWithdrawn"], "each happened once");
        // What was last counts.
        let last = record(&world, &grant).await;
        let expected = if order[1] == "ConsentGranted" { "GRANTED" } else { "WITHDRAWN" };
        assert_eq!(last["status"], expected, "{order:?}");
        let again = world.send(&member, "withdraw-consent", withdrawal()).await;
        assert_eq!(again.result("status"), "WITHDRAWN");
    }
}
