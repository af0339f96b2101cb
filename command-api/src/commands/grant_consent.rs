//! `grant-consent`: somebody says yes to one purpose.

use agora_domain::compliance::consent::ConsentCommand;
use serde_json::Value;

use crate::{
    Command,
    consents::{self, Answer, ConsentBody},
    decision::{Decision, Done},
    execute::Caller,
    fields::WrongFields,
    refusal::CommandError,
};

/// Grants a consent.
pub struct GrantConsent(Answer);

impl Command for GrantConsent {
    const NAME: &'static str = "grant-consent";
    const SUMMARY: &'static str = "Consent to one purpose; with `Sec-GPC: 1`, marketing and sharing with others are recorded as denied";
    const RULES: &'static [&'static str] = &[
        "CON-01", "CON-02", "CON-03", "CON-04", "CON-05", "CON-10", "CON-11", "CON-13", "CON-16",
        "ADM-07", "ESX-03", "ESX-04",
    ];
    type Body = ConsentBody;

    fn parse(body: ConsentBody, wrong: &mut WrongFields) -> Option<Self> {
        body.parse(wrong).map(Self)
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        consents::queue(caller, &self.0)
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        consents::respond(decision, &self.0, ConsentCommand::Grant).await
    }

    fn example() -> Value {
        consents::example()
    }
}
