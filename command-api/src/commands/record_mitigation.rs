//! `record-mitigation`: what was done against an attack.

use agora_domain::{ids::IncidentId, security::incident::IncidentCommand, values::IncidentText};
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

/// Adds an entry.
pub struct RecordMitigation {
    incident_id: IncidentId,
    action: IncidentText,
}

/// The body of `record-mitigation`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordMitigationBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    incident_id: Field<IncidentId>,
    #[schema(value_type = String, required, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    action: Field<IncidentText>,
}

impl Command for RecordMitigation {
    const NAME: &'static str = "record-mitigation";
    const SUMMARY: &'static str =
        "Record what was done against an incident under investigation; entries are only added";
    const RULES: &'static [&'static str] = &["INC-06", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = RecordMitigationBody;

    fn parse(body: RecordMitigationBody, wrong: &mut WrongFields) -> Option<Self> {
        let incident_id = wrong.required("/incident_id", body.incident_id);
        let action = wrong.required("/action", body.action);
        Some(Self { incident_id: incident_id?, action: action? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(incidents::queue(self.incident_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let action = incidents::evidence(self.incident_id, self.action.clone());
        let mitigate = IncidentCommand::RecordMitigation { action, by: decision.actor()? };
        incidents::decide(decision, self.incident_id, mitigate).await
    }

    fn example() -> Value {
        json!({"incident_id": "01970000-0000-7000-8000-000000000001", "action": "Blocked the network."})
    }
}
