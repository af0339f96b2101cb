//! `escalate-incident`: an incident is more than was thought.

use agora_domain::{
    ids::IncidentId,
    security::{incident::IncidentCommand, values::Severity},
    values::IncidentText,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    incidents,
    refusal::CommandError,
};

/// Escalates.
pub struct EscalateIncident {
    incident_id: IncidentId,
    severity_level: Option<Severity>,
    reason: Option<IncidentText>,
}

/// The body of `escalate-incident`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EscalateIncidentBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    incident_id: Field<IncidentId>,
    /// As it is, where it is not said; never lower.
    #[schema(value_type = Option<String>, pattern = "^(LOW|MEDIUM|HIGH|CRITICAL)$")]
    #[serde(default)]
    severity_level: Field<Severity>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    reason: Field<IncidentText>,
}

impl Command for EscalateIncident {
    const NAME: &'static str = "escalate-incident";
    const SUMMARY: &'static str = "Escalate an incident, once; its severity rises or stays";
    const RULES: &'static [&'static str] =
        &["INC-06", "INC-08", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = EscalateIncidentBody;

    fn parse(body: EscalateIncidentBody, wrong: &mut WrongFields) -> Option<Self> {
        let incident_id = wrong.required("/incident_id", body.incident_id);
        let severity_level = wrong.optional("/severity_level", body.severity_level);
        let reason = wrong.optional("/reason", body.reason);
        Some(Self { incident_id: incident_id?, severity_level: severity_level?, reason: reason? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(incidents::queue(self.incident_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let reason = self.reason.clone().map(|text| incidents::evidence(self.incident_id, text));
        let (severity, by) = (self.severity_level, decision.actor()?);
        let escalate = IncidentCommand::Escalate { severity, reason, by };
        incidents::decide(decision, self.incident_id, escalate).await
    }

    fn example() -> Value {
        json!({"incident_id": "01970000-0000-7000-8000-000000000001", "severity_level": "HIGH", "reason": "It goes on."})
    }
}
