//! `set-configuration`: gives a key of the configuration a value.

use agora_domain::site::configuration::{
    Configuration, ConfigurationCommand, ConfigurationKey, ConfigurationValue,
    SetConfiguration as Set,
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

/// Sets a key.
pub struct SetConfiguration {
    key: ConfigurationKey,
    value: ConfigurationValue,
}

/// The body of `set-configuration`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetConfigurationBody {
    #[schema(value_type = String, required, example = "max_post_length", min_length = 1, max_length = 64,
             pattern = "^[a-z0-9_.]+$")]
    #[serde(default)]
    key: Field<ConfigurationKey>,
    /// Any text, kept byte for byte; of a key that the platform reads, a value of its kind.
    #[schema(value_type = String, required, example = "5000", max_length = 65_536)]
    #[serde(default)]
    value: Field<ConfigurationValue>,
}

impl Command for SetConfiguration {
    const NAME: &'static str = "set-configuration";
    const SUMMARY: &'static str = "Give a configuration key a value; it takes effect at once";
    const RULES: &'static [&'static str] =
        &["CFG-01", "CFG-03", "CFG-04", "CFG-05", "CFG-07", "CFG-08", "ESX-03", "ESX-04"];
    type Body = SetConfigurationBody;

    fn parse(body: SetConfigurationBody, wrong: &mut WrongFields) -> Option<Self> {
        let key = wrong.required("/key", body.key);
        let value = wrong.required("/value", body.value);
        Some(Self { key: key?, value: value? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let configuration = decision.load::<Configuration>(self.key.as_str()).await?;
        let command = ConfigurationCommand::Set(Set {
            new_id: decision.new_id(),
            key: self.key.clone(),
            value: self.value.clone(),
            actor: decision.actor()?,
        });
        decision.decide_on_target(&configuration, command).await?;
        Ok(Done::of::<Configuration>(self.key.as_str()))
    }

    fn example() -> Value {
        json!({ "key": "max_post_length", "value": "5000" })
    }
}
