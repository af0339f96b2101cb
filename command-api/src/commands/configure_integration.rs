//! `configure-integration`: gives an integration another address or other settings.

use agora_domain::{
    ids::IntegrationId,
    site::{
        integration::{ConfigureIntegration as Configure, Integration, IntegrationCommand},
        integration_values::{ConfigJson, ProviderUrl},
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

/// Changes an integration.
pub struct ConfigureIntegration {
    integration_id: IntegrationId,
    provider_url: Option<Option<ProviderUrl>>,
    config_json: Option<ConfigJson>,
}

/// The body of `configure-integration`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigureIntegrationBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    integration_id: Field<IntegrationId>,
    /// Stays as it is where it is absent; null takes it away.
    #[schema(value_type = Option<String>, min_length = 11, max_length = 80_000)]
    #[serde(default)]
    provider_url: Field<ProviderUrl>,
    /// All of the settings, in the place of those before; they stay where it is absent.
    #[schema(value_type = Option<String>, min_length = 2, max_length = 65_536)]
    #[serde(default)]
    config_json: Field<ConfigJson>,
}

impl Command for ConfigureIntegration {
    const NAME: &'static str = "configure-integration";
    const SUMMARY: &'static str = "Change an integration's address or settings";
    const RULES: &'static [&'static str] = &["INT-03", "INT-06", "REL-10", "ESX-03", "ESX-04"];
    type Body = ConfigureIntegrationBody;

    fn parse(body: ConfigureIntegrationBody, wrong: &mut WrongFields) -> Option<Self> {
        let integration_id = wrong.required("/integration_id", body.integration_id);
        let provider_url = wrong.change("/provider_url", body.provider_url);
        let config_json = wrong.optional("/config_json", body.config_json);
        Some(Self {
            integration_id: integration_id?,
            provider_url: provider_url?,
            config_json: config_json?,
        })
    }

    async fn prepare(&mut self, _: &App, _: &Caller) -> Result<(), Problem> {
        match &self.provider_url {
            Some(Some(url)) => provider::check(url).await,
            _ => Ok(()),
        }
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        if let Some(Some(url)) = &self.provider_url {
            provider::fits(decision, url).await?;
        }
        let id = self.integration_id;
        let integration = decision.load::<Integration>(id.to_string()).await?;
        let configure = Configure {
            provider_url: self.provider_url.clone(),
            config: self.config_json.as_ref().map(|config| provider::sealed(id, config)),
            actor: decision.actor()?,
        };
        decision.decide_on_target(&integration, IntegrationCommand::Configure(configure)).await?;
        Ok(Done::of::<Integration>(id))
    }

    fn example() -> Value {
        json!({
            "integration_id": "01970000-0000-7000-8000-000000000001",
            "provider_url": "https://oauth.example.com/v3",
            "config_json": "{\"client_id\":\"agora\",\"client_secret\":\"…\"}",
        })
    }
}
