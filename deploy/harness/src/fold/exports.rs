//! The three histories of exports, each by itself: an export stands in one or two of them.

use serde_json::{Value, json};

use super::{Event, Tables, id_of, micros, put, row};

const STATUTORY: [&str; 2] = ["bufdir_export_logs", "bufdir_export_archive"];
const REQUESTS: &str = "data_export_requests";
const LOGS: &str = "data_export_logs";

pub(super) fn apply(tables: &mut Tables, event: &Event) {
    let id = &event.aggregate_id;
    if event.event_type == "ExportRequested" {
        return requested(tables, event);
    }
    if !event.event_type.starts_with("Export") || event.event_type == "ExportQuotaUsed" {
        return;
    }
    for table in [STATUTORY[0], STATUTORY[1], REQUESTS, LOGS] {
        let Some(entry) = row(tables, table, id) else { continue };
        happened(entry, table, event);
        if event.event_type != "ExportDownloaded" {
            entry["sequence"] = json!(event.sequence);
        }
        if table == REQUESTS {
            entry["updated_at"] = event.at();
        }
    }
    if event.event_type == "ExportArchived" {
        let live = tables.entry(STATUTORY[0]).or_default().remove(id);
        if let Some(entry) = live {
            put(tables, STATUTORY[1], id, entry);
        }
    }
}

fn time(value: &Value) -> Value {
    value.as_str().and_then(micros).unwrap_or_default()
}

fn requested(tables: &mut Tables, event: &Event) {
    let (id, fields, content) = (&event.aggregate_id, &event.fields, &event.fields["content"]);
    let (by, at) = (&fields["requested_by"], time(&fields["triggered_at"]));
    match content["kind"].as_str().unwrap_or_default() {
        "statutory_report" => {
            let metadata = match content.get("mobile_os") {
                Some(system) => json!({ "mobile_os": system }),
                None => Value::Null,
            };
            let entry = json!({
                "id": id, "bufdir_report_id": content["report_id"],
                "organization_id": content["organization_id"],
                "exported_by_user_id": by["id"], "exported_by_kind": by["kind"],
                "export_source": content["source"], "export_format": content["format"],
                "status": "pending", "file_name": null, "file_path": null,
                "file_size_bytes": null, "checksum_sha256": null, "error_message": null,
                "error_code": null, "download_count": 0, "last_downloaded_at": null,
                "triggered_at": at, "processing_started_at": null, "completed_at": null,
                "expires_at": time(&fields["expires_at"]),
                "report_period_label": content["report_period_label"], "metadata": metadata,
                "report_sequence": content["report_sequence"], "retry_at": null,
                "file_purged_at": null, "archived_at": null, "position": event.position,
                "sequence": event.sequence,
            });
            put(tables, STATUTORY[0], id, entry);
        }
        "subject_data" => {
            let on_behalf = if *by == content["subject"] { &Value::Null } else { &by["id"] };
            let entry = json!({
                "request_id": id, "user_id": content["subject"]["id"],
                "user_kind": content["subject"]["kind"], "requested_by_admin": on_behalf,
                "request_type": content["request_type"],
                "data_categories": content["data_categories"],
                "export_format": content["format"], "status": "PENDING", "requested_at": at,
                "processed_at": null, "completed_at": null, "expires_at": null,
                "file_name": null, "file_path": null, "file_size_bytes": null,
                "checksum_sha256": null, "download_count": 0, "last_downloaded_at": null,
                "verification_token": content["verification_token_sha256"],
                "delivery_method": content["delivery_method"],
                "delivery_address": content.get("delivery_address"), "processing_notes": null,
                "failure_reason": null, "error_code": null, "created_at": at,
                "updated_at": event.at(), "due_at": time(&fields["due_at"]), "metadata": null,
                "file_purged_at": null, "hidden_at": null, "archived_at": null,
                "position": event.position, "sequence": event.sequence,
            });
            put(tables, REQUESTS, id, entry);
            let subject = &content["subject"];
            let format = content["format"].as_str().unwrap_or_default().to_lowercase();
            log(tables, event, "user_data", &format, [by, subject]);
        }
        _ => {
            let kind = content["export_type"].as_str().unwrap_or_default();
            let format = content["format"].as_str().unwrap_or_default();
            log(tables, event, kind, format, [by, by]);
        }
    }
}

fn log(tables: &mut Tables, event: &Event, export_type: &str, format: &str, people: [&Value; 2]) {
    let of_kind = |kind: &str| {
        let mut ids = people.iter().map(|person| id_of(person, kind));
        ids.find(|id| !id.is_null()).unwrap_or_default()
    };
    let address = event.metadata.get("ip").cloned().unwrap_or_else(|| json!("::"));
    let entry = json!({
        "id": event.aggregate_id, "member_user_id": of_kind("member"),
        "admin_user_id": of_kind("admin"), "export_type": export_type, "export_format": format,
        "requested_ip": address, "status": "pending",
        "created_at": time(&event.fields["triggered_at"]), "deleted_at": null,
        "kind": event.fields["content"]["kind"], "processing_started_at": null,
        "completed_at": null, "expires_at": null, "file_name": null, "file_path": null,
        "file_size_bytes": null, "checksum_sha256": null, "error_code": null,
        "error_message": null, "metadata": null, "download_count": 0, "last_downloaded_at": null,
        "file_purged_at": null, "archived_at": null, "position": event.position,
        "sequence": event.sequence,
    });
    put(tables, LOGS, &event.aggregate_id, entry);
}

/// What an event after the request says, in a table's own columns and words.
fn happened(entry: &mut Value, table: &str, event: &Event) {
    let fields = &event.fields;
    let named = |statutory, request, log| match table {
        REQUESTS => request,
        LOGS => log,
        _ => statutory,
    };
    let started = named("processing_started_at", "processed_at", "processing_started_at");
    let message = named("error_message", "failure_reason", "error_message");
    match event.event_type.as_str() {
        "ExportStarted" => {
            entry["status"] = json!(named("processing", "PROCESSING", "pending"));
            entry[started] = time(&fields["processing_started_at"]);
        }
        "ExportCompleted" => {
            entry["status"] = json!(named("completed", "COMPLETED", "completed"));
            entry["completed_at"] = time(&fields["completed_at"]);
            entry["expires_at"] = time(&fields["expires_at"]);
            for column in ["file_name", "file_path", "file_size_bytes", "checksum_sha256"] {
                entry[column] = fields["file"][column].clone();
            }
            let mut metadata = entry["metadata"].as_object().cloned().unwrap_or_default();
            metadata.extend(fields["metadata"].as_object().cloned().unwrap_or_default());
            entry["metadata"] = metadata.into();
        }
        "ExportFailed" | "ExportRateLimited" => {
            entry["status"] = json!(named("failed", "FAILED", "failed"));
            entry["completed_at"] = time(&fields["completed_at"]);
            entry["error_code"] = fields["error_code"].clone();
            entry[message] = fields["error_message"].clone();
            if fields.get("retry_at").is_some() && table.starts_with("bufdir") {
                entry["retry_at"] = time(&fields["retry_at"]);
            }
        }
        "ExportCancelled" => {
            entry["status"] = json!(named("failed", "CANCELLED", "failed"));
            entry["completed_at"] = time(&fields["completed_at"]);
        }
        "ExportDeadlineExtended" if table == REQUESTS => {
            entry["due_at"] = time(&fields["due_at"]);
            entry["processing_notes"] = fields["reason"].clone();
        }
        "ExportDownloaded" => {
            entry["download_count"] = fields["download_count"].clone();
            entry["last_downloaded_at"] = time(&fields["downloaded_at"]);
        }
        "ExportFilePurged" => entry["file_purged_at"] = time(&fields["purged_at"]),
        "ExportArchived" => entry["archived_at"] = time(&fields["archived_at"]),
        "ExportHidden" if table == REQUESTS => entry["hidden_at"] = time(&fields["hidden_at"]),
        "ExportHidden" if table == LOGS => entry["deleted_at"] = time(&fields["hidden_at"]),
        _ => {}
    }
}
