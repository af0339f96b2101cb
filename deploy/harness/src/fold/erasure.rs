//! Requests to be erased.

use serde_json::{Value, json};

use super::{Event, Tables, micros, put, set};

const TABLE: &str = "data_deletion_requests";

pub(super) fn apply(tables: &mut Tables, event: &Event) {
    if event.aggregate_type != "deletion_request" {
        return;
    }
    let fields = &event.fields;
    let time = |name: &str| fields[name].as_str().and_then(micros).unwrap_or_default();
    let id = |name: &str| fields[name]["id"].clone();
    let changes: Vec<(&str, Value)> = match event.event_type.as_str() {
        "DeletionRequested" => return put(tables, TABLE, &event.aggregate_id, requested(event)),
        "DeletionIdentityVerified" => {
            vec![("verification_completed_at", time("verification_completed_at"))]
        }
        "DeletionReviewStarted" => {
            vec![("status", json!("UNDER_REVIEW")), ("reviewer_id", id("reviewer_id"))]
        }
        "DeletionApprovalGiven" => {
            let mut changes = terms(fields);
            changes.push(("first_approved_by", id("approved_by")));
            changes
        }
        "DeletionApproved" => {
            let mut changes = terms(fields);
            changes.extend([
                ("status", json!("APPROVED")),
                ("reviewer_id", id("reviewer_id")),
                ("reviewed_at", time("approved_at")),
                ("approved_at", time("approved_at")),
            ]);
            changes
        }
        "DeletionRejected" => vec![
            ("status", json!("REJECTED")),
            ("reviewer_id", id("reviewer_id")),
            ("reviewed_at", time("reviewed_at")),
            ("rejection_reason", fields["reason"].clone()),
            ("data_subjects_notified", told(tables, event, "rejected", "reviewed_at")),
        ],
        "DeletionWithdrawn" => vec![
            ("status", json!("REJECTED")),
            ("reviewed_at", time("withdrawn_at")),
            ("is_withdrawn", json!(true)),
        ],
        "DeletionDeadlineExtended" => vec![
            ("due_at", time("due_at")),
            ("deadline_reason", fields["reason"].clone()),
            ("data_subjects_notified", told(tables, event, "deadline_extended", "extended_at")),
        ],
        "ErasureStarted" => vec![
            ("status", json!("PROCESSING")),
            ("processing_started_at", time("processing_started_at")),
        ],
        "ErasureStepRecorded" => {
            vec![("processing_log", appended(tables, event, "processing_log", &fields["step"]))]
        }
        "RecipientNotified" => {
            let mut all = column(tables, event, "third_party_notification");
            let name = fields["recipient"].as_str().unwrap_or_default();
            all[name] = fields["status"].clone();
            vec![("third_party_notification", all)]
        }
        "BackupErasureUpdated" => vec![
            ("backup_deletion_status", fields["backup_deletion_status"].clone()),
            ("backups_gone_at", time("gone_at")),
        ],
        "ErasureCompleted" => {
            let mut changes =
                vec![("status", json!("COMPLETED")), ("completed_at", time("completed_at"))];
            if column(tables, event, "deletion_scope") == json!("PARTIAL_DELETION") {
                let told = told(tables, event, "completed", "completed_at");
                changes.push(("data_subjects_notified", told));
            }
            changes
        }
        "ErasureCertificateIssued" => vec![
            ("certificate_statement", fields["statement"].clone()),
            ("certificate_public_key", fields["public_key"].clone()),
            ("certificate_signature", fields["signature"].clone()),
        ],
        _ => return,
    };
    set(tables, TABLE, event, &changes);
    set(tables, TABLE, event, &[("updated_at", event.at())]);
}

fn requested(event: &Event) -> Value {
    let fields = &event.fields;
    let time = |name: &str| fields[name].as_str().and_then(micros).unwrap_or_default();
    let mut row = json!({
        "deletion_id": event.aggregate_id, "user_id": fields["subject"]["id"],
        "user_kind": fields["subject"]["kind"], "deletion_scope": fields["deletion_scope"],
        "data_categories": fields.get("data_categories"), "legal_ground": fields["legal_ground"],
        "status": "PENDING", "requested_at": time("requested_at"), "retention_override": false,
        "backup_deletion_status": "PENDING", "created_at": time("requested_at"),
        "verification_required": fields["verification_required"], "is_withdrawn": false,
        "requested_by": fields["requested_by"]["id"], "due_at": time("due_at"),
        "updated_at": event.at(), "position": event.position, "sequence": event.sequence,
    });
    for nothing in [
        "reviewed_at",
        "approved_at",
        "processing_started_at",
        "completed_at",
        "reviewer_id",
        "rejection_reason",
        "retention_reason",
        "third_party_notification",
        "verification_completed_at",
        "processing_log",
        "data_subjects_notified",
        "deadline_reason",
        "first_approved_by",
        "retention_ground",
        "retained_categories",
        "backups_gone_at",
        "certificate_statement",
        "certificate_public_key",
        "certificate_signature",
    ] {
        row[nothing] = Value::Null;
    }
    row
}

fn terms(fields: &Value) -> Vec<(&'static str, Value)> {
    let retention = fields.get("retention").cloned().unwrap_or_default();
    let of = |name: &str| retention.get(name).cloned().unwrap_or_default();
    let names = fields.get("recipients").and_then(Value::as_array).cloned().unwrap_or_default();
    let pending =
        names.iter().filter_map(Value::as_str).map(|name| (name.to_owned(), json!("PENDING")));
    let told: serde_json::Map<String, Value> = pending.collect();
    vec![
        ("retention_override", json!(!retention.is_null())),
        ("retention_ground", of("ground")),
        ("retained_categories", of("categories")),
        ("retention_reason", of("reason")),
        ("third_party_notification", if told.is_empty() { Value::Null } else { told.into() }),
    ]
}

fn column(tables: &Tables, event: &Event, name: &str) -> Value {
    let row = tables.get(TABLE).and_then(|rows| rows.get(&event.aggregate_id));
    row.map(|row| row[name].clone()).unwrap_or_default()
}

fn appended(tables: &Tables, event: &Event, name: &str, item: &Value) -> Value {
    let mut list = column(tables, event, name).as_array().cloned().unwrap_or_default();
    list.push(item.clone());
    list.into()
}

fn told(tables: &Tables, event: &Event, what: &str, at: &str) -> Value {
    let item = json!({ "of": what, "at": event.fields[at], "by": "mail" });
    appended(tables, event, "data_subjects_notified", &item)
}
