//! The platform's own commands about addresses, beside those of [`crate::detection`]; they have no route.

use agora_domain::{
    process_managers::ip_retention::ForgetIp,
    security::ip_address::{Act, IpAddress, IpAddressCommand},
};
use serde_json::{Value, json};

use crate::{
    Command,
    addresses::IP_ADDRESS,
    commands::register_member::RegisterMemberBody,
    decision::{Decision, Done},
    fields::WrongFields,
    refusal::CommandError,
};

impl Command for ForgetIp {
    const NAME: &'static str = "forget-ip";
    const SUMMARY: &'static str = "Forget an address that was idle for long";
    const RULES: &'static [&'static str] = &["IPR-15"];
    type Body = RegisterMemberBody;

    /// There is no route, so no body either.
    fn parse(_: RegisterMemberBody, _: &mut WrongFields) -> Option<Self> {
        None
    }

    /// Frees the way from the address to it, so that one that comes back begins anew.
    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let loaded = decision.load::<IpAddress>(self.id.to_string()).await?;
        if let Some(record) = loaded.state.get() {
            let forget = IpAddressCommand {
                id: self.id,
                address: record.address.clone(),
                is_range: record.is_range,
                is_exempt: false,
                at: decision.now,
                by: decision.actor()?,
                act: Act::Forget,
            };
            decision.decide(&loaded, forget).await?;
            if !decision.unit.events.is_empty() {
                decision.release(IP_ADDRESS, self.id);
            }
        }
        Ok(Done::of::<IpAddress>(self.id))
    }

    fn example() -> Value {
        json!({})
    }
}
