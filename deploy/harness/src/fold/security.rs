//! Incidents, the register of breaches, and what is known of addresses.

use serde_json::{Value, json};

use super::{Event, Tables, put, row, set};

pub(super) fn apply(tables: &mut Tables, event: &Event) {
    match event.aggregate_type.as_str() {
        "incident" => incident(tables, event),
        "breach" => breach(tables, event),
        "ip_address" => address(tables, event),
        _ => {}
    }
}

fn micros(value: &Value) -> Value {
    value.as_str().and_then(super::micros).unwrap_or_default()
}

/// As the tables have times within lists.
fn written(event: &Event) -> Value {
    json!(event.recorded_at)
}

fn incident(tables: &mut Tables, event: &Event) {
    const TABLE: &str = "security_incidents";
    let (id, fields, at) = (&event.aggregate_id, &event.fields, event.at());
    let given = |field: &str| fields.get(field).cloned().unwrap_or_default();
    if event.event_type == "IncidentDetected" {
        let mut incident = json!({
            "incident_id": id, "severity_level": fields["severity"], "status": "DETECTED",
            "user_kind": fields["user"]["kind"], "user_id": fields["user"]["id"],
            "first_detected_at": micros(&fields["first_detected_at"]),
            "last_activity_at": micros(&fields["last_activity_at"]),
            "mitigation_actions": [], "impact_assessment": null, "root_cause": null,
            "lessons_learned": null, "assigned_to": null, "escalated_at": null,
            "escalation_reason": null, "resolved_at": null, "forensic_data": [],
            "false_positive_reason": null, "created_at": at, "updated_at": at,
            "position": event.position, "sequence": event.sequence,
        });
        for field in [
            "incident_type",
            "source_ip",
            "target_endpoint",
            "attack_vector",
            "request_count",
            "blocked_requests",
            "detection_method",
            "detection_confidence",
            "threat_intelligence",
            "address_id",
            "follows",
            "reported_by",
        ] {
            incident[field] = given(field);
        }
        // The table writes 1.0 as 1.
        if let Some(whole) =
            incident["detection_confidence"].as_f64().filter(|it| it.fract() == 0.0)
        {
            incident["detection_confidence"] = json!(if whole == 0.0 { 0 } else { 1 });
        }
        put(tables, TABLE, id, incident);
        return;
    }
    let mut columns = vec![("updated_at", at.clone())];
    // What an event may leave out stays as it is.
    for (field, column) in [
        ("request_count", "request_count"),
        ("blocked_requests", "blocked_requests"),
        ("severity", "severity_level"),
        ("incident_type", "incident_type"),
        ("attack_vector", "attack_vector"),
        ("impact_assessment", "impact_assessment"),
        ("root_cause", "root_cause"),
        ("lessons_learned", "lessons_learned"),
        ("threat_intelligence", "threat_intelligence"),
    ] {
        if !given(field).is_null() {
            columns.push((column, given(field)));
        }
    }
    match event.event_type.as_str() {
        "IncidentActivityObserved" => {
            columns.push(("last_activity_at", micros(&fields["last_activity_at"])));
        }
        "InvestigationStarted" => columns.push(("status", json!("INVESTIGATING"))),
        "IncidentAssigned" => columns.push(("assigned_to", fields["assigned_to"]["id"].clone())),
        "MitigationApplied" => columns.push(("status", json!("MITIGATED"))),
        "IncidentEscalated" => {
            columns.extend([("escalated_at", at), ("escalation_reason", given("reason"))]);
        }
        "IncidentResolved" => columns.extend([("status", json!("RESOLVED")), ("resolved_at", at)]),
        "IncidentMarkedFalsePositive" => {
            columns.push(("status", json!("FALSE_POSITIVE")));
            columns.push(("false_positive_reason", given("reason")));
        }
        "ImpactAssessed" => {
            let user = given("user");
            columns.extend([("user_kind", user["kind"].clone()), ("user_id", user["id"].clone())]);
        }
        _ => {}
    }
    set(tables, TABLE, event, &columns);
    let added = match event.event_type.as_str() {
        "MitigationApplied" => Some((
            "mitigation_actions",
            json!({
                "action": fields["action"], "applied_by": fields["applied_by"],
                "applied_at": written(event),
            }),
        )),
        "ForensicDataAdded" => Some((
            "forensic_data",
            json!({
                "data": fields["data"], "added_by": fields["added_by"], "added_at": written(event),
            }),
        )),
        _ => None,
    };
    if let Some((column, entry)) = added
        && let Some(list) = row(tables, TABLE, id).and_then(|row| row[column].as_array_mut())
    {
        list.push(entry);
    }
}

fn breach(tables: &mut Tables, event: &Event) {
    const TABLE: &str = "breaches";
    let (id, fields, at) = (&event.aggregate_id, &event.fields, event.at());
    let (kind, told) = match event.event_type.as_str() {
        "BreachDeclared" => {
            let breach = json!({
                "incident_id": id, "aware_at": micros(&fields["aware_at"]),
                "content": fields["content"], "authority_notified_at": null,
                "subjects_notified_at": null, "notifications": [],
                "declared_by": fields["declared_by"], "declared_at": at, "updated_at": at,
                "position": event.position, "sequence": event.sequence,
            });
            return put(tables, TABLE, id, breach);
        }
        "AuthorityNotified" => (json!("AUTHORITY"), Some("authority_notified_at")),
        "SubjectsNotified" => (json!("SUBJECTS"), Some("subjects_notified_at")),
        _ => (fields["kind"].clone(), None),
    };
    set(tables, TABLE, event, &[("updated_at", at), ("content", fields["content"].clone())]);
    let Some(breach) = row(tables, TABLE, id) else { return };
    if let Some(column) = told.filter(|column| breach[*column].is_null()) {
        breach[column] = micros(&fields["notified_at"]);
    }
    let entry = json!({
        "kind": kind, "phase": fields["phase"], "notified_at": fields["notified_at"],
        "reason": fields["reason"], "recorded_by": fields["recorded_by"],
        "recorded_at": written(event),
    });
    breach["notifications"].as_array_mut().into_iter().for_each(|list| list.push(entry.clone()));
}

fn address(tables: &mut Tables, event: &Event) {
    const TABLE: &str = "ip_reputation";
    if event.event_type == "IpForgotten" {
        if let Some(addresses) = tables.get_mut(TABLE) {
            addresses.remove(&event.aggregate_id);
        }
        return;
    }
    let created = row(tables, TABLE, &event.aggregate_id).map(|row| row["created_at"].clone());
    let address = json!({
        "id": event.aggregate_id, "record": event.fields["record"],
        "created_at": created.unwrap_or(event.at()), "updated_at": event.at(),
        "position": event.position, "sequence": event.sequence,
    });
    put(tables, TABLE, &event.aggregate_id, address);
}
