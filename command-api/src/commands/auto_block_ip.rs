//! `auto-block-ip`: an address is blocked for a while.

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
pub struct AutoBlockIp {
    address: Network,
}

impl AutoBlockIp {
    /// As detection sends it.
    pub fn new(address: Network) -> Self {
        Self { address }
    }
}

/// The body of `auto-block-ip`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AutoBlockIpBody {
    /// An address, an IPv4 /24 or an IPv6 /64.
    #[schema(value_type = String, required, example = "203.0.113.9", format = "ip-network")]
    #[serde(default)]
    address: Field<Network>,
}

impl Command for AutoBlockIp {
    const NAME: &'static str = "auto-block-ip";
    const SUMMARY: &'static str =
        "Block an address as detection does: for a while, longer each time";
    const RULES: &'static [&'static str] =
        &["IPR-08", "IPR-10", "IPR-12", "IPR-05", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = AutoBlockIpBody;

    fn parse(body: AutoBlockIpBody, wrong: &mut WrongFields) -> Option<Self> {
        let address = wrong.required("/address", body.address);
        Some(Self { address: address? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(addresses::queue(self.address))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        addresses::act(decision, self.address, |_| Act::AutoBlock).await
    }

    fn example() -> Value {
        json!({"address": "203.0.113.9"})
    }
}
