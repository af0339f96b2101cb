//! `blacklist-ip`: an address is refused.

use agora_domain::{
    exports::export_values::HappenedAt,
    security::{ip_address::Act, network::Network},
    values::Reason,
};
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

/// Lists an address.
pub struct BlacklistIp {
    address: Network,
    until: Option<HappenedAt>,
    reason: Option<Reason>,
}

/// The body of `blacklist-ip`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BlacklistIpBody {
    /// An address, an IPv4 /24 or an IPv6 /64.
    #[schema(value_type = String, required, example = "203.0.113.9", format = "ip-network")]
    #[serde(default)]
    address: Field<Network>,
    /// Until when; for good, where it is not said.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    until: Field<HappenedAt>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    reason: Field<Reason>,
}

impl Command for BlacklistIp {
    const NAME: &'static str = "blacklist-ip";
    const SUMMARY: &'static str =
        "Put an address on the blacklist: nothing of it is served from within a second on";
    const RULES: &'static [&'static str] =
        &["IPR-10", "IPR-11", "IPR-08", "IPR-05", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = BlacklistIpBody;

    fn parse(body: BlacklistIpBody, wrong: &mut WrongFields) -> Option<Self> {
        let address = wrong.required("/address", body.address);
        let until = wrong.optional("/until", body.until);
        let reason = wrong.optional("/reason", body.reason);
        Some(Self { address: address?, until: until?, reason: reason? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(addresses::queue(self.address))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let until = self.until.map(|at| at.0);
        addresses::act(decision, self.address, |id| {
            let reason = self.reason.clone().map(|reason| addresses::personal(id, reason));
            Act::Blacklist { until, reason }
        })
        .await
    }

    fn example() -> Value {
        json!({"address": "203.0.113.9", "until": null, "reason": "Seen in the logs."})
    }
}
