//! `remove-from-whitelist`: an address is like any other again.

use agora_domain::security::{ip_address::Act, network::Network};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command, addresses,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::CommandError,
};

/// Changes what is done about an address.
pub struct RemoveFromWhitelist {
    address: Network,
}

/// The body of `remove-from-whitelist`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveFromWhitelistBody {
    /// An address, an IPv4 /24 or an IPv6 /64.
    #[schema(value_type = String, required, example = "203.0.113.9", format = "ip-network")]
    #[serde(default)]
    address: Field<Network>,
}

impl Command for RemoveFromWhitelist {
    const NAME: &'static str = "remove-from-whitelist";
    const SUMMARY: &'static str = "Take an address off the whitelist";
    const RULES: &'static [&'static str] = &["IPR-05", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = RemoveFromWhitelistBody;

    fn parse(body: RemoveFromWhitelistBody, wrong: &mut WrongFields) -> Option<Self> {
        let address = wrong.required("/address", body.address);
        Some(Self { address: address? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(addresses::queue(self.address))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        addresses::act(decision, self.address, |_| Act::RemoveFromWhitelist).await
    }

    fn example() -> Value {
        json!({"address": "203.0.113.9"})
    }
}
