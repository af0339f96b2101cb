//! `add-forensic-data`: what an investigation found.

use agora_domain::{
    ids::IncidentId,
    security::{incident::IncidentCommand, values::JsonObject},
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

/// Adds findings.
pub struct AddForensicData {
    incident_id: IncidentId,
    forensic_data: JsonObject,
}

/// The body of `add-forensic-data`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddForensicDataBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    incident_id: Field<IncidentId>,
    #[schema(value_type = Object, required)]
    #[serde(default)]
    forensic_data: Option<Value>,
}

impl Command for AddForensicData {
    const NAME: &'static str = "add-forensic-data";
    const SUMMARY: &'static str = "Add findings to an incident; entries are only added";
    const RULES: &'static [&'static str] = &["INC-06", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = AddForensicDataBody;

    fn parse(body: AddForensicDataBody, wrong: &mut WrongFields) -> Option<Self> {
        let incident_id = wrong.required("/incident_id", body.incident_id);
        let forensic_data = incidents::required_object(body.forensic_data, "/forensic_data", wrong);
        Some(Self { incident_id: incident_id?, forensic_data: forensic_data? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(incidents::queue(self.incident_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let data = incidents::evidence(self.incident_id, self.forensic_data.clone());
        let add = IncidentCommand::AddForensicData { data, by: decision.actor()? };
        incidents::decide(decision, self.incident_id, add).await
    }

    fn example() -> Value {
        json!({"incident_id": "01970000-0000-7000-8000-000000000001", "forensic_data": {"user_agents": ["sqlmap/1.7"]}})
    }
}
