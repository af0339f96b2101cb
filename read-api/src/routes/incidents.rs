//! Security incidents (E25). Who runs jobs sees the board, and nothing of it that is personal.

use agora_domain::{
    ids::IncidentId,
    permissions::Roles,
    security::{
        network::Network,
        values::{IncidentStatus, IncidentType, Severity},
    },
};
use agora_event_store::{Opener, vault::VaultError};
use axum::{extract::State, response::Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use sqlx::{FromRow, types::Json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::ip_reputation::find_address;
use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{self, FromParams, Params},
    reply::List,
    request::Read,
    rows::{Instant, Sealed, with_position},
};

const AGGREGATE: &str = "incident";

/// A security incident, without what was found.
#[derive(Serialize, ToSchema)]
pub struct IncidentSummary {
    incident_id: Uuid,
    #[schema(example = "BRUTE_FORCE")]
    incident_type: String,
    #[schema(example = "HIGH")]
    severity_level: String,
    #[schema(example = "DETECTED")]
    status: String,
    /// Null where it was erased, and for ops. `::` comes from no address.
    #[schema(example = "203.0.113.9")]
    source_ip: Option<String>,
    /// Null for ops.
    target_endpoint: Option<String>,
    /// Whom it is about; null for ops.
    user_id: Option<Uuid>,
    attack_vector: Option<String>,
    request_count: Option<i64>,
    blocked_requests: Option<i64>,
    #[schema(example = "RATE_LIMITING")]
    detection_method: String,
    detection_confidence: Option<f64>,
    first_detected_at: Instant,
    last_activity_at: Instant,
    /// From the one to the other.
    duration_seconds: i64,
    /// An admin.
    assigned_to: Option<Uuid>,
    escalated: bool,
    escalated_at: Option<Instant>,
    resolved_at: Option<Instant>,
    false_positive: bool,
    /// The incident that has come back with this one.
    follows: Option<Uuid>,
    created_at: Instant,
    updated_at: Instant,
    /// The number of its events: for `If-Match` of commands.
    sequence: i64,
}

/// A security incident with what was found. Texts are null where they were erased.
#[derive(Serialize, ToSchema)]
pub struct IncidentDetails {
    #[serde(flatten)]
    summary: IncidentSummary,
    mitigation_actions: Vec<MitigationAction>,
    impact_assessment: Option<String>,
    root_cause: Option<String>,
    lessons_learned: Option<String>,
    escalation_reason: Option<String>,
    false_positive_reason: Option<String>,
    #[schema(value_type = Option<Object>)]
    threat_intelligence: Option<Box<RawValue>>,
    forensic_data: ForensicData,
    /// `{kind, id}` of who reported it; the platform itself where it was detected.
    #[schema(value_type = Object)]
    reported_by: Value,
}

/// What was done against it.
#[derive(Serialize, ToSchema)]
pub struct MitigationAction {
    action: Option<String>,
    #[schema(value_type = Object)]
    applied_by: Value,
    applied_at: String,
}

/// What was found, in the order in which it was.
#[derive(Serialize, ToSchema)]
pub struct ForensicData {
    entries: Vec<ForensicEntry>,
}

/// Something that was found.
#[derive(Serialize, ToSchema)]
pub struct ForensicEntry {
    #[schema(value_type = Option<Object>)]
    data: Option<Box<RawValue>>,
    #[schema(value_type = Object)]
    added_by: Value,
    added_at: String,
}

#[derive(FromRow)]
struct Row {
    incident_id: Uuid,
    incident_type: String,
    severity_level: String,
    status: String,
    source_ip: String,
    target_endpoint: Option<String>,
    user_id: Option<Uuid>,
    attack_vector: Option<String>,
    request_count: Option<i64>,
    blocked_requests: Option<i64>,
    detection_method: String,
    detection_confidence: Option<f64>,
    first_detected_at: Instant,
    last_activity_at: Instant,
    assigned_to: Option<Uuid>,
    escalated_at: Option<Instant>,
    resolved_at: Option<Instant>,
    follows: Option<Uuid>,
    created_at: Instant,
    updated_at: Instant,
    position: i64,
    sequence: i64,
}

#[derive(FromRow)]
struct WholeRow {
    #[sqlx(flatten)]
    row: Row,
    mitigation_actions: Json<Vec<StoredMitigation>>,
    impact_assessment: Option<String>,
    root_cause: Option<String>,
    lessons_learned: Option<String>,
    escalation_reason: Option<String>,
    false_positive_reason: Option<String>,
    threat_intelligence: Option<String>,
    forensic_data: Json<Vec<StoredFinding>>,
    reported_by: Json<Value>,
}

#[derive(Deserialize)]
struct StoredMitigation {
    action: String,
    applied_by: Value,
    applied_at: String,
}

#[derive(Deserialize)]
struct StoredFinding {
    data: String,
    added_by: Value,
    added_at: String,
}

impl Row {
    fn summary(
        self,
        source_ip: Option<String>,
        target_endpoint: Option<String>,
        user_id: Option<Uuid>,
    ) -> IncidentSummary {
        IncidentSummary {
            incident_id: self.incident_id,
            incident_type: self.incident_type,
            severity_level: self.severity_level,
            source_ip,
            target_endpoint,
            user_id,
            attack_vector: self.attack_vector,
            request_count: self.request_count,
            blocked_requests: self.blocked_requests,
            detection_method: self.detection_method,
            detection_confidence: self.detection_confidence,
            first_detected_at: self.first_detected_at,
            last_activity_at: self.last_activity_at,
            duration_seconds: (self.last_activity_at.0 - self.first_detected_at.0).num_seconds(),
            assigned_to: self.assigned_to,
            escalated: self.escalated_at.is_some(),
            escalated_at: self.escalated_at,
            resolved_at: self.resolved_at,
            false_positive: self.status == IncidentStatus::FalsePositive.as_str(),
            status: self.status,
            follows: self.follows,
            created_at: self.created_at,
            updated_at: self.updated_at,
            sequence: self.sequence,
        }
    }
}

/// Which incidents.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Chosen {
    /// Only in this status.
    #[param(value_type = Option<String>, example = "DETECTED")]
    status: Option<IncidentStatus>,
    /// Only of this type.
    #[param(rename = "type", value_type = Option<String>, example = "BRUTE_FORCE")]
    incident_type: Option<IncidentType>,
    /// Only as bad as this.
    #[param(value_type = Option<String>, example = "HIGH")]
    severity: Option<Severity>,
    /// Only what came from this address.
    #[param(value_type = Option<String>, example = "203.0.113.9")]
    source_ip: Option<Network>,
}

impl FromParams for Chosen {
    fn from_params(params: &mut Params) -> Self {
        Self {
            status: params.value("status", params::id),
            incident_type: params.value("type", params::id),
            severity: params.value("severity", params::id),
            source_ip: params.value("source_ip", params::id),
        }
    }
}

/// Lists security incidents, the newest first.
#[utoipa::path(get, path = "/v1/incidents", tag = "Security", params(Chosen, Page),
    responses((status = 200, description = "A part of the list", body = List<IncidentSummary>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Chosen, Page)>,
) -> Result<Response, ReadError> {
    let (chosen, page) = &read.query;
    let sees_all = read.principal()?.roles.include(Roles::SECURITY.and(Roles::AUDITOR));
    read.record_audit_read(&app, "/v1/incidents").await;
    // Who may not see addresses may not ask for them either: the answer would tell.
    let address = match chosen.source_ip.filter(|_| sees_all) {
        Some(network) => Some(find_address(&app, network).await?.unwrap_or(Uuid::nil())),
        None => chosen.source_ip.map(|_| Uuid::nil()),
    };
    let list = format!(
        "incidents/{:?}/{:?}/{:?}/{address:?}",
        chosen.status, chosen.incident_type, chosen.severity
    );
    let before: i64 = page.place(&app, &list, i64::MAX)?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, i.*
             FROM (SELECT coalesce(read.served_position('security_incidents'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT * FROM read.security_incidents
                 WHERE position < $1 AND ($2::text IS NULL OR status = $2)
                   AND ($3::text IS NULL OR incident_type = $3)
                   AND ($4::text IS NULL OR severity_level = $4)
                   AND ($5::uuid IS NULL OR address_id = $5)
                 ORDER BY position DESC LIMIT $6
             ) i ON true
             ORDER BY i.position DESC",
        )
        .bind(before)
        .bind(chosen.status.map(IncidentStatus::as_str))
        .bind(chosen.incident_type.map(IncidentType::as_str))
        .bind(chosen.severity.map(Severity::as_str))
        .bind(address)
        .bind(page.rows())
        .fetch_all(&app.reads)
        .await?;
        with_position::<Row>(&rows)
    })
    .await?;
    let part = page.cut(&app, &list, rows, |last| last.position);
    let items = if sees_all {
        open(&app.opener, part.items).await?
    } else {
        part.items.into_iter().map(|row| row.summary(None, None, None)).collect()
    };
    Ok(read.list(position, &List { items, next: part.next }))
}

async fn open(opener: &Opener, rows: Vec<Row>) -> Result<Vec<IncidentSummary>, VaultError> {
    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(rows.len());
    for row in &rows {
        let id = row.incident_id;
        slots.push((
            sealed.add(AGGREGATE, id, "source_ip", Some(row.source_ip.as_str())),
            sealed.add(AGGREGATE, id, "target_endpoint", row.target_endpoint.as_deref()),
        ));
    }
    let open = sealed.open(opener).await?;
    let texts: Vec<_> = slots.iter().map(|slot| (open.text(slot.0), open.text(slot.1))).collect();
    let shown = rows.into_iter().zip(texts).map(|(row, (address, endpoint))| {
        let user = row.user_id;
        row.summary(address, endpoint, user)
    });
    Ok(shown.collect())
}

/// Shows a security incident with what was found.
#[utoipa::path(get, path = "/v1/incidents/{id}", tag = "Security",
    params(("id" = Uuid, Path, description = "The incident's id")),
    responses((status = 200, description = "The incident", body = IncidentDetails),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let id: IncidentId = read.path.parse("id")?;
    read.record_audit_read(&app, "/v1/incidents/{id}").await;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, i.*
             FROM (SELECT coalesce(read.served_position('security_incidents'), 0) OFFSET 0) p
             LEFT JOIN read.security_incidents i ON i.incident_id = $1",
        )
        .bind(id.0)
        .fetch_all(&app.reads)
        .await?;
        with_position::<WholeRow>(&rows)
    })
    .await?;
    let Some(row) = rows.into_iter().next() else {
        return Err(ReadError::not_found(position, "There is no incident of this id."));
    };
    Ok(read.object(position, &details(&app.opener, row).await?))
}

async fn details(opener: &Opener, whole: WholeRow) -> Result<IncidentDetails, VaultError> {
    let id = whole.row.incident_id;
    let mut sealed = Sealed::default();
    let texts = [
        ("source_ip", Some(whole.row.source_ip.as_str())),
        ("target_endpoint", whole.row.target_endpoint.as_deref()),
        ("impact_assessment", whole.impact_assessment.as_deref()),
        ("root_cause", whole.root_cause.as_deref()),
        ("lessons_learned", whole.lessons_learned.as_deref()),
        ("reason", whole.escalation_reason.as_deref()),
        ("reason", whole.false_positive_reason.as_deref()),
        ("threat_intelligence", whole.threat_intelligence.as_deref()),
    ];
    let texts = texts.map(|(field, text)| sealed.add(AGGREGATE, id, field, text));
    let mut actions = Vec::new();
    for stored in &whole.mitigation_actions.0 {
        actions.push(sealed.add(AGGREGATE, id, "action", Some(&stored.action)));
    }
    let mut findings = Vec::new();
    for stored in &whole.forensic_data.0 {
        findings.push(sealed.add(AGGREGATE, id, "data", Some(&stored.data)));
    }
    let open = sealed.open(opener).await?;
    let [address, endpoint, impact, cause, lessons, escalation, mistaken, intelligence] =
        texts.map(|slot| open.text(slot));
    let json = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
    let actions: Vec<_> = actions.into_iter().map(|slot| open.text(slot)).collect();
    let findings: Vec<_> = findings.into_iter().map(|slot| json(open.text(slot))).collect();
    let actions = whole.mitigation_actions.0.into_iter().zip(actions).map(|(stored, action)| {
        let StoredMitigation { applied_by, applied_at, .. } = stored;
        MitigationAction { action, applied_by, applied_at }
    });
    let entries = whole.forensic_data.0.into_iter().zip(findings).map(|(stored, data)| {
        let StoredFinding { added_by, added_at, .. } = stored;
        ForensicEntry { data, added_by, added_at }
    });
    let user = whole.row.user_id;
    Ok(IncidentDetails {
        mitigation_actions: actions.collect(),
        impact_assessment: impact,
        root_cause: cause,
        lessons_learned: lessons,
        escalation_reason: escalation,
        false_positive_reason: mistaken,
        threat_intelligence: json(intelligence),
        forensic_data: ForensicData { entries: entries.collect() },
        reported_by: whole.reported_by.0,
        summary: whole.row.summary(address, endpoint, user),
    })
}
