//! LAW: what the law asks and no field of a table shows, as a person meets it.

use serde_json::{Value, json};

use crate::common::{Person, World, answer};

async fn record(world: &World, id: &str) -> Value {
    let payload = world.last_payload("consent", id).await;
    payload.as_object().unwrap().values().next().unwrap()["consent"].clone()
}

fn marketing() -> Value {
    json!({ "consent_type": "MARKETING", "purpose": "newsletter" })
}

async fn consent(world: &World) -> Person {
    let lawyers = world.lawyers().await;
    world.policy(&lawyers, "v1", false).await;
    world.member().await
}

#[tokio::test]
async fn law_01_a_consent_is_proven_and_withdrawing_it_is_as_easy_as_giving_it() {
    let world = World::new().await;
    let member = consent(&world).await;
    // One command of one's own, in the same session, without a password or a reason.
    let body = answer("MARKETING", "newsletter", "v1");
    let granted = world.send(&member, "grant-consent", body).await;
    // Art. 7(1): who, to which text, when, how, from where; in the log, which refuses every change.
    let proof = record(&world, &granted.id()).await;
    for told in [
        "principal",
        "policy_hash",
        "consent_version",
        "granted_at",
        "consent_method",
        "ip_address",
    ] {
        assert!(!proof[told].is_null(), "{told}: {proof}");
    }
    let changed =
        sqlx::query("UPDATE log.events SET payload = '{}' WHERE aggregate_type = 'consent'")
            .execute(&world.database.pool)
            .await;
    assert!(changed.is_err(), "not even an owner changes it");
    // Art. 7(3).
    let withdrawn = world.send(&member, "withdraw-consent", marketing()).await;
    assert_eq!(withdrawn.events(), ["ConsentWithdrawn"]);
    let after = record(&world, &granted.id()).await;
    assert_eq!(after["granted_at"], proof["granted_at"], "what was given stays proven");
    assert_eq!(after["policy_hash"], proof["policy_hash"]);
}

#[tokio::test]
async fn law_04_who_is_described_wrongly_corrects_it_and_the_correction_is_an_event() {
    let world = World::new().await;
    let member = world.member().await;
    let before = world.head().await;
    let body = json!({ "display_name": "Kari Nordmann" });
    world.send(&member, "change-display-name", body).await.accepted();
    let body = json!({ "email": "kari@example.org", "password": crate::common::PASSWORD });
    world.send(&member, "change-email", body).await.accepted();
    let events: Vec<String> =
        world.events_after(before).await.into_iter().map(|(kind, _)| kind).collect();
    for correction in ["DisplayNameChanged", "EmailChangeRequested"] {
        assert!(events.iter().any(|kind| kind == correction), "{correction}: {events:?}");
    }
    // Whoever is suspended may still have it corrected: by an admin, who asks for nothing but a reason.
    let none = json!({ "display_name": null });
    world.send(&member, "change-display-name", none).await.accepted();
}

#[tokio::test]
async fn law_09_con_13_a_browser_that_opts_out_sells_and_shares_nothing() {
    let world = World::new().await;
    let member = consent(&world).await;
    for (consent_type, sharing, denied) in
        [("MARKETING", false, true), ("ANALYTICS", true, true), ("ANALYTICS", false, false)]
    {
        let purpose = format!("{consent_type}-{sharing}");
        let mut body = answer(consent_type, &purpose, "v1");
        body["third_party_sharing"] = sharing.into();
        let answered = world.send_opted_out(&member, "grant-consent", body).await;
        let status = if denied { "DENIED" } else { "GRANTED" };
        assert_eq!(answered.result("status"), status, "{consent_type}, shared: {sharing}");
        assert_eq!(answered.body["result"]["denied_by_signal"], denied);
    }
    // §7101: the record of the opt-out is kept, with when it was made.
    let payload = sqlx::query_scalar::<_, i64>(
        "SELECT count(*) FROM log.events
         WHERE event_type = 'ConsentDenied' AND (payload #>> '{ConsentDenied,consent,denied_by_signal}')::boolean",
    )
    .fetch_one(&world.database.pool)
    .await
    .unwrap();
    assert_eq!(payload, 2);
}

#[tokio::test]
async fn law_09_law_02_a_request_is_confirmed_at_once_and_has_a_time_by_which_it_is_answered() {
    let world = World::new().await;
    let member = world.member().await;
    let ask = json!({ "kind": "subject_data", "request_type": "FULL_EXPORT",
        "format": "JSON", "delivery_method": "SECURE_PORTAL" });
    let asked = world.send(&member, "request-export", ask).await;
    asked.accepted();
    let payload = world.last_payload("export_job", &asked.id()).await;
    let job = &payload["ExportRequested"];
    let time = |field: &str| -> chrono::DateTime<chrono::Utc> {
        job[field].as_str().unwrap().parse().unwrap()
    };
    let (from, due) = (time("triggered_at"), time("due_at"));
    let days = (due - from).num_days();
    // A month is sooner than the 45 days that CCPA gives.
    assert!((28..=31).contains(&days), "{days}");
}

#[tokio::test]
async fn law_11_where_there_is_a_minimum_age_who_registers_attests_it_and_no_more_is_stored() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let register = async |email: &str, is_of_age: Value| {
        let mut body = json!({ "email": email, "password": crate::common::PASSWORD });
        if !is_of_age.is_null() {
            body["is_of_age"] = is_of_age;
        }
        world.guest("register-member", body).await
    };
    register("a@example.org", Value::Null).await.accepted();
    register("b@example.org", false.into()).await.refused(422, "LAW-11");
    for (value, taken) in [("13", true), ("22", false)] {
        let set = json!({ "key": "minimum_age", "value": value });
        let answer = world.send(&admin, "set-configuration", set).await;
        assert_eq!(answer.status == 200, taken, "{value}: {}", answer.text);
    }
    let refused = register("c@example.org", Value::Null).await;
    refused.refused(422, "LAW-11");
    assert!(refused.body["detail"].as_str().unwrap().contains("13"));
    register("c@example.org", false.into()).await.refused(422, "LAW-11");
    register("c@example.org", "yes".into()).await.problem(400);
    let before = world.head().await;
    register("c@example.org", true.into()).await.accepted();
    let stored: Vec<String> =
        sqlx::query_scalar("SELECT payload::text FROM log.events WHERE position > $1")
            .bind(i64::try_from(before).unwrap())
            .fetch_all(&world.database.pool)
            .await
            .unwrap();
    assert!(!stored.is_empty() && stored.iter().all(|payload| !payload.contains("age\"")));
    // A consent for a child takes a guardian (CON-16).
    let member = consent(&world).await;
    let mut body = answer("COOKIES", "statistics", "v1");
    body["evidence_data"] = json!({ "age": 12 });
    world.send(&member, "grant-consent", body).await.refused(422, "CON-16");
}

#[tokio::test]
async fn law_10_anybody_gives_notice_and_an_admin_who_has_no_part_in_it_decides() {
    let world = World::new().await;
    let crate::common::Settled { admin, owner, community_id, .. } = world.settled().await;
    let post_id = world.post(&owner, &community_id).await;
    let body = json!({ "target": { "kind": "post", "id": post_id }, "ground": "ILLEGAL_CONTENT",
        "explanation": "It sells Kari's birds." });
    let visitor = world.visitor().await;
    let by_guest = crate::common::Call::new("report-content")
        .header("agora-guest", &visitor.signature)
        .body(body.clone());
    world.request(by_guest).await.accepted();
    let member = world.member().await;
    let given = world.send(&member, "report-content", body.clone()).await;
    assert_eq!(given.events(), ["ContentReported"]);
    let payload = world.last_payload("content_notice", &given.id()).await.to_string();
    assert!(!payload.contains("Kari"), "{payload}");
    assert!(world.send(&member, "report-content", body.clone()).await.events().is_empty());
    let mut wrong = body.clone();
    wrong["ground"] = "RUDE".into();
    wrong["explanation"] = "".into();
    let wrong = world.send(&member, "report-content", wrong).await;
    let expected = [("/ground", Some("LAW-10")), ("/explanation", Some("LAW-10"))];
    assert_eq!(wrong.wrong_fields(), expected);
    let unknown = json!({ "target": { "kind": "comment", "id": crate::common::unknown_id() },
        "ground": "ILLEGAL_CONTENT", "explanation": "x" });
    world.send(&member, "report-content", unknown).await.refused(404, "REL-10");

    let own = world.send(&admin, "report-content", body).await.id();
    let decide = |notice_id: &str, outcome: &str| json!({ "notice_id": notice_id, "outcome": outcome, "reason": "It was removed." });
    let refused = world.send(&admin, "decide-content-notice", decide(&own, "NO_ACTION")).await;
    refused.refused(403, "LAW-10");
    // The reason for the removal is what the author is told (DSA Art. 17).
    let delete = json!({ "post_id": post_id, "reason": "These birds are protected." });
    let removed = world.send(&admin, "delete-post", delete).await;
    assert!(removed.events().contains(&"PostModerated"), "{:?}", removed.events());
    let taken = decide(&given.id(), "ACTION_TAKEN");
    let decided = world.send(&admin, "decide-content-notice", taken.clone()).await;
    assert_eq!(decided.events(), ["ContentNoticeDecided"]);
    assert!(world.send(&admin, "decide-content-notice", taken).await.events().is_empty());
    let other = decide(&given.id(), "NO_ACTION");
    world.send(&admin, "decide-content-notice", other).await.refused(409, "LAW-10");
    let none = decide(&crate::common::unknown_id(), "NO_ACTION");
    world.send(&admin, "decide-content-notice", none).await.refused(404, "REL-10");
}
