//! `remove-integration`: an integration is there no longer, and its name is free.

use agora_domain::{ids::IntegrationId, site::integration::IntegrationCommand};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::register_integration::INTEGRATION_NAME;
use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    integrations,
    refusal::CommandError,
};

/// Removes an integration.
pub struct RemoveIntegration {
    integration_id: IntegrationId,
}

/// The body of `remove-integration`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveIntegrationBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    integration_id: Field<IntegrationId>,
}

impl Command for RemoveIntegration {
    const NAME: &'static str = "remove-integration";
    const SUMMARY: &'static str = "Remove an integration; its name is free again";
    const RULES: &'static [&'static str] = &["REL-10", "ESX-03", "ESX-04"];
    type Body = RemoveIntegrationBody;

    fn parse(body: RemoveIntegrationBody, wrong: &mut WrongFields) -> Option<Self> {
        let integration_id = wrong.required("/integration_id", body.integration_id);
        Some(Self { integration_id: integration_id? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let command = |actor| IntegrationCommand::Remove { actor };
        let removed = integrations::change(decision, self.integration_id, command).await?;
        decision.release(INTEGRATION_NAME, self.integration_id);
        Ok(removed)
    }

    fn example() -> Value {
        json!({ "integration_id": "01970000-0000-7000-8000-000000000001" })
    }
}
