//! `withdraw-restriction`: somebody lets its data be processed again (Art. 18 GDPR).

use agora_domain::compliance::processing_limit::{ProcessingLimit, ProcessingLimitCommand};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command, consents,
    decision::{Decision, Done},
    execute::Caller,
    fields::WrongFields,
    limits,
    refusal::CommandError,
};

/// Ends a restriction of one's own.
pub struct WithdrawRestriction;

/// The body of `withdraw-restriction`: there is nothing to say.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawRestrictionBody {}

impl Command for WithdrawRestriction {
    const NAME: &'static str = "withdraw-restriction";
    const SUMMARY: &'static str = "End the restriction of the processing of one's own data";
    const RULES: &'static [&'static str] = &["LAW-05", "CON-02", "ADM-07", "ESX-03", "ESX-04"];
    type Body = WithdrawRestrictionBody;

    fn parse(_: WithdrawRestrictionBody, _: &mut WrongFields) -> Option<Self> {
        Some(Self)
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        caller.actor().map(ProcessingLimit::restriction_stream_id)
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let principal = consents::person(decision)?;
        let id = ProcessingLimit::restriction_stream_id(principal);
        let limit = decision.load::<ProcessingLimit>(&id).await?;
        let withdraw = ProcessingLimitCommand::WithdrawRestriction { now: decision.now };
        limits::set(decision, &limit, withdraw).await
    }

    fn example() -> Value {
        json!({})
    }
}
