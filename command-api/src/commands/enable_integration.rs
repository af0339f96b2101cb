//! `enable-integration`: an integration works from here on.

use agora_domain::{
    ids::IntegrationId,
    site::integration::{Integration, IntegrationCommand},
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

/// Enables an integration.
pub struct EnableIntegration {
    integration_id: IntegrationId,
}

/// The body of `enable-integration`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnableIntegrationBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    integration_id: Field<IntegrationId>,
}

impl Command for EnableIntegration {
    const NAME: &'static str = "enable-integration";
    const SUMMARY: &'static str = "Enable an integration";
    const RULES: &'static [&'static str] = &["INT-07", "REL-10", "ESX-03", "ESX-04"];
    type Body = EnableIntegrationBody;

    fn parse(body: EnableIntegrationBody, wrong: &mut WrongFields) -> Option<Self> {
        let integration_id = wrong.required("/integration_id", body.integration_id);
        Some(Self { integration_id: integration_id? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let integration = decision.load::<Integration>(self.integration_id.to_string()).await?;
        let command = IntegrationCommand::Enable { actor: decision.actor()? };
        decision.decide_on_target(&integration, command).await?;
        Ok(Done::of::<Integration>(self.integration_id))
    }

    fn example() -> Value {
        json!({ "integration_id": "01970000-0000-7000-8000-000000000001" })
    }
}
