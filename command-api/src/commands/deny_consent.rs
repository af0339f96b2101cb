//! `deny-consent`: somebody says no to one purpose.

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

/// Denies a consent.
pub struct DenyConsent(Answer);

impl Command for DenyConsent {
    const NAME: &'static str = "deny-consent";
    const SUMMARY: &'static str = "Say no to one purpose; a grant that holds is withdrawn by it";
    const RULES: &'static [&'static str] = &[
        "CON-01", "CON-02", "CON-03", "CON-04", "CON-05", "CON-10", "CON-11", "CON-06", "ADM-07",
        "ESX-03", "ESX-04",
    ];
    type Body = ConsentBody;

    fn parse(body: ConsentBody, wrong: &mut WrongFields) -> Option<Self> {
        body.parse(wrong).map(Self)
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        consents::queue(caller, &self.0)
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        consents::respond(decision, &self.0, ConsentCommand::Deny).await
    }

    fn example() -> Value {
        consents::example()
    }
}
