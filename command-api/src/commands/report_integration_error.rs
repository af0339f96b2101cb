//! `report-integration-error`: an integration does not work; somebody has to enable it again.

use agora_domain::{
    PersonalCategory,
    ids::IntegrationId,
    site::integration::{Integration, IntegrationCommand, ReportIntegrationError as Report},
    values::IntegrationProblem,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    refusal::CommandError,
};

/// Reports that an integration fails.
pub struct ReportIntegrationError {
    integration_id: IntegrationId,
    problem: Option<IntegrationProblem>,
}

/// The body of `report-integration-error`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportIntegrationErrorBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    integration_id: Field<IntegrationId>,
    /// What it fails with. No secret belongs here: whoever sees the integration's health reads it.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    #[serde(default)]
    problem: Field<IntegrationProblem>,
}

impl Command for ReportIntegrationError {
    const NAME: &'static str = "report-integration-error";
    const SUMMARY: &'static str = "Report that an integration does not work";
    const RULES: &'static [&'static str] = &["INT-07", "REL-10", "ESX-03", "ESX-04"];
    type Body = ReportIntegrationErrorBody;

    fn parse(body: ReportIntegrationErrorBody, wrong: &mut WrongFields) -> Option<Self> {
        let integration_id = wrong.required("/integration_id", body.integration_id);
        let problem = wrong.optional("/problem", body.problem);
        Some(Self { integration_id: integration_id?, problem: problem? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let id = self.integration_id;
        let integration = decision.load::<Integration>(id.to_string()).await?;
        let content = PersonalCategory::Content;
        let report = Report {
            problem: self.problem.clone().map(|problem| decision.about(id.0, content, problem)),
            actor: decision.actor()?,
        };
        decision.decide_on_target(&integration, IntegrationCommand::ReportError(report)).await?;
        Ok(Done::of::<Integration>(id))
    }

    fn example() -> Value {
        json!({
            "integration_id": "01970000-0000-7000-8000-000000000001",
            "problem": "The provider answers 401.",
        })
    }
}
