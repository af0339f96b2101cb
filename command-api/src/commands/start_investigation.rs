//! `start-investigation`: somebody looks into an incident.

use agora_domain::{ids::IncidentId, security::incident::IncidentCommand};
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

/// Begins.
pub struct StartInvestigation {
    incident_id: IncidentId,
}

/// The body of `start-investigation`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartInvestigationBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    incident_id: Field<IncidentId>,
}

impl Command for StartInvestigation {
    const NAME: &'static str = "start-investigation";
    const SUMMARY: &'static str = "Begin to investigate an incident";
    const RULES: &'static [&'static str] = &["INC-06", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = StartInvestigationBody;

    fn parse(body: StartInvestigationBody, wrong: &mut WrongFields) -> Option<Self> {
        let incident_id = wrong.required("/incident_id", body.incident_id);
        Some(Self { incident_id: incident_id? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(incidents::queue(self.incident_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let by = decision.actor()?;
        let start = IncidentCommand::StartInvestigation { by };
        incidents::decide(decision, self.incident_id, start).await
    }

    fn example() -> Value {
        json!({"incident_id": "01970000-0000-7000-8000-000000000001"})
    }
}
