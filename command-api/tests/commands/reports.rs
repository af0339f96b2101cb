//! Statutory reports: revised until they are submitted, and nobody else's business.

use agora_domain::PersonalCategory;
use serde_json::{Value, json};

use crate::{
    common::{Answer, Call, Person, World, report, sections, unknown_id},
    personal_data::dump,
};

impl World {
    async fn create_report(&self, person: &Person, body: &Value) -> Answer {
        self.send(person, "create-report", body.clone()).await
    }

    async fn revise_report(&self, person: &Person, id: &str, sections: Value) -> Answer {
        let body = json!({ "report_id": id, "sections": sections });
        self.send(person, "revise-report", body).await
    }

    async fn submit_report(&self, person: &Person, id: &str) -> Answer {
        self.send(person, "submit-report", json!({ "report_id": id })).await
    }
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut body = report("2025-Q1");
    change(&mut body);
    body
}

#[tokio::test]
async fn rel_09_a_report_is_revised_until_it_is_submitted_and_frozen_then() {
    let world = World::new().await;
    let (organization, reporter) = world.reporter().await;
    let created = world.create_report(&reporter, &report("2025-Q1")).await;
    assert_eq!(created.events(), ["BufdirReportCreated"]);
    let id = created.id();
    let payload = world.last_payload("bufdir_report", &id).await;
    let stored = &payload["BufdirReportCreated"]["report"];
    assert_eq!(stored["organization_id"], json!(organization));
    let values: Vec<_> = stored["sections"][0]["measures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|measure| measure["value"].clone())
        .collect();
    let of_type = |name: &str, value: &str| json!({ "type": name, "value": value });
    let expected = [
        of_type("number", "128"),
        of_type("number", "412.50"),
        of_type("number", "12.5"),
        of_type("text", "yes"),
    ];
    assert_eq!(values, expected);

    assert!(world.revise_report(&reporter, &id, sections(128)).await.events().is_empty());
    let revised = world.revise_report(&reporter, &id, sections(129)).await;
    assert_eq!(revised.events(), ["BufdirReportRevised"]);
    let late_start = json!({
        "report_id": id, "period_from": "2025-02-01", "sections": sections(129),
    });
    world.send(&reporter, "revise-report", late_start).await.accepted();
    assert_eq!(world.submit_report(&reporter, &id).await.events(), ["BufdirReportSubmitted"]);
    let payload = world.last_payload("bufdir_report", &id).await;
    let stored = &payload["BufdirReportSubmitted"]["report"];
    assert_eq!(
        (&stored["period_from"], &stored["period_to"]),
        (&json!("2025-02-01"), &json!("2025-03-31"))
    );
    world.revise_report(&reporter, &id, sections(130)).await.refused(409, "REL-09");
    assert!(
        world.submit_report(&reporter, &id).await.events().is_empty(),
        "it is submitted already"
    );
}

/// Made up, and of the size and kind of what an organization that works with families reports each
/// quarter.
const QUARTERLY: &str = include_str!("../../../deploy/demo-data/quarterly-report.json");

#[tokio::test]
async fn rel_09_a_quarterly_report_as_it_is_handed_in_can_be_held() {
    let world = World::new().await;
    let (_, reporter) = world.reporter().await;
    let body: Value = serde_json::from_str(QUARTERLY).unwrap();
    let id = world.create_report(&reporter, &body).await.id();
    world.submit_report(&reporter, &id).await.accepted();
    let payload = world.last_payload("bufdir_report", &id).await;
    let stored = payload["BufdirReportSubmitted"]["report"]["sections"].as_array().unwrap().clone();
    let sent = body["sections"].as_array().unwrap();
    assert_eq!(stored.len(), sent.len());
    for (stored, sent) in stored.iter().zip(sent) {
        assert_eq!((&stored["key"], &stored["title"]), (&sent["key"], &sent["title"]));
        let (stored, sent) = (stored["measures"].as_array(), sent["measures"].as_array());
        for (stored, sent) in stored.unwrap().iter().zip(sent.unwrap()) {
            assert_eq!(stored["value"]["value"], sent["value"], "not a digit is lost");
            assert_eq!(stored["label"], sent["label"]);
            assert_eq!(stored["note"].is_string(), sent["note"].is_string());
        }
    }
}

#[tokio::test]
async fn rel_09_an_organization_has_one_draft_for_a_period_and_schema_version() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let ours = world.organization(&admin).await;
    let kari = world.org_user(&admin, &ours, "reporter").await;
    let ola = world.org_user(&admin, &ours, "reporter").await;
    let (_, other) = world.reporter().await;
    let first = world.create_report(&kari, &report("2025-Q1")).await.id();
    world.create_report(&ola, &report("2025-Q1")).await.refused(409, "REL-09");
    // Another period, another version, another organization: another report.
    world.create_report(&ola, &report("2025-Q2")).await.accepted();
    let version = with(|body| body["schema_version"] = json!("2.0"));
    world.create_report(&ola, &version).await.accepted();
    world.create_report(&other, &report("2025-Q1")).await.accepted();
    // What was submitted can be corrected by a report of its own; of sixteen at once one is made.
    world.submit_report(&ola, &first).await.accepted();
    let body = report("2025-Q1");
    let at_once = (0..16).map(|_| world.create_report(&kari, &body));
    let answers = futures::future::join_all(at_once).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(made.len(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.refused(409, "REL-09");
    }
    // To submit again what is submitted does not free the correction's key.
    world.submit_report(&kari, &first).await.accepted();
    world.create_report(&kari, &body).await.refused(409, "REL-09");
}

#[tokio::test]
async fn rel_09_a_report_without_a_figure_is_not_submitted() {
    let world = World::new().await;
    let (_, reporter) = world.reporter().await;
    let empty = with(|body| body["sections"] = json!([]));
    let id = world.create_report(&reporter, &empty).await.id();
    world.submit_report(&reporter, &id).await.refused(422, "REL-09");
}

#[tokio::test]
async fn buf_15_a_report_of_another_organization_is_as_one_that_does_not_exist() {
    let world = World::new().await;
    let (_, reporter) = world.reporter().await;
    let (_, foreign) = world.reporter().await;
    let id = world.create_report(&reporter, &report("2025-Q1")).await.id();
    let (head, nothing) = (world.head().await, unknown_id());
    for condition in [None, Some("\"1\""), Some("\"2\"")] {
        let mut told = Vec::new();
        for report_id in [&id, &nothing] {
            for (command, body) in [
                ("revise-report", json!({ "report_id": report_id, "sections": sections(1) })),
                ("submit-report", json!({ "report_id": report_id })),
            ] {
                let call = Call::new(command).token(&foreign.token).body(body);
                let call = match condition {
                    Some(tag) => call.header("if-match", tag),
                    None => call,
                };
                let answer = world.request(call).await;
                answer.refused(404, "BUF-15");
                told.push(answer.body["detail"].clone());
            }
        }
        assert!(told.iter().all(|detail| *detail == told[0]), "{told:?}");
    }
    assert_eq!(world.head().await, head);
}

#[tokio::test]
async fn rol_01_readers_and_admins_do_not_report() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let organization = world.organization(&admin).await;
    let reporter = world.org_user(&admin, &organization, "reporter").await;
    let reader = world.org_user(&admin, &organization, "reader").await;
    let id = world.create_report(&reporter, &report("2025-Q1")).await.id();
    for person in [&reader, &admin] {
        world.create_report(person, &report("2025-Q2")).await.refused(403, "ROL-01");
        world.revise_report(person, &id, sections(1)).await.refused(403, "ROL-01");
        world.submit_report(person, &id).await.refused(403, "ROL-01");
    }
}

#[tokio::test]
async fn buf_24_the_days_lie_within_what_the_label_names() {
    let world = World::new().await;
    let (_, reporter) = world.reporter().await;
    for (from, to) in [("2025-04-01", "2025-03-31"), ("2024-12-31", "2025-03-31")] {
        let body = with(|body| {
            body["period_from"] = json!(from);
            body["period_to"] = json!(to);
        });
        world.create_report(&reporter, &body).await.refused(422, "BUF-24");
    }
    let body = with(|body| body["period_label"] = json!("2025-Q5"));
    let answer = world.create_report(&reporter, &body).await;
    answer.problem(422);
    assert_eq!(answer.wrong_fields(), [("/period_label", Some("BUF-24"))]);
    let body = with(|body| body["period_from"] = json!("2025-02-30"));
    let answer = world.create_report(&reporter, &body).await;
    assert_eq!(answer.wrong_fields(), [("/period_from", None)]);
}

#[tokio::test]
async fn rel_09_every_wrong_field_of_the_sections_is_named_by_its_place() {
    let world = World::new().await;
    let (_, reporter) = world.reporter().await;
    let body = with(|body| {
        body["schema_version"] = json!("../1");
        body["sections"] = json!([
            { "key": "Families", "title": "", "measures": [] },
            {
                "key": "hours", "title": "Hours",
                "measures": [
                    { "key": "a", "label": "A", "value": "0.1234567" },
                    { "key": "b", "label": "B", "value": 0.123_456_789_012_345_6 },
                    { "key": "c", "label": "C", "value": true },
                    { "label": "D", "value": 1, "unit": "x".repeat(33), "note": "" },
                    { "key": "e", "label": "E", "value": "x".repeat(201), "note": "x".repeat(10_001) },
                ],
            },
        ]);
    });
    let answer = world.create_report(&reporter, &body).await;
    answer.problem(422);
    let expected = [
        ("/schema_version", Some("REL-09")),
        ("/sections/0/key", Some("REL-09")),
        ("/sections/0/title", Some("REL-09")),
        ("/sections/1/measures/0/value", Some("REL-09")),
        ("/sections/1/measures/1/value", Some("REL-09")),
        ("/sections/1/measures/2/value", None),
        ("/sections/1/measures/3/key", None),
        ("/sections/1/measures/3/unit", Some("REL-09")),
        ("/sections/1/measures/3/note", Some("REL-09")),
        ("/sections/1/measures/4/value", Some("REL-09")),
        ("/sections/1/measures/4/note", Some("REL-09")),
    ];
    assert_eq!(answer.wrong_fields(), expected);
    for wrong in [json!("x"), json!([1]), json!([[]]), json!([{ "keys": "a" }]), json!({})] {
        let answer = world.create_report(&reporter, &with(|body| body["sections"] = wrong)).await;
        answer.problem(400);
    }
}

#[tokio::test]
async fn rel_09_a_report_is_bounded_and_its_keys_are_unique() {
    let world = World::new().await;
    let (_, reporter) = world.reporter().await;
    let measure = |number: usize, note: &str| json!({ "key": format!("m{number}"), "label": "M", "value": 1, "note": note });
    let section = |number: usize, measures: Vec<Value>| json!({ "key": format!("s{number}"), "title": "S", "measures": measures });
    let refused = async |sections: Vec<Value>, rule: &str| {
        let body = with(|body| body["sections"] = json!(sections));
        world.create_report(&reporter, &body).await.refused(422, rule);
    };
    refused((0..51).map(|number| section(number, vec![])).collect(), "REL-09").await;
    refused(vec![section(0, (0..201).map(|number| measure(number, "n")).collect())], "REL-09")
        .await;
    let long = "å".repeat(9_000);
    refused(vec![section(0, (0..4).map(|number| measure(number, &long)).collect())], "REL-09")
        .await;
    refused(vec![section(0, vec![]), section(0, vec![])], "REL-09").await;
    let twice = vec![section(0, vec![measure(0, "n")]), section(1, vec![measure(0, "n")])];
    refused(twice, "REL-09").await;
    let most = vec![section(0, (0..200).map(|number| measure(number, "n")).collect())];
    let body = with(|body| body["sections"] = json!(most));
    world.create_report(&reporter, &body).await.accepted();
}

#[tokio::test]
async fn esx_03_esx_04_a_revision_says_what_it_changes_and_a_retry_does_nothing_twice() {
    let world = World::new().await;
    let (_, reporter) = world.reporter().await;
    let create = Call::new("create-report").token(&reporter.token).body(report("2025-Q1"));
    let create = create.header("idempotency-key", "q1");
    let created = world.request(create.clone()).await;
    assert_eq!(world.request(create.clone()).await.id(), created.id());
    // The same request of the same person for another organization is another request.
    let admin = world.admin(&[]).await;
    let other = world.organization(&admin).await;
    world.place(&admin, &other, reporter.actor, "reporter").await.accepted();
    let for_other = world.session_in(&reporter, &other).await;
    let there = create.clone().token(&for_other.token);
    assert_ne!(world.request(there).await.id(), created.id());
    let body = json!({ "report_id": created.id(), "sections": sections(1) });
    let revise = |tag| {
        let call = Call::new("revise-report").token(&reporter.token).body(body.clone());
        world.request(call.header("if-match", tag))
    };
    revise("\"2\"").await.refused(412, "ESX-03");
    revise("\"1\"").await.accepted();
    revise("\"1\"").await.refused(412, "ESX-03");
}

#[tokio::test]
async fn k14_a_note_that_was_erased_keeps_nobody_from_revising_and_submitting() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let organization = world.organization(&admin).await;
    let kari = world.org_user(&admin, &organization, "reporter").await;
    let ola = world.org_user(&admin, &organization, "reporter").await;
    let id = world.create_report(&kari, &report("2025-Q1")).await.id();
    let other = world.create_report(&kari, &report("2025-Q2")).await.id();
    // Who sends a note again that stays word for word does not make it its own.
    world.revise_report(&ola, &id, sections(129)).await.accepted();
    let note = async |id: &str, event: &str| {
        let payload = world.last_payload("bufdir_report", id).await;
        payload[event]["report"]["sections"][0]["measures"][0]["note"].clone()
    };
    let of_kari = note(&id, "BufdirReportRevised").await;
    assert!(of_kari.as_str().unwrap().contains(&kari.id()), "{of_kari}");
    let erased = [PersonalCategory::Content];
    world.database.vault().destroy(&kari.actor.subject(), &erased).await.unwrap();
    let fresh = world.twin().await;
    fresh.submit_report(&ola, &id).await.accepted();
    assert_eq!(note(&id, "BufdirReportSubmitted").await, Value::Null);
    fresh.revise_report(&ola, &other, sections(1)).await.accepted();
    let of_ola = note(&other, "BufdirReportRevised").await;
    assert!(of_ola.as_str().unwrap().contains(&ola.id()), "{of_ola}");
}

#[tokio::test]
async fn k14_notes_are_personal_and_stand_in_the_clear_nowhere() {
    let world = World::new().await;
    let (_, reporter) = world.reporter().await;
    let id = world.create_report(&reporter, &report("2025-Q1")).await.id();
    world.revise_report(&reporter, &id, sections(2)).await.accepted();
    world.submit_report(&reporter, &id).await.accepted();
    let payload = world.last_payload("bufdir_report", &id).await;
    let stored = &payload["BufdirReportSubmitted"]["report"]["sections"][0]["measures"];
    let note = stored[0]["note"].as_str().unwrap();
    assert!(note.starts_with(&format!("sealed:v1:content:{}:", reporter.id())), "{note}");
    assert_eq!(stored[1]["note"], Value::Null);
    assert!(!dump(&world).await.contains("Hansen"));
}
