//! Integrations with outside services.

use serde_json::{Value, json};

use super::{Event, Tables, micros, put, row};

pub(super) fn apply(tables: &mut Tables, event: &Event) {
    let (id, fields, at) = (&event.aggregate_id, &event.fields, event.at());
    let state = &fields["integration"];
    match event.event_type.as_str() {
        "IntegrationRegistered" => {
            let integration = json!({
                "id": id, "integration_name": state["name"], "provider_url": null, "status": null,
                "config_json": null, "last_successful_sync_at": null, "last_error": null,
                "last_error_at": null, "created_at": at, "updated_at": null, "sequence": null,
            });
            put(tables, "integrations", id, integration);
        }
        "IntegrationRemoved" => {
            tables.entry("integrations").or_default().remove(id);
        }
        other if !other.starts_with("Integration") => return,
        _ => {}
    }
    let Some(row) = row(tables, "integrations", id) else { return };
    row["provider_url"] = state.get("provider_url").cloned().unwrap_or_default();
    row["status"] = state["status"].clone();
    let synced_at = state.get("last_successful_sync_at").and_then(Value::as_str).and_then(micros);
    row["last_successful_sync_at"] = synced_at.unwrap_or_default();
    if let Some(masked) = fields.get("masked_config").filter(|masked| masked.is_string()) {
        row["config_json"] = masked.clone();
    }
    if event.event_type == "IntegrationFailed" {
        row["last_error"] = fields.get("problem").cloned().unwrap_or_default();
        row["last_error_at"] = at.clone();
    }
    row["updated_at"] = at;
    row["sequence"] = json!(event.sequence);
}
