//! Incidents (E25) and the register of breaches (LAW-08).

use agora_domain::{
    identity::values::AdminScope,
    security::{incident::Incident, ip_address::IpAddress, values::IncidentStatus},
};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use crate::common::{Person, World, actor_json, unknown_id};

fn attack(address: &str) -> Value {
    json!({ "incident_type": "BRUTE_FORCE", "severity_level": "HIGH", "source_ip": address })
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

impl World {
    async fn guard(&self) -> Person {
        self.admin(&[AdminScope::Security]).await
    }

    async fn incident(&self, guard: &Person, address: &str) -> String {
        self.send(guard, "report-incident", attack(address)).await.id()
    }

    async fn status(&self, incident_id: &str) -> IncidentStatus {
        let incident = self.app.log.load::<Incident>(incident_id).await.unwrap();
        incident.state.get().unwrap().status
    }
}

#[tokio::test]
async fn inc_02_inc_10_an_incident_is_noted_with_its_address_whatever_its_spelling() {
    let world = World::new().await;
    let guard = world.guard().await;
    let first = world.send(&guard, "report-incident", attack("203.0.113.9")).await;
    assert_eq!(first.events(), ["IpIncidentLinked", "IncidentDetected"]);
    world.incident(&guard, "::ffff:203.0.113.9").await;
    let incident = world.app.log.load::<Incident>(&first.id()).await.unwrap();
    let address_id = incident.state.get().unwrap().address_id.unwrap();
    let address = world.app.log.load::<IpAddress>(&address_id.to_string()).await.unwrap();
    let record = address.state.get().unwrap();
    assert_eq!((record.incident_count, record.confirmed_incident_count), (2, 2));
    // Nothing of the address is in the clear, not even in the stream's name.
    let stored = world.last_payload("incident", &first.id()).await.to_string();
    assert!(!stored.contains("203.0.113"), "{stored}");
    let stored = world.last_payload("ip_address", &address_id.to_string()).await.to_string();
    assert!(!stored.contains("203.0.113"), "{stored}");
    for wrong in ["203.0.113.0/24", "203.0.113.999", "010.0.0.1", "fe80::1%eth0", ""] {
        let refused = world.send(&guard, "report-incident", attack(wrong)).await;
        refused.problem(422);
    }
    // `::` has no reputation (K20).
    let nowhere = world.send(&guard, "report-incident", attack("::")).await;
    assert_eq!(nowhere.events(), ["IncidentDetected"]);
}

#[tokio::test]
async fn inc_01_inc_04_inc_05_inc_09_values_are_checked_where_they_stand() {
    let world = World::new().await;
    let guard = world.guard().await;
    let later = (Utc::now() + TimeDelta::hours(1)).to_rfc3339();
    for (field, value, rule) in [
        ("incident_type", json!("OTHER"), "INC-01"),
        ("severity_level", json!("high"), "INC-01"),
        ("attack_vector", json!("NUKE"), "INC-01"),
        ("detection_method", json!("GUESS"), "INC-01"),
        ("detection_confidence", json!(-0.01), "INC-04"),
        ("detection_confidence", json!(1.01), "INC-04"),
        ("request_count", json!(0), "INC-05"),
        ("blocked_requests", json!(1), "INC-05"),
        ("last_activity_at", json!(later), "INC-09"),
        ("user", json!({ "kind": "member", "id": unknown_id() }), "INC-13"),
        ("follows", json!(unknown_id()), "REL-10"),
    ] {
        let answer =
            world.send(&guard, "report-incident", with(attack("203.0.113.9"), field, value)).await;
        let problem: Value = serde_json::from_str(&answer.text).unwrap();
        let rules = format!("{} {}", problem["rule"], problem["errors"]);
        assert!(rules.contains(rule), "{field}: {}", answer.text);
    }
    for sure in [json!(0), json!(0.0), json!(1), json!(1.0)] {
        let body = with(attack("203.0.113.9"), "detection_confidence", sure);
        world.send(&guard, "report-incident", body).await.accepted();
    }
    // Counts and objects.
    let body = with(attack("203.0.113.9"), "threat_intelligence", json!([1]));
    world.send(&guard, "report-incident", body).await.problem(400);
    let member = world.member().await;
    let body = with(attack("203.0.113.9"), "user", actor_json(member.actor));
    world.send(&guard, "report-incident", body).await.accepted();
}

#[tokio::test]
async fn inc_06_an_incident_from_its_report_to_its_end_and_back_again() {
    let world = World::new().await;
    let guard = world.guard().await;
    let id = world.incident(&guard, "203.0.113.9").await;
    let on = |more: Value| with(more, "incident_id", json!(id));
    let mitigate = on(json!({ "action": "Blocked the network." }));
    world.send(&guard, "record-mitigation", mitigate.clone()).await.refused(409, "INC-06");
    world.send(&guard, "resolve-incident", on(json!({}))).await.refused(409, "INC-06");
    let more = on(json!({ "request_count": 5, "blocked_requests": 2 }));
    world.send(&guard, "record-incident-activity", more).await.accepted();
    world.send(&guard, "start-investigation", on(json!({}))).await.accepted();
    let again = world.send(&guard, "start-investigation", on(json!({}))).await;
    assert!(again.events().is_empty());
    let stranger = on(json!({ "assigned_to": unknown_id() }));
    world.send(&guard, "assign-incident", stranger).await.refused(422, "INC-13");
    let own = on(json!({ "assigned_to": guard.id() }));
    world.send(&guard, "assign-incident", own).await.accepted();
    let escalate = on(json!({ "severity_level": "CRITICAL", "reason": "It goes on." }));
    world.send(&guard, "escalate-incident", escalate.clone()).await.accepted();
    world.send(&guard, "escalate-incident", escalate).await.refused(409, "INC-08");
    let found = on(json!({ "forensic_data": { "agents": ["sqlmap"] } }));
    world.send(&guard, "add-forensic-data", found.clone()).await.accepted();
    let assess =
        on(json!({ "impact_assessment": "Nobody got in.", "attack_vector": "APPLICATION_LAYER" }));
    world.send(&guard, "assess-impact", assess).await.accepted();
    world.send(&guard, "record-mitigation", mitigate.clone()).await.accepted();
    world.send(&guard, "record-mitigation", mitigate.clone()).await.accepted();
    assert_eq!(world.status(&id).await, IncidentStatus::Mitigated);
    // It cannot come back before it is over.
    let back = with(attack("203.0.113.9"), "follows", json!(id));
    world.send(&guard, "report-incident", back.clone()).await.refused(409, "INC-06");
    let resolve = on(json!({ "root_cause": "A leaked list.", "lessons_learned": null }));
    world.send(&guard, "resolve-incident", resolve.clone()).await.accepted();
    for (command, body) in [("resolve-incident", resolve), ("record-mitigation", mitigate)] {
        world.send(&guard, command, body).await.refused(409, "INC-06");
    }
    world.send(&guard, "add-forensic-data", found).await.accepted();
    world.send(&guard, "report-incident", back).await.accepted();
    let nowhere = json!({ "incident_id": unknown_id() });
    world.send(&guard, "start-investigation", nowhere).await.refused(404, "REL-10");
}

#[tokio::test]
async fn inc_07_inc_11_a_false_alarm_takes_back_what_it_cost_its_address() {
    let world = World::new().await;
    let guard = world.guard().await;
    let id = world.incident(&guard, "203.0.113.9").await;
    let mark = json!({ "incident_id": id, "reason": "A load test of ours." });
    let marked = world.send(&guard, "mark-false-positive", mark.clone()).await;
    assert_eq!(marked.events(), ["IncidentMarkedFalsePositive", "IpIncidentRefuted"]);
    assert_eq!(world.status(&id).await, IncidentStatus::FalsePositive);
    let incident = world.app.log.load::<Incident>(&id).await.unwrap();
    let address_id = incident.state.get().unwrap().address_id.unwrap().to_string();
    let address = world.app.log.load::<IpAddress>(&address_id).await.unwrap();
    let record = address.state.get().unwrap();
    assert_eq!((record.incident_count, record.confirmed_incident_count), (1, 0));
    assert_eq!(record.score(Utc::now()).0.get(), 70);
    world.send(&guard, "mark-false-positive", mark).await.refused(409, "INC-06");
    let declare = json!({ "incident_id": id });
    world.send(&guard, "declare-breach", declare).await.refused(409, "INC-06");
}

#[tokio::test]
async fn inc_14_law_08_a_breach_is_registered_and_who_was_told() {
    let world = World::new().await;
    let guard = world.guard().await;
    let id = world.incident(&guard, "203.0.113.9").await;
    let tell = |more: Value| with(more, "incident_id", json!(id));
    let undeclared = tell(json!({ "kind": "AUTHORITY" }));
    world.send(&guard, "record-breach-notification", undeclared).await.refused(404, "INC-14");
    let aware = (Utc::now() - TimeDelta::hours(80)).to_rfc3339();
    let declare = tell(json!({ "aware_at": aware, "nature": "Addresses leaked." }));
    let later = tell(json!({ "aware_at": (Utc::now() + TimeDelta::hours(1)).to_rfc3339() }));
    world.send(&guard, "declare-breach", later).await.refused(422, "INC-14");
    world.send(&guard, "declare-breach", declare.clone()).await.accepted();
    world.send(&guard, "declare-breach", declare).await.refused(409, "INC-14");
    let late = tell(json!({ "kind": "AUTHORITY", "measures": "The hole is closed." }));
    world.send(&guard, "record-breach-notification", late.clone()).await.refused(422, "INC-14");
    let late = with(late, "reason", json!("It took long to see."));
    world.send(&guard, "record-breach-notification", late).await.accepted();
    let waive = tell(json!({ "kind": "AUTHORITY_NOT_REQUIRED", "reason": "No." }));
    world.send(&guard, "record-breach-notification", waive).await.refused(409, "INC-14");
    let waive = tell(json!({ "kind": "SUBJECTS_NOT_REQUIRED" }));
    world.send(&guard, "record-breach-notification", waive.clone()).await.refused(422, "INC-14");
    let waive = with(waive, "reason", json!("It was encrypted."));
    let waived = world.send(&guard, "record-breach-notification", waive).await;
    assert_eq!(waived.events(), ["BreachNotificationWaived"]);
    let stored = world.last_payload("breach", &id).await.to_string();
    assert!(!stored.contains("leaked"), "{stored}");
    // What is in the register stays an incident.
    let mark = tell(json!({ "reason": "Nothing." }));
    world.send(&guard, "mark-false-positive", mark).await.refused(409, "INC-14");
}

/// An incident is of one person or of nobody, and of one address, which is known from then on.
#[tokio::test]
async fn inc_03_rel_07_an_incident_has_a_user_or_none_and_its_address() {
    let world = World::new().await;
    let guard = world.guard().await;
    let member = world.member().await;
    let of_nobody = world.incident(&guard, "203.0.113.9").await;
    let body = with(attack("203.0.113.9"), "user", actor_json(member.actor));
    let of_somebody = world.send(&guard, "report-incident", body).await.id();
    let standing = async |id: &str| {
        let incident = world.app.log.load::<Incident>(id).await.unwrap();
        incident.state.get().unwrap().clone()
    };
    let (nobody, somebody) = (standing(&of_nobody).await, standing(&of_somebody).await);
    assert_eq!((nobody.user, somebody.user), (None, Some(member.actor)));
    assert_eq!(nobody.address_id, somebody.address_id, "many incidents of one address");
    let address_id = nobody.address_id.unwrap().to_string();
    let address = world.app.log.load::<IpAddress>(&address_id).await.unwrap();
    assert!(address.state.get().unwrap().last_incident_at.is_some());
    // Of the whole system: nobody, and nowhere.
    let of_all = standing(&world.incident(&guard, "::").await).await;
    assert_eq!((of_all.user, of_all.address_id), (None, None));
}
