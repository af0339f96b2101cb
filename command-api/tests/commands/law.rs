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
    for correction in ["MemberDisplayNameChanged", "EmailChangeRequested"] {
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
        let value = job.pointer(field).or(job.get(field.trim_start_matches('/'))).unwrap();
        value.as_str().unwrap().parse().unwrap()
    };
    let (from, due) = (time("/requested_at"), time("/due_at"));
    let days = (due - from).num_days();
    // A month is sooner than the 45 days that CCPA gives.
    assert!((28..=31).contains(&days), "{days}");
}
