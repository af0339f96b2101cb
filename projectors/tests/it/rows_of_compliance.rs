//! What the projections of policies and consents make of the log, whatever the batches.

use serde_json::{Value, json};

use crate::{
    scene::{Scene, time},
    story::*,
    story_of_compliance::*,
};

#[tokio::test]
async fn ppv_05_ppv_12_a_versions_row_is_the_version_as_it_stands() {
    for batch in [1, 20] {
        let mut scene = Scene::new().await;
        let mut told = Vec::new();
        begin(&mut told);
        scene.append(told).await;
        scene.project_in(batch).await;
        let rows = scene.rows("SELECT * FROM policy_versions ORDER BY position").await;
        let (row, draft) = (&rows[0], &rows[1]);
        assert_eq!(
            (&row["legal_review_status"], &row["notification_sent"]),
            (&json!("PUBLISHED"), &json!(true))
        );
        assert_eq!((&row["created_at"], &row["updated_at"]), (&time(1), &time(8)));
        assert_eq!((&row["position"], &row["sequence"]), (&json!(1), &json!(8)));
        assert_eq!(row["reviewed_by"], json!(id(ADMIN, 1)));
        assert_eq!((&draft["published_at"], &draft["reviewed_by"]), (&Value::Null, &Value::Null));
        let accepted = scene.row("SELECT * FROM policy_acceptances").await;
        assert_eq!(accepted["user_id"], json!(id(MEMBER, 0)));
        let audited = scene.rows("SELECT event_type FROM audit_log ORDER BY position").await;
        assert_eq!(audited.len(), 12, "acts of admins (AUD-06): {audited:?}");
    }
}

#[tokio::test]
async fn con_07_a_record_keeps_its_row_and_says_what_made_it_history() {
    for batch in [1, 2, 20] {
        let mut scene = Scene::new().await;
        let told = [
            on_consent(0, 0, "ConsentGranted", None),
            on_consent(1, 0, "ConsentGranted", Some(0)),
            on_consent(1, 0, "ConsentWithdrawn", None),
            on_consent(2, 0, "ConsentDenied", None),
        ];
        scene.append(told).await;
        scene.project_in(batch).await;
        let rows = scene.rows("SELECT * FROM consents ORDER BY position").await;
        let of = |column: &str| rows.iter().map(|row| row[column].clone()).collect::<Vec<_>>();
        assert_eq!(of("consent_status"), ["GRANTED", "WITHDRAWN", "DENIED"], "{batch}");
        assert_eq!(of("superseded_at"), [time(2), Value::Null, Value::Null]);
        assert_eq!(of("updated_at"), [time(2), time(3), time(4)]);
        assert_eq!(of("sequence"), [1, 3, 4]);
        assert_eq!(of("position"), [1, 2, 4]);
        assert_eq!(rows[1]["ip_address"], sealed("network", "address"), "it stays sealed");
    }
}

#[tokio::test]
async fn law_05_law_06_a_limit_keeps_its_row_and_says_when_it_ended() {
    for batch in [1, 2, 20] {
        let mut scene = Scene::new().await;
        let told = [
            on_limit(0, 0, "ProcessingObjected"),
            on_limit(0, 0, "ObjectionWithdrawn"),
            on_limit(1, 0, "ProcessingObjected"),
            on_limit(2, 1, "ProcessingRestricted"),
            on_limit(2, 1, "RestrictionLifted"),
        ];
        scene.append(told).await;
        scene.project_in(batch).await;
        let rows = scene.rows("SELECT * FROM processing_limits ORDER BY position").await;
        let of = |column: &str| rows.iter().map(|row| row[column].clone()).collect::<Vec<_>>();
        assert_eq!(of("limit_kind"), ["OBJECTION", "OBJECTION", "RESTRICTION"], "{batch}");
        let ended: Vec<bool> = of("ended_at").iter().map(|at| !at.is_null()).collect();
        assert_eq!(ended, [true, false, true]);
        assert_eq!(of("position"), [1, 3, 4]);
        assert_eq!(of("lifted_by"), [Value::Null, Value::Null, json!(id(ADMIN, 0))]);
        assert_eq!(rows[2]["lifting_reason"], sealed("evidence", "why"), "it stays sealed");
    }
}

#[tokio::test]
async fn law_10_a_notice_has_a_row_with_what_came_of_it() {
    for batch in [1, 20] {
        let mut scene = Scene::new().await;
        scene.append([reported(0, 0), reported(1, 0), notice_decided(0)]).await;
        scene.project_in(batch).await;
        let rows = scene.rows("SELECT * FROM content_notices ORDER BY position").await;
        assert_eq!(rows[0]["outcome"], "ACTION_TAKEN", "{batch}");
        assert_eq!((&rows[0]["decided_at"], &rows[0]["sequence"]), (&time(3), &json!(2)));
        assert_eq!((&rows[1]["outcome"], &rows[1]["decided_by"]), (&Value::Null, &Value::Null));
        assert_eq!(rows[0]["explanation"], sealed("content", "why"), "it stays sealed");
    }
}
