//! `assign-incident`: somebody is to deal with an incident.

use agora_domain::{
    Actor,
    identity::admin::Admin,
    ids::{AdminId, IncidentId},
    security::incident::IncidentCommand,
};
use agora_service::problem::Problem;
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

/// Assigns.
pub struct AssignIncident {
    incident_id: IncidentId,
    assigned_to: AdminId,
}

/// The body of `assign-incident`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignIncidentBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    incident_id: Field<IncidentId>,
    /// An active admin.
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    assigned_to: Field<AdminId>,
}

impl Command for AssignIncident {
    const NAME: &'static str = "assign-incident";
    const SUMMARY: &'static str = "Give an incident to an admin";
    const RULES: &'static [&'static str] =
        &["INC-06", "INC-13", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = AssignIncidentBody;

    fn parse(body: AssignIncidentBody, wrong: &mut WrongFields) -> Option<Self> {
        let incident_id = wrong.required("/incident_id", body.incident_id);
        let assigned_to = wrong.required("/assigned_to", body.assigned_to);
        Some(Self { incident_id: incident_id?, assigned_to: assigned_to? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(incidents::queue(self.incident_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let by = decision.actor()?;
        // Of what is not there, nothing else is said.
        incidents::load(decision, self.incident_id).await?;
        let admin = decision.load::<Admin>(self.assigned_to.to_string()).await?;
        if !admin.state.is_active() {
            let detail = "There is no such admin, or not any more.";
            return Err(Problem::rule_broken("INC-13", detail).into());
        }
        let assign = IncidentCommand::Assign { to: Actor::admin(self.assigned_to), by };
        incidents::decide(decision, self.incident_id, assign).await
    }

    fn example() -> Value {
        json!({"incident_id": "01970000-0000-7000-8000-000000000001", "assigned_to": "01970000-0000-7000-8000-000000000002"})
    }
}
