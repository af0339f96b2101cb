//! What becomes of a request to be erased in its row, whatever the batches.

use serde_json::{Value, json};

use crate::{
    scene::{Fact, Scene, fact},
    story::*,
};

const REQUEST: u128 = 51;
const AT: &str = "2026-01-02T00:00:00+00:00";

fn admin(number: usize) -> Value {
    json!({ "kind": "admin", "id": id(ADMIN, number) })
}

fn on_request(kind: &'static str, fields: Value) -> Fact {
    fact("deletion_request", id(REQUEST, 0), kind, fields).by(&format!("admin:{}", id(ADMIN, 0)))
}

fn requested() -> Fact {
    let subject = member(id(MEMBER, 0));
    on_request(
        "DeletionRequested",
        json!({ "deletion_id": id(REQUEST, 0), "subject": subject, "requested_by": subject,
            "deletion_scope": "PARTIAL_DELETION", "data_categories": ["content", "evidence"],
            "legal_ground": "OBJECTION", "requested_at": AT, "due_at": AT,
            "verification_required": true }),
    )
}

/// A request from its beginning to its end.
pub fn told() -> Vec<Fact> {
    let step = |store: &str| {
        json!({ "step": { "at": AT, "store": store, "categories": ["content"], "result": "DONE",
            "count": 1 } })
    };
    let (verified, reviewed) = ("DeletionIdentityVerified", "DeletionReviewStarted");
    vec![
        requested(),
        on_request(verified, json!({ "verified_by": admin(1), "verification_completed_at": AT })),
        on_request(
            "DeletionDeadlineExtended",
            json!({ "due_at": "2026-03-02T00:00:00+00:00", "extended_by": admin(1),
                "extended_at": AT, "reason": sealed("evidence", "later") }),
        ),
        on_request(reviewed, json!({ "reviewer_id": admin(1), "review_started_at": AT })),
        on_request(
            "DeletionApproved",
            json!({ "reviewer_id": admin(1), "approved_at": AT, "recipients": ["A", "B"],
                "retention": { "ground": "LEGAL_CLAIMS", "categories": ["evidence"],
                    "reason": sealed("evidence", "stays") } }),
        ),
        on_request("ErasureStarted", json!({ "processing_started_at": AT })),
        on_request("ErasureStepRecorded", step("ledger")),
        on_request("ErasureStepRecorded", step("keys")),
        on_request(
            "RecipientNotified",
            json!({ "recipient": "A", "status": "NOTIFIED", "notified_by": admin(1),
                "notified_at": AT }),
        ),
        on_request(
            "BackupErasureUpdated",
            json!({ "backup_deletion_status": "NOT_APPLICABLE", "updated_at": AT }),
        ),
        on_request("ErasureCompleted", json!({ "completed_at": AT })),
        on_request(
            "ErasureCertificateIssued",
            json!({ "statement": "{}", "public_key": "0f", "signature": "AA==" }),
        ),
    ]
}

#[tokio::test]
async fn ddr_03_ddr_09_a_request_is_a_row_whatever_the_batches() {
    for batch in [1, 3, 50] {
        let mut scene = Scene::new().await;
        scene.append(told()).await;
        scene.project_in(batch).await;
        let row = scene.row("SELECT * FROM data_deletion_requests").await;
        for (column, value) in [
            ("status", json!("COMPLETED")),
            ("user_id", json!(id(MEMBER, 0))),
            ("data_categories", json!(["content", "evidence"])),
            ("reviewer_id", json!(id(ADMIN, 1))),
            ("retention_override", json!(true)),
            ("retention_ground", json!("LEGAL_CLAIMS")),
            ("retention_reason", json!(sealed("evidence", "stays"))),
            ("deadline_reason", json!(sealed("evidence", "later"))),
            ("third_party_notification", json!({ "A": "NOTIFIED", "B": "PENDING" })),
            ("backup_deletion_status", json!("NOT_APPLICABLE")),
            ("requested_at", json!(AT)),
            ("due_at", json!("2026-03-02T00:00:00+00:00")),
            ("certificate_public_key", json!("0f")),
            ("rejection_reason", Value::Null),
            ("is_withdrawn", json!(false)),
            ("sequence", json!(12)),
        ] {
            assert_eq!(row[column], value, "{column} in batches of {batch}");
        }
        let log = row["processing_log"].as_array().unwrap();
        assert_eq!(log.iter().map(|step| &step["store"]).collect::<Vec<_>>(), ["ledger", "keys"]);
        let told = row["data_subjects_notified"].as_array().unwrap();
        let of: Vec<_> = told.iter().map(|told| &told["of"]).collect();
        assert_eq!(of, ["deadline_extended", "completed"]);
    }
}

#[tokio::test]
async fn k18_what_was_taken_back_is_rejected_without_a_reviewer() {
    let mut scene = Scene::new().await;
    scene.append([requested()]).await;
    scene.append([on_request("DeletionWithdrawn", json!({ "withdrawn_at": AT }))]).await;
    scene.project().await;
    let row = scene.row("SELECT * FROM data_deletion_requests").await;
    assert_eq!((&row["status"], &row["is_withdrawn"]), (&json!("REJECTED"), &json!(true)));
    assert_eq!((&row["reviewer_id"], &row["reviewed_at"]), (&Value::Null, &json!(AT)));
}
