//! `deny-consent`: somebody says no to one purpose.

use agora_domain::{
    compliance::consent::{AnswerQuestion, Consent, ConsentCommand},
    ids::ConsentId,
};
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
        let actor = caller.actor()?;
        Some(Consent::stream_id(actor, self.0.consent_type, self.0.purpose()))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let principal = consents::person(decision)?;
        let shown = consents::in_force(decision, &self.0.version).await?;
        let id = Consent::stream_id(principal, self.0.consent_type, self.0.purpose());
        let consent = decision.load::<Consent>(&id).await?;
        let consent_id: ConsentId = decision.new_id();
        let question = AnswerQuestion {
            consent_id,
            principal,
            terms: self.0.terms(principal, decision),
            shown,
            signals_opt_out: decision.caller.opts_out,
            now: decision.now,
        };
        consents::answer(decision, &consent, ConsentCommand::Deny(question)).await
    }

    fn example() -> Value {
        consents::example()
    }
}
