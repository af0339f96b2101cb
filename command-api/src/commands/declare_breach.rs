//! `declare-breach`: an incident is a breach of personal data.

use agora_domain::{
    exports::export_values::HappenedAt,
    ids::IncidentId,
    security::{
        breach::{Breach, BreachCommand, BreachContent, DeclareBreach as Declare},
        values::IncidentStatus,
    },
    values::IncidentText,
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, Whole, WrongFields},
    incidents,
    refusal::CommandError,
};

/// Declares a breach.
pub struct DeclareBreach {
    incident_id: IncidentId,
    aware_at: Option<HappenedAt>,
    nature: Option<IncidentText>,
    subjects_affected: Option<u64>,
    records_affected: Option<u64>,
    contact_point: Option<IncidentText>,
    likely_consequences: Option<IncidentText>,
    measures: Option<IncidentText>,
}

/// The body of `declare-breach`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclareBreachBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    incident_id: Field<IncidentId>,
    /// Since when it is known: now, where it is not said.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    aware_at: Field<HappenedAt>,
    /// What happened, to which data of whom (Art. 33(3)(a) GDPR).
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    nature: Field<IncidentText>,
    /// About how many people.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_992_i64)]
    #[serde(default)]
    subjects_affected: Field<Whole<u64>>,
    /// About how many records.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_992_i64)]
    #[serde(default)]
    records_affected: Field<Whole<u64>>,
    /// Whom to ask (b).
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    contact_point: Field<IncidentText>,
    /// What is likely to come of it (c).
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    likely_consequences: Field<IncidentText>,
    /// What was and will be done (d).
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    measures: Field<IncidentText>,
}

impl Command for DeclareBreach {
    const NAME: &'static str = "declare-breach";
    const SUMMARY: &'static str =
        "Put an incident into the register of breaches: the 72 hours run from `aware_at`";
    const RULES: &'static [&'static str] =
        &["INC-06", "INC-14", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = DeclareBreachBody;

    fn parse(body: DeclareBreachBody, wrong: &mut WrongFields) -> Option<Self> {
        let incident_id = wrong.required("/incident_id", body.incident_id);
        let aware_at = wrong.optional("/aware_at", body.aware_at);
        let nature = wrong.optional("/nature", body.nature);
        let subjects_affected = wrong
            .optional("/subjects_affected", body.subjects_affected)
            .map(|it| it.map(|count| count.0));
        let records_affected = wrong
            .optional("/records_affected", body.records_affected)
            .map(|it| it.map(|count| count.0));
        let contact_point = wrong.optional("/contact_point", body.contact_point);
        let likely_consequences = wrong.optional("/likely_consequences", body.likely_consequences);
        let measures = wrong.optional("/measures", body.measures);
        Some(Self {
            incident_id: incident_id?,
            aware_at: aware_at?,
            nature: nature?,
            subjects_affected: subjects_affected?,
            records_affected: records_affected?,
            contact_point: contact_point?,
            likely_consequences: likely_consequences?,
            measures: measures?,
        })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(incidents::queue(self.incident_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let by = decision.actor()?;
        let incident = incidents::load(decision, self.incident_id).await?;
        if incident.state.get().is_some_and(|it| it.status == IncidentStatus::FalsePositive) {
            let detail = "It was no incident, so it is no breach.";
            return Err(Problem::conflict(detail).with_rule("INC-06").into());
        }
        let text = |text: &Option<IncidentText>| {
            text.clone().map(|text| incidents::evidence(self.incident_id, text))
        };
        let content = BreachContent {
            nature: text(&self.nature),
            subjects_affected: self.subjects_affected,
            records_affected: self.records_affected,
            contact_point: text(&self.contact_point),
            likely_consequences: text(&self.likely_consequences),
            measures: text(&self.measures),
        };
        let declare = Declare {
            incident_id: self.incident_id,
            aware_at: self.aware_at.map(|at| at.0),
            content,
            now: decision.now,
            by,
        };
        let breach = decision.load::<Breach>(self.incident_id.to_string()).await?;
        decision.decide_on_target(&breach, BreachCommand::Declare(Box::new(declare))).await?;
        Ok(Done::of::<Breach>(self.incident_id))
    }

    fn example() -> Value {
        json!({"incident_id": "01970000-0000-7000-8000-000000000001", "nature": "Addresses of members leaked.", "subjects_affected": 12})
    }
}
