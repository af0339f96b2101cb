//! `enable-integration`: an integration works from here on.

use agora_domain::{
    ids::IntegrationId,
    site::integration::{Integration, IntegrationCommand},
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    App, Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    integrations, provider,
    refusal::{CommandError, at_once},
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
    const RULES: &'static [&'static str] = &["INT-06", "INT-07", "REL-10", "ESX-03", "ESX-04"];
    type Body = EnableIntegrationBody;

    fn parse(body: EnableIntegrationBody, wrong: &mut WrongFields) -> Option<Self> {
        let integration_id = wrong.required("/integration_id", body.integration_id);
        Some(Self { integration_id: integration_id? })
    }

    /// What the name stands for may have changed since it was configured (INT-06).
    async fn prepare(&mut self, app: &App, _: &Caller) -> Result<(), Problem> {
        let id = self.integration_id.to_string();
        let integration = app.log.load::<Integration>(&id).await;
        let integration = integration.map_err(|error| at_once(error.into()))?;
        match integration.state.provider_url() {
            Some(url) => provider::check(url).await,
            None => Ok(()),
        }
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let command = |actor| IntegrationCommand::Enable { actor };
        integrations::change(decision, self.integration_id, command).await
    }

    fn example() -> Value {
        json!({ "integration_id": "01970000-0000-7000-8000-000000000001" })
    }
}
