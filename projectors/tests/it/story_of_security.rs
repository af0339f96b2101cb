//! Incidents, breaches and what is known of addresses.

use serde_json::{Value, json};

use crate::{
    scene::{Fact, fact},
    story::{ADMIN, MEMBER, id, member, sealed},
};

pub const INCIDENT: u128 = 30;
pub const ADDRESS: u128 = 31;

fn admin() -> Value {
    json!({ "kind": "admin", "id": id(ADMIN, 0) })
}

fn by_admin(
    aggregate_type: &'static str,
    stream: uuid::Uuid,
    kind: &'static str,
    of: Value,
) -> Fact {
    fact(aggregate_type, stream, kind, of).by(&format!("admin:{}", id(ADMIN, 0)))
}

/// An incident's first event, without anything that it may leave out.
pub fn detected(number: usize) -> Fact {
    let fields = json!({
        "incident_id": id(INCIDENT, number), "incident_type": "BRUTE_FORCE", "severity": "MEDIUM",
        "source_ip": sealed("network", "address"), "address_id": id(ADDRESS, 0),
        "user": member(id(MEMBER, 0)), "request_count": 3, "detection_method": "RATE_LIMITING",
        "detection_confidence": 1.0, "first_detected_at": "2026-09-21T12:00:00Z",
        "last_activity_at": "2026-09-21T12:00:01Z", "reported_by": admin(),
    });
    by_admin("incident", id(INCIDENT, number), "IncidentDetected", fields)
}

/// Everything else that happens to an incident.
pub fn dealt_with(number: usize) -> Vec<Fact> {
    let text = |text: &str| sealed("evidence", text);
    [
        (
            "IncidentActivityObserved",
            json!({ "request_count": 9, "blocked_requests": 4, "severity": "HIGH",
                    "last_activity_at": "2026-09-21T12:00:09Z" }),
        ),
        ("InvestigationStarted", json!({ "started_by": admin() })),
        ("IncidentAssigned", json!({ "assigned_to": admin(), "assigned_by": admin() })),
        ("MitigationApplied", json!({ "action": text("first"), "applied_by": admin() })),
        ("ForensicDataAdded", json!({ "data": text("found"), "added_by": admin() })),
        (
            "IncidentEscalated",
            json!({ "severity": "CRITICAL", "reason": text("why"), "escalated_by": admin() }),
        ),
        (
            "ImpactAssessed",
            json!({ "impact_assessment": text("impact"), "root_cause": text("cause"),
                    "incident_type": "BRUTE_FORCE", "severity": "LOW", "attack_vector": null,
                    "user": null, "threat_intelligence": null, "assessed_by": admin() }),
        ),
        ("MitigationApplied", json!({ "action": text("second"), "applied_by": admin() })),
        (
            "IncidentResolved",
            json!({ "root_cause": null, "lessons_learned": text("lessons"),
                    "resolved_by": admin() }),
        ),
    ]
    .into_iter()
    .map(|(kind, fields)| by_admin("incident", id(INCIDENT, number), kind, fields))
    .collect()
}

pub fn false_alarm(number: usize) -> Fact {
    let fields = json!({ "reason": sealed("evidence", "ours"), "marked_by": admin() });
    by_admin("incident", id(INCIDENT, number), "IncidentMarkedFalsePositive", fields)
}

/// A breach, and who was told of it.
pub fn breach(number: usize) -> Vec<Fact> {
    let content = json!({ "nature": sealed("evidence", "nature"), "subjects_affected": 3,
        "records_affected": null, "contact_point": null, "likely_consequences": null,
        "measures": null });
    let told = |more: Value| {
        let mut fields = json!({ "content": content, "recorded_by": admin(),
            "reason": sealed("evidence", "reason") });
        more.as_object().unwrap().iter().for_each(|(name, it)| fields[name] = it.clone());
        fields
    };
    let at = |hour: u8| format!("2026-09-22T{hour:02}:00:00Z");
    [
        (
            "BreachDeclared",
            json!({ "incident_id": id(INCIDENT, number), "aware_at": at(0), "content": content,
                    "declared_by": admin() }),
        ),
        ("AuthorityNotified", told(json!({ "phase": 1, "notified_at": at(1) }))),
        ("AuthorityNotified", told(json!({ "phase": 2, "notified_at": at(2) }))),
        ("BreachNotificationWaived", told(json!({ "kind": "SUBJECTS_NOT_REQUIRED" }))),
        ("SubjectsNotified", told(json!({ "notified_at": at(3) }))),
    ]
    .into_iter()
    .map(|(kind, fields)| by_admin("breach", id(INCIDENT, number), kind, fields))
    .collect()
}

/// An event of an address, with all that is known of it after.
pub fn on_address(number: usize, kind: &'static str, requests: u64) -> Fact {
    let record = json!({
        "id": id(ADDRESS, number), "address": sealed("network", "address"), "is_range": false,
        "first_seen_at": "2026-09-21T12:00:00Z", "last_seen_at": "2026-09-21T12:00:01Z",
        "request_count": requests, "blocked_count": 0, "incident_count": 0,
        "confirmed_incident_count": 0, "last_incident_at": null, "threat_categories": [],
        "geolocation": null, "asn_info": null, "is_vpn": null, "is_tor": null,
        "is_datacenter": null, "whitelist": null, "blacklist": null, "auto_block_until": null,
        "auto_block_count": 0, "last_auto_block_at": null, "grace_until": null,
        "external_reputation": [], "notes": null, "entries": [],
    });
    let fields = json!({ "record": record, "requests": requests, "blocked": 0,
        "incident_id": id(INCIDENT, 0), "reason": null, "changed_by": admin() });
    by_admin("ip_address", id(ADDRESS, number), kind, fields)
}

/// What every story begins with.
pub fn begin(told: &mut Vec<Fact>) {
    told.extend([detected(0), detected(1), on_address(0, "IpIncidentLinked", 1)]);
    told.extend(dealt_with(0));
    told.push(false_alarm(1));
    told.extend(breach(0));
    for kind in [
        "IpObserved",
        "IpIncidentRefuted",
        "IpWhitelisted",
        "IpWhitelistEnded",
        "IpBlacklisted",
        "IpBlacklistEnded",
        "IpAutoBlocked",
        "IpAutoBlockLifted",
        "IpAnnotated",
        "IpEnriched",
    ] {
        told.push(on_address(0, kind, 2));
    }
    told.push(on_address(1, "IpObserved", 5));
    told.push(on_address(2, "IpObserved", 1));
    let forgotten = json!({ "id": id(ADDRESS, 2), "forgotten_at": "2027-05-20T12:00:00Z" });
    told.push(by_admin("ip_address", id(ADDRESS, 2), "IpForgotten", forgotten));
}
