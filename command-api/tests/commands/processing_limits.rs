//! Objections (Art. 21, LAW-06) and restrictions (Art. 18, LAW-05): at once, one's own, and ended by whom.

use serde_json::{Value, json};

use crate::common::{Person, World, answer};

fn question() -> Value {
    json!({ "consent_type": "ANALYTICS", "purpose": "ranking_research" })
}

fn objection() -> Value {
    let mut body = question();
    body["reason"] = "Kari does not want to be measured.".into();
    body
}

#[tokio::test]
async fn law_06_an_objection_counts_at_once_and_is_taken_back_in_one_step() {
    let world = World::new().await;
    let member = world.member().await;
    let send = async |command: &str, body: Value| world.send(&member, command, body).await;
    send("withdraw-objection", question()).await.refused(409, "LAW-06");
    let objected = send("object-to-processing", objection()).await;
    assert_eq!(objected.events(), ["ProcessingObjected"]);
    assert_eq!(objected.body["result"]["in_force"], true);
    let payload = world.last_payload("processing_limit", &objected.id()).await;
    let limit = &payload["ProcessingObjected"]["limit"];
    assert!(limit["reason"].as_str().unwrap().starts_with("sealed:"), "{limit}");
    assert!(!payload.to_string().contains("Kari"));
    assert!(send("object-to-processing", objection()).await.events().is_empty(), "the same again");
    let withdrawn = send("withdraw-objection", question()).await;
    assert_eq!(withdrawn.events(), ["ObjectionWithdrawn"]);
    assert_eq!(withdrawn.body["result"]["in_force"], false);
    assert!(send("withdraw-objection", question()).await.events().is_empty());
    let again = send("object-to-processing", question()).await;
    assert_ne!(again.result("limit_id"), objected.result("limit_id"), "another record");
    let other = world.member().await;
    world.send(&other, "withdraw-objection", question()).await.refused(409, "LAW-06");
}

#[tokio::test]
async fn law_06_what_rests_on_consent_is_withdrawn_and_marketing_is_objected_to_always() {
    let world = World::new().await;
    let lawyers = world.lawyers().await;
    world.policy(&lawyers, "v1", false).await;
    let member = world.member().await;
    let ask = async |consent_type: &str, legal_basis: &str| {
        let mut body = answer(consent_type, "ranking_research", "v1");
        body["legal_basis"] = legal_basis.into();
        world.send(&member, "grant-consent", body).await.accepted();
        let object = json!({ "consent_type": consent_type, "purpose": "ranking_research" });
        world.send(&member, "object-to-processing", object).await
    };
    let refused = ask("ANALYTICS", "CONSENT").await;
    refused.refused(409, "LAW-06");
    assert!(refused.body["detail"].as_str().unwrap().contains("withdraw-consent"));
    ask("ANALYTICS", "CONTRACT").await.refused(422, "LAW-06");
    ask("ANALYTICS", "LEGITIMATE_INTERESTS").await.accepted();
    ask("MARKETING", "CONSENT").await.accepted();
}

async fn restrict(world: &World, person: &Person) -> Vec<String> {
    let body = json!({ "ground": "ACCURACY_CONTESTED", "reason": "It was not me." });
    let answer = world.send(person, "restrict-processing", body).await;
    answer.events().into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn law_05_a_restriction_is_ended_by_its_person_or_by_an_admin_who_says_why() {
    let world = World::new().await;
    let (member, admin) = (world.member().await, world.admin(&[]).await);
    let bad = json!({ "ground": "BECAUSE" });
    world.send(&member, "restrict-processing", bad).await.problem(422);
    world.send(&member, "withdraw-restriction", json!({})).await.refused(409, "LAW-05");
    assert_eq!(restrict(&world, &member).await, ["ProcessingRestricted"]);
    assert!(restrict(&world, &member).await.is_empty());
    let withdrawn = world.send(&member, "withdraw-restriction", json!({})).await;
    assert_eq!(withdrawn.events(), ["RestrictionWithdrawn"]);
    assert_eq!(restrict(&world, &member).await, ["ProcessingRestricted"]);
    let mut lift = json!({ "principal": { "kind": "member", "id": member.id() } });
    world.send(&admin, "lift-restriction", lift.clone()).await.problem(400);
    lift["reason"] = "It was checked, and it was you.".into();
    world.send(&member, "lift-restriction", lift.clone()).await.problem(403);
    let lifted = world.send(&admin, "lift-restriction", lift.clone()).await;
    assert_eq!(lifted.events(), ["RestrictionLifted"]);
    assert!(world.send(&admin, "lift-restriction", lift).await.events().is_empty());
    let payload = world.last_payload("processing_limit", &lifted.id()).await;
    let reason = payload["RestrictionLifted"]["lifting_reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("sealed:") && reason.contains(&member.id()), "{reason}");
}
