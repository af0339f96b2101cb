//! `disable-integration`: an integration rests until it is enabled again.

use agora_domain::{ids::IntegrationId, site::integration::IntegrationCommand};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    integrations,
    refusal::CommandError,
};

/// Disables an integration.
pub struct DisableIntegration {
    integration_id: IntegrationId,
}

/// The body of `disable-integration`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisableIntegrationBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    integration_id: Field<IntegrationId>,
}

impl Command for DisableIntegration {
    const NAME: &'static str = "disable-integration";
    const SUMMARY: &'static str = "Disable an integration";
    const RULES: &'static [&'static str] = &["INT-07", "REL-10", "ESX-03", "ESX-04"];
    type Body = DisableIntegrationBody;

    fn parse(body: DisableIntegrationBody, wrong: &mut WrongFields) -> Option<Self> {
        let integration_id = wrong.required("/integration_id", body.integration_id);
        Some(Self { integration_id: integration_id? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let command = |actor| IntegrationCommand::Disable { actor };
        integrations::change(decision, self.integration_id, command).await
    }

    fn example() -> Value {
        json!({ "integration_id": "01970000-0000-7000-8000-000000000001" })
    }
}
