//! `remove-configuration`: takes a key out of the configuration.

use agora_domain::site::configuration::{
    Configuration, ConfigurationCommand, ConfigurationKey, RemoveConfiguration as Remove,
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

/// Removes a key.
pub struct RemoveConfiguration {
    key: ConfigurationKey,
}

/// The body of `remove-configuration`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveConfigurationBody {
    #[schema(value_type = String, required, example = "max_post_length", min_length = 1, max_length = 64,
             pattern = "^[a-z0-9_.]+$")]
    #[serde(default)]
    key: Field<ConfigurationKey>,
}

impl Command for RemoveConfiguration {
    const NAME: &'static str = "remove-configuration";
    const SUMMARY: &'static str = "Remove a configuration key; the default holds again";
    const RULES: &'static [&'static str] = &["CFG-01", "ESX-03", "ESX-04"];
    type Body = RemoveConfigurationBody;

    fn parse(body: RemoveConfigurationBody, wrong: &mut WrongFields) -> Option<Self> {
        let key = wrong.required("/key", body.key);
        Some(Self { key: key? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let configuration = decision.load::<Configuration>(self.key.as_str()).await?;
        let actor = decision.actor()?;
        let command = ConfigurationCommand::Remove(Remove { key: self.key.clone(), actor });
        decision.decide_on_target(&configuration, command).await?;
        Ok(Done::of::<Configuration>(self.key.as_str()))
    }

    fn example() -> Value {
        json!({ "key": "max_post_length" })
    }
}
