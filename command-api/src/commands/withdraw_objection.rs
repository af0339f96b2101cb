//! `withdraw-objection`: somebody takes its objection to a purpose back (Art. 21 GDPR).

use agora_domain::compliance::{
    consent_values::{ConsentTerm, ConsentType},
    processing_limit::{ProcessingLimit, ProcessingLimitCommand},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command, consents,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    limits,
    refusal::CommandError,
};

/// Takes an objection back.
pub struct WithdrawObjection {
    consent_type: ConsentType,
    purpose: ConsentTerm,
}

/// The body of `withdraw-objection`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawObjectionBody {
    #[schema(value_type = String, required,
             pattern = "^(DATA_PROCESSING|MARKETING|ANALYTICS|COOKIES)$")]
    #[serde(default)]
    consent_type: Field<ConsentType>,
    #[schema(value_type = consents::TermSchema, required)]
    #[serde(default)]
    purpose: Field<ConsentTerm>,
}

impl Command for WithdrawObjection {
    const NAME: &'static str = "withdraw-objection";
    const SUMMARY: &'static str = "Take an objection of one's own back";
    const RULES: &'static [&'static str] =
        &["LAW-06", "CON-01", "CON-02", "CON-04", "ADM-07", "ESX-03", "ESX-04"];
    type Body = WithdrawObjectionBody;

    fn parse(body: WithdrawObjectionBody, wrong: &mut WrongFields) -> Option<Self> {
        let consent_type = wrong.required("/consent_type", body.consent_type);
        let purpose = wrong.required("/purpose", body.purpose);
        Some(Self { consent_type: consent_type?, purpose: purpose? })
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        let actor = caller.actor()?;
        Some(ProcessingLimit::objection_stream_id(actor, self.consent_type, &self.purpose))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let principal = consents::person(decision)?;
        let id = ProcessingLimit::objection_stream_id(principal, self.consent_type, &self.purpose);
        let limit = decision.load::<ProcessingLimit>(&id).await?;
        let withdraw = ProcessingLimitCommand::WithdrawObjection { now: decision.now };
        limits::set(decision, &limit, withdraw).await
    }

    fn example() -> Value {
        json!({ "consent_type": "ANALYTICS", "purpose": "ranking_research" })
    }
}
