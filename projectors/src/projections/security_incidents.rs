//! Security incidents as they stand (E25). Addresses and texts stay sealed.

use std::collections::BTreeMap;

use agora_domain::{
    Actor,
    security::values::{AttackVector, IncidentType, Severity},
};
use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "security_incidents",
    version: 1,
    event_types: &[
        "ForensicDataAdded",
        "ImpactAssessed",
        "IncidentActivityObserved",
        "IncidentAssigned",
        "IncidentDetected",
        "IncidentEscalated",
        "IncidentMarkedFalsePositive",
        "IncidentResolved",
        "InvestigationStarted",
        "MitigationApplied",
    ],
    columns: Columns::Payload,
    tables: &["security_incidents"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

/// Addresses and texts are sealed.
#[derive(Deserialize)]
enum Event {
    IncidentDetected(Box<Detected>),
    IncidentActivityObserved {
        request_count: u64,
        blocked_requests: u64,
        severity: Severity,
        last_activity_at: DateTime<Utc>,
    },
    InvestigationStarted {},
    IncidentAssigned {
        assigned_to: Actor,
    },
    MitigationApplied {
        action: String,
        applied_by: Actor,
    },
    IncidentEscalated {
        severity: Severity,
        reason: Option<String>,
    },
    IncidentResolved {
        root_cause: Option<String>,
        lessons_learned: Option<String>,
    },
    IncidentMarkedFalsePositive {
        reason: String,
    },
    ForensicDataAdded {
        data: String,
        added_by: Actor,
    },
    ImpactAssessed {
        impact_assessment: String,
        root_cause: Option<String>,
        incident_type: IncidentType,
        severity: Severity,
        attack_vector: Option<AttackVector>,
        user: Option<Actor>,
        threat_intelligence: Option<String>,
    },
}

#[derive(Deserialize)]
struct Detected {
    incident_type: IncidentType,
    severity: Severity,
    source_ip: String,
    address_id: Option<Uuid>,
    target_endpoint: Option<String>,
    user: Option<Actor>,
    attack_vector: Option<AttackVector>,
    request_count: Option<u64>,
    blocked_requests: Option<u64>,
    detection_method: String,
    detection_confidence: Option<f64>,
    threat_intelligence: Option<String>,
    follows: Option<Uuid>,
    first_detected_at: DateTime<Utc>,
    last_activity_at: DateTime<Utc>,
    reported_by: Actor,
}

/// A row, by the names of its columns.
#[derive(Serialize, Deserialize)]
struct Row {
    incident_id: Uuid,
    incident_type: IncidentType,
    severity_level: Severity,
    status: String,
    source_ip: String,
    target_endpoint: Option<String>,
    user_kind: Option<String>,
    user_id: Option<Uuid>,
    attack_vector: Option<AttackVector>,
    request_count: Option<i64>,
    blocked_requests: Option<i64>,
    detection_method: String,
    detection_confidence: Option<f64>,
    first_detected_at: DateTime<Utc>,
    last_activity_at: DateTime<Utc>,
    mitigation_actions: Vec<Mitigation>,
    impact_assessment: Option<String>,
    root_cause: Option<String>,
    lessons_learned: Option<String>,
    assigned_to: Option<Uuid>,
    escalated_at: Option<DateTime<Utc>>,
    escalation_reason: Option<String>,
    resolved_at: Option<DateTime<Utc>>,
    threat_intelligence: Option<String>,
    forensic_data: Vec<Finding>,
    false_positive_reason: Option<String>,
    address_id: Option<Uuid>,
    follows: Option<Uuid>,
    reported_by: Actor,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    position: i64,
    sequence: i64,
}

#[derive(Serialize, Deserialize)]
struct Mitigation {
    action: String,
    applied_by: Actor,
    applied_at: DateTime<Utc>,
}

#[derive(Serialize, Deserialize)]
struct Finding {
    data: String,
    added_by: Actor,
    added_at: DateTime<Utc>,
}

impl Row {
    fn new(event: &RecordedEvent, id: Uuid, detected: Detected) -> Self {
        Self {
            incident_id: id,
            incident_type: detected.incident_type,
            severity_level: detected.severity,
            status: "DETECTED".to_owned(),
            source_ip: detected.source_ip,
            target_endpoint: detected.target_endpoint,
            user_kind: detected.user.map(|user| user.kind.as_str().to_owned()),
            user_id: detected.user.map(|user| user.id),
            attack_vector: detected.attack_vector,
            request_count: detected.request_count.map(number),
            blocked_requests: detected.blocked_requests.map(number),
            detection_method: detected.detection_method,
            detection_confidence: detected.detection_confidence,
            first_detected_at: detected.first_detected_at,
            last_activity_at: detected.last_activity_at,
            mitigation_actions: Vec::new(),
            impact_assessment: None,
            root_cause: None,
            lessons_learned: None,
            assigned_to: None,
            escalated_at: None,
            escalation_reason: None,
            resolved_at: None,
            threat_intelligence: detected.threat_intelligence,
            forensic_data: Vec::new(),
            false_positive_reason: None,
            address_id: detected.address_id,
            follows: detected.follows,
            reported_by: detected.reported_by,
            created_at: event.recorded_at,
            updated_at: event.recorded_at,
            position: number(event.position),
            sequence: number(event.sequence),
        }
    }

    fn change(&mut self, at: DateTime<Utc>, event: Event) {
        match event {
            Event::IncidentDetected(_) => {}
            Event::IncidentActivityObserved {
                request_count,
                blocked_requests,
                severity,
                last_activity_at,
            } => {
                self.request_count = Some(number(request_count));
                self.blocked_requests = Some(number(blocked_requests));
                self.severity_level = severity;
                self.last_activity_at = last_activity_at;
            }
            Event::InvestigationStarted {} => "INVESTIGATING".clone_into(&mut self.status),
            Event::IncidentAssigned { assigned_to } => self.assigned_to = Some(assigned_to.id),
            Event::MitigationApplied { action, applied_by } => {
                "MITIGATED".clone_into(&mut self.status);
                self.mitigation_actions.push(Mitigation { action, applied_by, applied_at: at });
            }
            Event::IncidentEscalated { severity, reason } => {
                self.severity_level = severity;
                self.escalated_at = Some(at);
                self.escalation_reason = reason;
            }
            Event::IncidentResolved { root_cause, lessons_learned } => {
                "RESOLVED".clone_into(&mut self.status);
                self.resolved_at = Some(at);
                self.root_cause = root_cause.or(self.root_cause.take());
                self.lessons_learned = lessons_learned;
            }
            Event::IncidentMarkedFalsePositive { reason } => {
                "FALSE_POSITIVE".clone_into(&mut self.status);
                self.false_positive_reason = Some(reason);
            }
            Event::ForensicDataAdded { data, added_by } => {
                self.forensic_data.push(Finding { data, added_by, added_at: at });
            }
            Event::ImpactAssessed {
                impact_assessment,
                root_cause,
                incident_type,
                severity,
                attack_vector,
                user,
                threat_intelligence,
            } => {
                self.impact_assessment = Some(impact_assessment);
                self.root_cause = root_cause.or(self.root_cause.take());
                self.incident_type = incident_type;
                self.severity_level = severity;
                self.attack_vector = attack_vector.or(self.attack_vector);
                self.user_kind = user.map(|user| user.kind.as_str().to_owned());
                self.user_id = user.map(|user| user.id);
                self.threat_intelligence = threat_intelligence.or(self.threat_intelligence.take());
            }
        }
    }
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut ids = events.iter().map(|event| stream_uuid(event)).collect::<Result<Vec<_>, _>>()?;
    ids.sort_unstable();
    ids.dedup();
    let known: Vec<sqlx::types::Json<Row>> = sqlx::query_scalar(
        "SELECT to_jsonb(i) FROM security_incidents i WHERE incident_id = ANY($1)",
    )
    .bind(&ids)
    .fetch_all(&mut *connection)
    .await?;
    let mut rows: BTreeMap<Uuid, Row> =
        known.into_iter().map(|row| (row.0.incident_id, row.0)).collect();
    for event in events {
        let id = stream_uuid(event)?;
        match payload(event)? {
            Event::IncidentDetected(detected) => {
                rows.insert(id, Row::new(event, id, *detected));
            }
            change => {
                if let Some(row) = rows.get_mut(&id) {
                    row.change(event.recorded_at, change);
                    row.updated_at = event.recorded_at;
                    row.sequence = number(event.sequence);
                }
            }
        }
    }
    sqlx::query("DELETE FROM security_incidents WHERE incident_id = ANY($1)")
        .bind(&ids)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO security_incidents
         SELECT * FROM jsonb_populate_recordset(NULL::security_incidents, $1)",
    )
    .bind(sqlx::types::Json(rows.values().collect::<Vec<_>>()))
    .execute(connection)
    .await?;
    Ok(())
}
