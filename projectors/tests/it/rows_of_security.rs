//! What the projections of incidents, breaches and addresses make of the log, whatever the batches.

use serde_json::{Value, json};

use crate::{
    scene::{Scene, time},
    story::*,
    story_of_security::*,
};

#[tokio::test]
async fn inc_06_an_incidents_row_is_the_incident_as_it_stands() {
    for batch in [1, 4, 50] {
        let mut scene = Scene::new().await;
        scene.append([detected(0)]).await;
        scene.append(dealt_with(0)).await;
        scene.project_in(batch).await;
        let row = scene.row("SELECT * FROM security_incidents").await;
        for (column, value) in [
            ("incident_id", json!(id(INCIDENT, 0))),
            ("status", json!("RESOLVED")),
            ("severity_level", json!("LOW")),
            ("source_ip", json!(sealed("network", "address"))),
            ("request_count", json!(9)),
            ("blocked_requests", json!(4)),
            ("detection_confidence", json!(1)),
            ("user_id", Value::Null),
            ("assigned_to", json!(id(ADMIN, 0))),
            ("root_cause", json!(sealed("evidence", "cause"))),
            ("lessons_learned", json!(sealed("evidence", "lessons"))),
            ("escalated_at", time(7)),
            ("resolved_at", time(10)),
            ("created_at", time(1)),
            ("updated_at", time(10)),
            ("position", json!(1)),
            ("sequence", json!(10)),
        ] {
            assert_eq!(row[column], value, "{column} in batches of {batch}");
        }
        let actions = row["mitigation_actions"].as_array().unwrap();
        let actions: Vec<_> = actions.iter().map(|entry| entry["action"].clone()).collect();
        assert_eq!(actions, [sealed("evidence", "first"), sealed("evidence", "second")]);
        assert_eq!(row["forensic_data"][0]["data"], sealed("evidence", "found"));
        let audited = scene.rows("SELECT event_type FROM audit_log ORDER BY position").await;
        assert_eq!(audited[0]["event_type"], "incident_detected");
    }
}

#[tokio::test]
async fn inc_14_a_breachs_row_tells_who_was_told_first() {
    for batch in [1, 50] {
        let mut scene = Scene::new().await;
        scene.append(breach(0)).await;
        scene.project_in(batch).await;
        let row = scene.row("SELECT * FROM breaches").await;
        assert_eq!(row["authority_notified_at"], "2026-09-22T01:00:00+00:00");
        assert_eq!(row["subjects_notified_at"], "2026-09-22T03:00:00+00:00");
        let kinds = row["notifications"].as_array().unwrap();
        let kinds: Vec<_> = kinds.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["AUTHORITY", "AUTHORITY", "SUBJECTS_NOT_REQUIRED", "SUBJECTS"]);
        assert_eq!((&row["position"], &row["sequence"]), (&json!(1), &json!(5)));
    }
}

#[tokio::test]
async fn ipr_05_an_addresss_row_is_what_its_last_event_knows() {
    for batch in [1, 50] {
        let mut scene = Scene::new().await;
        scene.append([on_address(0, "IpObserved", 1), on_address(1, "IpObserved", 7)]).await;
        scene.append([on_address(0, "IpBlacklisted", 2)]).await;
        scene.project_in(batch).await;
        let rows = scene.rows("SELECT * FROM ip_reputation ORDER BY id").await;
        assert_eq!(rows.len(), 2);
        assert_eq!((&rows[0]["created_at"], &rows[0]["updated_at"]), (&time(1), &time(3)));
        assert_eq!((&rows[0]["position"], &rows[0]["sequence"]), (&json!(3), &json!(2)));
        assert_eq!(rows[0]["record"]["request_count"], 2);
        assert_eq!(rows[0]["record"]["address"], sealed("network", "address"));
    }
}
