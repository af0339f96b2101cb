//! `report-incident`: an attack that somebody saw.

use agora_domain::{
    Actor,
    exports::export_values::HappenedAt,
    ids::IncidentId,
    security::{
        network::Network,
        values::{AttackVector, Confidence, DetectionMethod, IncidentType, JsonObject, Severity},
    },
    values::TargetEndpoint,
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    accounts::AccountBody,
    addresses,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, Fraction, Object, Whole, WrongFields},
    incidents::{self, NewIncident},
    refusal::CommandError,
};

/// Opens an incident.
pub struct ReportIncident {
    incident_type: IncidentType,
    severity_level: Severity,
    source_ip: Network,
    target_endpoint: Option<TargetEndpoint>,
    user: Option<Actor>,
    attack_vector: Option<AttackVector>,
    request_count: Option<u64>,
    blocked_requests: Option<u64>,
    detection_method: Option<DetectionMethod>,
    detection_confidence: Option<Confidence>,
    threat_intelligence: Option<JsonObject>,
    follows: Option<IncidentId>,
    first_detected_at: Option<HappenedAt>,
    last_activity_at: Option<HappenedAt>,
}

/// The body of `report-incident`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportIncidentBody {
    #[schema(value_type = String, required, pattern = "^(DDOS_ATTACK|BRUTE_FORCE|SQL_INJECTION|XSS_ATTEMPT|RATE_LIMIT_VIOLATION|SUSPICIOUS_BEHAVIOR)$")]
    #[serde(default)]
    incident_type: Field<IncidentType>,
    #[schema(value_type = String, required, pattern = "^(LOW|MEDIUM|HIGH|CRITICAL)$")]
    #[serde(default)]
    severity_level: Field<Severity>,
    /// One address; `::` where it comes from none, or from everywhere.
    #[schema(value_type = String, required, example = "203.0.113.9", format = "ip-network")]
    #[serde(default)]
    source_ip: Field<Network>,
    /// What it was aimed at.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2_048)]
    #[serde(default)]
    target_endpoint: Field<TargetEndpoint>,
    /// Whom it is about, where somebody is known.
    #[schema(value_type = Option<AccountBody>)]
    #[serde(default)]
    user: Field<Object<AccountBody>>,
    #[schema(value_type = Option<String>, pattern = "^(HTTP_FLOOD|SYN_FLOOD|SLOWLORIS|APPLICATION_LAYER|VOLUMETRIC)$")]
    #[serde(default)]
    attack_vector: Field<AttackVector>,
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 9_007_199_254_740_992_i64)]
    #[serde(default)]
    request_count: Field<Whole<u64>>,
    /// How many of them were blocked.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_992_i64)]
    #[serde(default)]
    blocked_requests: Field<Whole<u64>>,
    /// MANUAL, where it is not said.
    #[schema(value_type = Option<String>, pattern = "^(RATE_LIMITING|PATTERN_MATCHING|ML_ANOMALY|REPUTATION_FILTER|MANUAL)$")]
    #[serde(default)]
    detection_method: Field<DetectionMethod>,
    /// How sure that is.
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    #[serde(default)]
    detection_confidence: Field<Fraction>,
    /// What is known of it elsewhere.
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    threat_intelligence: Option<Value>,
    /// The incident that has come back: one that was resolved, or was no incident.
    #[schema(value_type = Option<Uuid>)]
    #[serde(default)]
    follows: Field<IncidentId>,
    /// Now, where it is not said.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    first_detected_at: Field<HappenedAt>,
    /// Not before that, and not in the future.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    last_activity_at: Field<HappenedAt>,
}

impl Command for ReportIncident {
    const NAME: &'static str = "report-incident";
    const SUMMARY: &'static str =
        "Report a security incident; the address that it came from is noted";
    const RULES: &'static [&'static str] = &[
        "INC-01", "INC-02", "INC-03", "INC-04", "INC-05", "INC-06", "INC-09", "INC-10", "INC-13",
        "IPR-05", "REL-10", "ROL-01", "ESX-03", "ESX-04",
    ];
    type Body = ReportIncidentBody;

    fn parse(body: ReportIncidentBody, wrong: &mut WrongFields) -> Option<Self> {
        let incident_type = wrong.required("/incident_type", body.incident_type);
        let severity_level = wrong.required("/severity_level", body.severity_level);
        let source_ip = wrong.required("/source_ip", body.source_ip);
        let target_endpoint = wrong.optional("/target_endpoint", body.target_endpoint);
        let user = incidents::principal(body.user, "/user", wrong);
        let attack_vector = wrong.optional("/attack_vector", body.attack_vector);
        let request_count =
            wrong.optional("/request_count", body.request_count).map(|it| it.map(|count| count.0));
        let blocked_requests = wrong
            .optional("/blocked_requests", body.blocked_requests)
            .map(|it| it.map(|count| count.0));
        let detection_method = wrong.optional("/detection_method", body.detection_method);
        let detection_confidence = wrong
            .optional("/detection_confidence", body.detection_confidence)
            .map(|it| it.map(|sure| sure.0));
        let threat_intelligence =
            incidents::object(body.threat_intelligence, "/threat_intelligence", wrong);
        let follows = wrong.optional("/follows", body.follows);
        let first_detected_at = wrong.optional("/first_detected_at", body.first_detected_at);
        let last_activity_at = wrong.optional("/last_activity_at", body.last_activity_at);
        Some(Self {
            incident_type: incident_type?,
            severity_level: severity_level?,
            source_ip: source_ip?,
            target_endpoint: target_endpoint?,
            user: user?,
            attack_vector: attack_vector?,
            request_count: request_count?,
            blocked_requests: blocked_requests?,
            detection_method: detection_method?,
            detection_confidence: detection_confidence?,
            threat_intelligence: threat_intelligence?,
            follows: follows?,
            first_detected_at: first_detected_at?,
            last_activity_at: last_activity_at?,
        })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(addresses::queue(self.source_ip))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        if self.source_ip.is_range() {
            let detail = "An incident comes from one address; networks are put on lists.";
            return Err(Problem::rule_broken("INC-02", detail).into());
        }
        let new = NewIncident {
            incident_type: self.incident_type,
            severity: self.severity_level,
            source_ip: self.source_ip,
            target_endpoint: self.target_endpoint.clone(),
            user: self.user,
            attack_vector: self.attack_vector,
            request_count: self.request_count,
            blocked_requests: self.blocked_requests,
            detection_method: self.detection_method.unwrap_or(DetectionMethod::Manual),
            detection_confidence: self.detection_confidence,
            threat_intelligence: self.threat_intelligence.clone(),
            follows: self.follows,
            first_detected_at: self.first_detected_at.map(|at| at.0),
            last_activity_at: self.last_activity_at.map(|at| at.0),
        };
        let incident_id = decision.new_id();
        incidents::open(decision, incident_id, &new).await
    }

    fn example() -> Value {
        json!({"incident_type": "BRUTE_FORCE", "severity_level": "MEDIUM", "source_ip": "203.0.113.9", "target_endpoint": "POST /v1/commands/log-in", "request_count": 120})
    }
}
