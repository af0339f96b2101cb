//! Organizations, who is in them, and their reports.

use serde_json::{Value, json};

use super::{Event, Tables, put, row};

pub(super) fn apply(tables: &mut Tables, event: &Event) {
    let (id, fields, at) = (&event.aggregate_id, &event.fields, event.at());
    match event.event_type.as_str() {
        "OrganizationCreated" => {
            let organization = json!({
                "id": id, "name": fields["name"],
                "created_adminuser_id": fields["created_by"]["id"], "created_at": at,
                "sequence": event.sequence,
            });
            put(tables, "organizations", id, organization);
        }
        "OrganizationMemberAdded" => {
            let place = json!({
                "organization_id": fields["organization_id"],
                "principal_kind": fields["principal"]["kind"],
                "principal_id": fields["principal"]["id"], "role": fields["role"],
                "added_at": at, "updated_at": at, "sequence": event.sequence,
            });
            put(tables, "organization_memberships", id, place);
        }
        "OrganizationMemberRoleChanged" => {
            if let Some(place) = row(tables, "organization_memberships", id) {
                place["role"] = fields["role"].clone();
                place["updated_at"] = at;
                place["sequence"] = json!(event.sequence);
            }
        }
        "OrganizationMemberRemoved" => {
            tables.entry("organization_memberships").or_default().remove(id);
        }
        "BufdirReportCreated" => {
            let report = json!({
                "id": id, "organization_id": fields["report"]["organization_id"],
                "period_label": fields["report"]["period_label"],
                "schema_version": fields["report"]["schema_version"], "status": "draft",
                "created_by_user_id": fields["created_by"]["id"], "created_at": at,
                "submitted_by_user_id": null, "submitted_at": null, "position": event.position,
            });
            put(tables, "bufdir_reports", id, report);
            as_it_stands(tables, event);
        }
        "BufdirReportRevised" => as_it_stands(tables, event),
        "BufdirReportSubmitted" => {
            as_it_stands(tables, event);
            if let Some(report) = row(tables, "bufdir_reports", id) {
                report["status"] = json!("submitted");
                report["submitted_by_user_id"] = fields["submitted_by"]["id"].clone();
                report["submitted_at"] = at;
            }
        }
        _ => {}
    }
}

/// What every event of a report says anew.
fn as_it_stands(tables: &mut Tables, event: &Event) {
    let told = &event.fields["report"];
    let Some(report) = row(tables, "bufdir_reports", &event.aggregate_id) else { return };
    for column in ["period_from", "period_to", "sections"] {
        report[column] = told[column].clone();
    }
    let sections = told["sections"].as_array();
    let measures = sections.into_iter().flatten().filter_map(|part| part["measures"].as_array());
    report["measure_count"] = json!(measures.map(Vec::len).sum::<usize>());
    report["updated_at"] = event.at();
    report["sequence"] = Value::from(event.sequence);
}
