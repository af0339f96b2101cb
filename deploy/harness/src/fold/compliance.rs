//! Privacy policies, who accepted them, consents, and limits to the processing.

use serde_json::{Value, json};

use super::{Event, Tables, micros, put, row};

pub(super) fn apply(tables: &mut Tables, event: &Event) {
    match event.event_type.as_str() {
        "PolicyDrafted"
        | "PolicyDraftEdited"
        | "PolicySubmitted"
        | "PolicyChangesRequested"
        | "PolicyApproved"
        | "PolicyPublished"
        | "PolicyNotificationSent" => policy(tables, event),
        "PolicyAccepted" => {
            let (fields, principal) = (&event.fields, &event.fields["principal"]);
            let of = |field: &str| principal[field].as_str().unwrap_or_default().to_owned();
            let key = format!("{}:{}:{}", event.text("version_id"), of("kind"), of("id"));
            let acceptance = json!({
                "version_id": fields["version_id"], "user_id": principal["id"],
                "user_kind": principal["kind"], "version_number": fields["version_number"],
                "content_hash": fields["content_hash"], "accepted_at": time(&fields["accepted_at"]),
                "position": event.position, "sequence": event.sequence,
            });
            put(tables, "policy_acceptances", &key, acceptance);
        }
        "ConsentGranted" | "ConsentDenied" | "ConsentWithdrawn" | "ConsentImported" => {
            consent(tables, event);
        }
        "ProcessingObjected"
        | "ObjectionWithdrawn"
        | "ProcessingRestricted"
        | "RestrictionWithdrawn"
        | "RestrictionLifted" => limit(tables, event),
        _ => {}
    }
}

fn limit(tables: &mut Tables, event: &Event) {
    let told = &event.fields["limit"];
    let id = told["limit_id"].as_str().unwrap_or_default().to_owned();
    let position = match row(tables, "processing_limits", &id) {
        Some(row) => row["position"].clone(),
        None => event.position.into(),
    };
    let record = json!({
        "limit_id": id, "stream_id": event.aggregate_id, "limit_kind": told["limit_kind"],
        "user_id": told["principal"]["id"], "user_kind": told["principal"]["kind"],
        "consent_type": maybe(told, "consent_type"), "purpose": maybe(told, "purpose"),
        "ground": maybe(told, "ground"), "reason": maybe(told, "reason"),
        "since": time(&told["since"]), "ended_at": time(&maybe(told, "ended_at")),
        "lifted_by": maybe(&maybe(&event.fields, "lifted_by"), "id"),
        "lifting_reason": maybe(&event.fields, "lifting_reason"), "updated_at": event.at(),
        "position": position, "sequence": event.sequence,
    });
    put(tables, "processing_limits", &id, record);
}

fn time(value: &Value) -> Value {
    value.as_str().and_then(micros).unwrap_or_default()
}

/// A field that may be left out.
fn maybe(fields: &Value, name: &str) -> Value {
    fields.get(name).cloned().unwrap_or_default()
}

fn policy(tables: &mut Tables, event: &Event) {
    let told = &event.fields["policy"];
    let known = row(tables, "policy_versions", &event.aggregate_id);
    let (created_at, position) = match known {
        Some(row) => (row["created_at"].clone(), row["position"].clone()),
        None => (event.at(), event.position.into()),
    };
    let version = json!({
        "version_id": event.aggregate_id, "version_number": told["version_number"],
        "effective_date": time(&told["effective_date"]), "policy_content": told["policy_content"],
        "content_hash": told["content_hash"], "major_changes": maybe(told, "major_changes"),
        "acceptance_required": told["acceptance_required"],
        "legal_review_status": told["legal_review_status"], "authors": told["authors"],
        "reviewed_by": maybe(&maybe(told, "reviewed_by"), "id"),
        "reviewed_at": time(&maybe(told, "reviewed_at")),
        "published_at": time(&maybe(told, "published_at")),
        "notification_sent": told["notification_sent"], "created_at": created_at,
        "updated_at": event.at(), "position": position, "sequence": event.sequence,
    });
    put(tables, "policy_versions", &event.aggregate_id, version);
}

fn consent(tables: &mut Tables, event: &Event) {
    let told = &event.fields["consent"];
    let id = told["consent_id"].as_str().unwrap_or_default().to_owned();
    let position = match row(tables, "consents", &id) {
        Some(row) => row["position"].clone(),
        None => event.position.into(),
    };
    let mut record = json!({
        "consent_id": id, "stream_id": event.aggregate_id, "user_id": told["principal"]["id"],
        "user_kind": told["principal"]["kind"], "consent_status": told["status"],
        "created_at": time(&told["created_at"]), "updated_at": event.at(), "position": position,
        "sequence": event.sequence, "superseded_at": null,
    });
    for name in [
        "consent_type",
        "consent_method",
        "consent_version",
        "policy_version_id",
        "policy_hash",
        "legal_basis",
        "data_categories",
        "processing_purposes",
        "third_party_sharing",
        "denied_by_signal",
        "is_imported",
        "purpose_description",
        "retention_period_days",
        "ip_address",
        "user_agent",
        "evidence_data",
        "withdrawal_reason",
    ] {
        record[name] = maybe(told, name);
    }
    for name in ["granted_at", "withdrawn_at", "expires_at"] {
        record[name] = time(&maybe(told, name));
    }
    put(tables, "consents", &id, record);
    let before = maybe(&event.fields, "supersedes");
    if let Some(before) = before.as_str().and_then(|id| row(tables, "consents", id)) {
        before["superseded_at"] = event.at();
        before["updated_at"] = event.at();
    }
}
