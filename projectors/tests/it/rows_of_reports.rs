//! What the projections of organizations, their members and their reports make of the log.

use serde_json::{Value, json};

use crate::{
    scene::{Scene, time},
    story::*,
    story_of_reports::*,
};

#[tokio::test]
async fn buf_15_an_organization_and_who_is_in_it_now() {
    let mut scene = Scene::new().await;
    scene.append([organization_created(0)]).await;
    scene.append([placed(0, 0, "OrganizationMemberAdded", Some("reader"))]).await;
    scene.append([placed(0, 0, "OrganizationMemberRoleChanged", Some("reporter"))]).await;
    scene.project_in(1).await;
    let expected = json!({ "id": id(ORGANIZATION, 0), "name": "Organization 0",
        "created_adminuser_id": id(ADMIN, 0), "created_at": time(1), "sequence": 1 });
    assert_eq!(scene.row("SELECT * FROM organizations").await, expected);
    let expected = json!({ "organization_id": id(ORGANIZATION, 0), "principal_kind": "member",
        "principal_id": id(MEMBER, 0), "role": "reporter", "added_at": time(2),
        "updated_at": time(3), "sequence": 2 });
    assert_eq!(scene.row("SELECT * FROM organization_memberships").await, expected);
    // Removed and added again within one batch: as if in two.
    scene
        .append([
            placed(0, 0, "OrganizationMemberRemoved", None),
            placed(0, 0, "OrganizationMemberAdded", Some("reader")),
            placed(0, 1, "OrganizationMemberAdded", Some("reader")),
            placed(0, 1, "OrganizationMemberRemoved", None),
        ])
        .await;
    scene.project().await;
    let row = scene.row("SELECT * FROM organization_memberships").await;
    assert_eq!((&row["role"], &row["added_at"]), (&json!("reader"), &time(5)));
    let audited = scene.rows("SELECT event_type FROM audit_log ORDER BY position").await;
    assert_eq!(audited.len(), 7, "each is an act of an admin (AUD-06)");
    assert_eq!(audited[2]["event_type"], "organization_member_role_changed");
}

#[tokio::test]
async fn rel_09_a_reports_row_is_the_report_as_it_stands() {
    for batch in [1, 10] {
        let mut scene = Scene::new().await;
        scene.append([on_report(0, "BufdirReportCreated", 1, 0)]).await;
        scene.append([on_report(0, "BufdirReportRevised", 3, 1)]).await;
        scene.project_in(batch).await;
        let row = scene.row("SELECT * FROM bufdir_reports").await;
        let facts = [
            ("id", json!(id(REPORT, 0))),
            ("organization_id", json!(id(ORGANIZATION, 0))),
            ("period_label", json!("2025-Q1")),
            ("period_from", json!("2025-01-01")),
            ("period_to", json!("2025-03-31")),
            ("status", json!("draft")),
            ("measure_count", json!(3)),
            ("created_by_user_id", json!(id(MEMBER, 0))),
            ("created_at", time(1)),
            ("updated_at", time(2)),
            ("submitted_at", Value::Null),
            ("position", json!(1)),
            ("sequence", json!(2)),
        ];
        for (column, value) in facts {
            assert_eq!(row[column], value, "{column}");
        }
        let note = &row["sections"][0]["measures"][2]["note"];
        assert_eq!(*note, json!(sealed("content", "note3")), "it stays sealed");
        scene.append([on_report(0, "BufdirReportSubmitted", 3, 2)]).await;
        scene.project().await;
        let row = scene.row("SELECT * FROM bufdir_reports").await;
        assert_eq!((&row["status"], &row["submitted_at"]), (&json!("submitted"), &time(3)));
        assert_eq!(row["submitted_by_user_id"], json!(id(MEMBER, 2)));
        assert_eq!(row["created_by_user_id"], json!(id(MEMBER, 0)));
    }
}
