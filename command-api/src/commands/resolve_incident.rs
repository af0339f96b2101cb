//! `resolve-incident`: an incident is over.

use agora_domain::{
    ids::IncidentId,
    security::incident::{IncidentCommand, ResolveIncident as Resolve},
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
    incidents::{self, OPEN_INCIDENT},
    refusal::CommandError,
};

/// Resolves.
pub struct ResolveIncident {
    incident_id: IncidentId,
    root_cause: Option<IncidentText>,
    lessons_learned: Option<IncidentText>,
}

/// The body of `resolve-incident`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveIncidentBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    incident_id: Field<IncidentId>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    root_cause: Field<IncidentText>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    lessons_learned: Field<IncidentText>,
}

impl Command for ResolveIncident {
    const NAME: &'static str = "resolve-incident";
    const SUMMARY: &'static str = "Resolve an incident that was investigated";
    const RULES: &'static [&'static str] =
        &["INC-06", "INC-08", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = ResolveIncidentBody;

    fn parse(body: ResolveIncidentBody, wrong: &mut WrongFields) -> Option<Self> {
        let incident_id = wrong.required("/incident_id", body.incident_id);
        let root_cause = wrong.optional("/root_cause", body.root_cause);
        let lessons_learned = wrong.optional("/lessons_learned", body.lessons_learned);
        Some(Self {
            incident_id: incident_id?,
            root_cause: root_cause?,
            lessons_learned: lessons_learned?,
        })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(incidents::queue(self.incident_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let text = |text: &Option<IncidentText>| {
            text.clone().map(|text| incidents::evidence(self.incident_id, text))
        };
        let resolve = Resolve {
            root_cause: text(&self.root_cause),
            lessons_learned: text(&self.lessons_learned),
            by: decision.actor()?,
        };
        decision.release(OPEN_INCIDENT, self.incident_id);
        incidents::decide(decision, self.incident_id, IncidentCommand::Resolve(resolve)).await
    }

    fn example() -> Value {
        json!({"incident_id": "01970000-0000-7000-8000-000000000001", "root_cause": "A leaked list of passwords.", "lessons_learned": "Ask for a second factor."})
    }
}
