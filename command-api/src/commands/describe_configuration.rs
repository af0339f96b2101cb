//! `describe-configuration`: says what a key of the configuration is for.

use agora_domain::{
    refusal::RuleBreak,
    site::configuration::{
        Configuration, ConfigurationCommand, ConfigurationKey, DescribeConfiguration as Describe,
    },
    values::ConfigurationDescription,
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

/// Describes a key.
pub struct DescribeConfiguration {
    key: ConfigurationKey,
    description: Option<ConfigurationDescription>,
}

/// The body of `describe-configuration`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribeConfigurationBody {
    #[schema(value_type = String, required, example = "max_post_length", min_length = 1, max_length = 64,
             pattern = "^[a-z0-9_.]+$")]
    #[serde(default)]
    key: Field<ConfigurationKey>,
    /// Null takes the description away.
    #[schema(value_type = Option<String>, required, max_length = 200)]
    #[serde(default)]
    description: Field<ConfigurationDescription>,
}

impl Command for DescribeConfiguration {
    const NAME: &'static str = "describe-configuration";
    const SUMMARY: &'static str = "Say what a configuration key is for";
    const RULES: &'static [&'static str] =
        &["CFG-01", "CFG-02", "CFG-04", "REL-10", "ESX-03", "ESX-04"];
    type Body = DescribeConfigurationBody;

    fn parse(body: DescribeConfigurationBody, wrong: &mut WrongFields) -> Option<Self> {
        let key = wrong.required("/key", body.key);
        let description = match wrong.change("/description", body.description)? {
            Some(change) => change,
            None => wrong.note("/description", &RuleBreak::malformed("is required"))?,
        };
        Some(Self { key: key?, description })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let configuration = decision.load::<Configuration>(self.key.as_str()).await?;
        let command = ConfigurationCommand::Describe(Describe {
            key: self.key.clone(),
            description: self.description.clone(),
            actor: decision.actor()?,
        });
        decision.decide_on_target(&configuration, command).await?;
        Ok(Done::of::<Configuration>(self.key.as_str()))
    }

    fn example() -> Value {
        json!({ "key": "max_post_length", "description": "Shorter posts are read more." })
    }
}
