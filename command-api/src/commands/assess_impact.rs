//! `assess-impact`: what an incident did.

use agora_domain::{
    Actor,
    ids::IncidentId,
    security::{
        incident::{AssessImpact as Assess, IncidentCommand},
        values::{AttackVector, IncidentType, JsonObject, Severity},
    },
    values::IncidentText,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    accounts::AccountBody,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, Object, WrongFields},
    incidents,
    refusal::CommandError,
};

/// Assesses.
pub struct AssessImpact {
    incident_id: IncidentId,
    impact_assessment: IncidentText,
    root_cause: Option<IncidentText>,
    incident_type: Option<IncidentType>,
    severity_level: Option<Severity>,
    attack_vector: Option<AttackVector>,
    user: Option<Actor>,
    threat_intelligence: Option<JsonObject>,
}

/// The body of `assess-impact`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssessImpactBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    incident_id: Field<IncidentId>,
    #[schema(value_type = String, required, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    impact_assessment: Field<IncidentText>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    root_cause: Field<IncidentText>,
    #[schema(value_type = Option<String>, pattern = "^(DDOS_ATTACK|BRUTE_FORCE|SQL_INJECTION|XSS_ATTEMPT|RATE_LIMIT_VIOLATION|SUSPICIOUS_BEHAVIOR)$")]
    #[serde(default)]
    incident_type: Field<IncidentType>,
    #[schema(value_type = Option<String>, pattern = "^(LOW|MEDIUM|HIGH|CRITICAL)$")]
    #[serde(default)]
    severity_level: Field<Severity>,
    #[schema(value_type = Option<String>, pattern = "^(HTTP_FLOOD|SYN_FLOOD|SLOWLORIS|APPLICATION_LAYER|VOLUMETRIC)$")]
    #[serde(default)]
    attack_vector: Field<AttackVector>,
    /// Whom it is about.
    #[schema(value_type = Option<AccountBody>)]
    #[serde(default)]
    user: Field<Object<AccountBody>>,
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    threat_intelligence: Option<Value>,
}

impl Command for AssessImpact {
    const NAME: &'static str = "assess-impact";
    const SUMMARY: &'static str = "Assess an incident: what came of it, and what it really was";
    const RULES: &'static [&'static str] =
        &["INC-01", "INC-06", "INC-13", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = AssessImpactBody;

    fn parse(body: AssessImpactBody, wrong: &mut WrongFields) -> Option<Self> {
        let incident_id = wrong.required("/incident_id", body.incident_id);
        let impact_assessment = wrong.required("/impact_assessment", body.impact_assessment);
        let root_cause = wrong.optional("/root_cause", body.root_cause);
        let incident_type = wrong.optional("/incident_type", body.incident_type);
        let severity_level = wrong.optional("/severity_level", body.severity_level);
        let attack_vector = wrong.optional("/attack_vector", body.attack_vector);
        let user = incidents::principal(body.user, "/user", wrong);
        let threat_intelligence =
            incidents::object(body.threat_intelligence, "/threat_intelligence", wrong);
        Some(Self {
            incident_id: incident_id?,
            impact_assessment: impact_assessment?,
            root_cause: root_cause?,
            incident_type: incident_type?,
            severity_level: severity_level?,
            attack_vector: attack_vector?,
            user: user?,
            threat_intelligence: threat_intelligence?,
        })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(incidents::queue(self.incident_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let by = decision.actor()?;
        if let Some(user) = self.user {
            incidents::require_principal(decision, user).await?;
        }
        let id = self.incident_id;
        let assess = Assess {
            impact_assessment: incidents::evidence(id, self.impact_assessment.clone()),
            root_cause: self.root_cause.clone().map(|text| incidents::evidence(id, text)),
            incident_type: self.incident_type,
            severity: self.severity_level,
            attack_vector: self.attack_vector,
            user: self.user,
            threat_intelligence: self
                .threat_intelligence
                .clone()
                .map(|it| incidents::evidence(id, it)),
            by,
        };
        incidents::decide(decision, id, IncidentCommand::AssessImpact(Box::new(assess))).await
    }

    fn example() -> Value {
        json!({"incident_id": "01970000-0000-7000-8000-000000000001", "impact_assessment": "Nobody got in.", "severity_level": "LOW"})
    }
}
