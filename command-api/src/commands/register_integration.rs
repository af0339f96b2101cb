//! `register-integration`: makes an outside service known; it is enabled by a command of its own.

use agora_domain::{
    ids::IntegrationId,
    site::{
        integration::{Integration, IntegrationCommand, RegisterIntegration as Register},
        integration_values::{ConfigJson, IntegrationName, ProviderUrl},
    },
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
    provider,
    refusal::CommandError,
};

/// The scope of claims under which integrations' names stand, folded.
pub const INTEGRATION_NAME: &str = "integration_name";

/// Registers an integration.
pub struct RegisterIntegration {
    name: IntegrationName,
    provider_url: Option<ProviderUrl>,
    config_json: ConfigJson,
}

/// The body of `register-integration`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterIntegrationBody {
    /// Unique up to case; it never changes.
    #[schema(value_type = String, required, min_length = 1, max_length = 64,
             pattern = "^[A-Za-z0-9_.-]+$")]
    #[serde(default)]
    integration_name: Field<IntegrationName>,
    /// An https address on the public internet, without credentials.
    #[schema(value_type = Option<String>, min_length = 11, max_length = 80_000)]
    #[serde(default)]
    provider_url: Field<ProviderUrl>,
    /// A JSON object, as text, of at most 64 KiB. It is stored sealed and never shown again: reads
    /// give the names of its fields only.
    #[schema(value_type = String, required, min_length = 2, max_length = 65_536)]
    #[serde(default)]
    config_json: Field<ConfigJson>,
}

impl Command for RegisterIntegration {
    const NAME: &'static str = "register-integration";
    const SUMMARY: &'static str = "Register an integration with an outside service";
    const RULES: &'static [&'static str] = &["INT-01", "INT-03", "INT-06", "ESX-04"];
    type Body = RegisterIntegrationBody;

    fn parse(body: RegisterIntegrationBody, wrong: &mut WrongFields) -> Option<Self> {
        let name = wrong.required("/integration_name", body.integration_name);
        let provider_url = wrong.optional("/provider_url", body.provider_url);
        let config_json = wrong.required("/config_json", body.config_json);
        Some(Self { name: name?, provider_url: provider_url?, config_json: config_json? })
    }

    async fn prepare(&mut self, _: &App, _: &Caller) -> Result<(), Problem> {
        match &self.provider_url {
            Some(url) => provider::check(url).await,
            None => Ok(()),
        }
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        if let Some(url) = &self.provider_url {
            provider::fits(decision, url).await?;
        }
        let integration_id: IntegrationId = decision.new_id();
        let register = Register {
            integration_id,
            name: self.name.clone(),
            provider_url: self.provider_url.clone(),
            config: provider::sealed(integration_id, &self.config_json),
            actor: decision.actor()?,
        };
        let integration = decision.begin::<Integration>(integration_id);
        decision.decide_on_target(&integration, IntegrationCommand::Register(register)).await?;
        decision.take(INTEGRATION_NAME, self.name.folded(), integration_id);
        Ok(Done::of::<Integration>(integration_id))
    }

    fn example() -> Value {
        json!({
            "integration_name": "GoogleOAuth",
            "provider_url": "https://oauth.example.com/v2",
            "config_json": "{\"client_id\":\"agora\",\"client_secret\":\"…\"}",
        })
    }
}
