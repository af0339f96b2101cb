//! `annotate-ip`: what somebody knows of an address.

use agora_domain::{
    security::{ip_address::Act, network::Network},
    values::AddressNotes,
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

/// Notes it.
pub struct AnnotateIp {
    address: Network,
    notes: Option<AddressNotes>,
}

/// The body of `annotate-ip`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnnotateIpBody {
    /// An address, an IPv4 /24 or an IPv6 /64.
    #[schema(value_type = String, required, example = "203.0.113.9", format = "ip-network")]
    #[serde(default)]
    address: Field<Network>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    notes: Field<AddressNotes>,
}

impl Command for AnnotateIp {
    const NAME: &'static str = "annotate-ip";
    const SUMMARY: &'static str = "Note something about an address; null takes the notes away";
    const RULES: &'static [&'static str] = &["IPR-05", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = AnnotateIpBody;

    fn parse(body: AnnotateIpBody, wrong: &mut WrongFields) -> Option<Self> {
        let address = wrong.required("/address", body.address);
        let notes = wrong.optional("/notes", body.notes);
        Some(Self { address: address?, notes: notes? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(addresses::queue(self.address))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        addresses::act(decision, self.address, |id| {
            let notes = self.notes.clone().map(|notes| addresses::personal(id, notes));
            Act::Annotate { notes }
        })
        .await
    }

    fn example() -> Value {
        json!({"address": "203.0.113.9", "notes": "Our own office."})
    }
}
