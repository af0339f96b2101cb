//! `withdraw-consent`: one step, no reason needed, and it counts at once (CON-09).

use agora_domain::{
    PersonalCategory,
    compliance::{
        consent::{Consent, ConsentCommand, WithdrawConsent as Withdraw},
        consent_values::{ConsentTerm, ConsentType},
    },
    values::WithdrawalReason,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command, consents,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::CommandError,
};

/// Withdraws a consent.
pub struct WithdrawConsent {
    consent_type: ConsentType,
    purpose: ConsentTerm,
    reason: Option<WithdrawalReason>,
}

/// The body of `withdraw-consent`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawConsentBody {
    #[schema(value_type = String, required,
             pattern = "^(DATA_PROCESSING|MARKETING|ANALYTICS|COOKIES)$")]
    #[serde(default)]
    consent_type: Field<ConsentType>,
    /// The purpose, as `processing_purposes` named it.
    #[schema(value_type = consents::TermSchema, required)]
    #[serde(default)]
    purpose: Field<ConsentTerm>,
    /// Nobody has to say why.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1_000)]
    #[serde(default)]
    reason: Field<WithdrawalReason>,
}

impl Command for WithdrawConsent {
    const NAME: &'static str = "withdraw-consent";
    const SUMMARY: &'static str = "Withdraw a consent of one's own: one step, no reason needed";
    const RULES: &'static [&'static str] =
        &["CON-01", "CON-02", "CON-04", "CON-06", "CON-09", "ADM-07", "ESX-03", "ESX-04"];
    type Body = WithdrawConsentBody;

    fn parse(body: WithdrawConsentBody, wrong: &mut WrongFields) -> Option<Self> {
        let consent_type = wrong.required("/consent_type", body.consent_type);
        let purpose = wrong.required("/purpose", body.purpose);
        let reason = wrong.optional("/reason", body.reason);
        Some(Self { consent_type: consent_type?, purpose: purpose?, reason: reason? })
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        Some(Consent::stream_id(caller.actor()?, self.consent_type, &self.purpose))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let principal = consents::person(decision)?;
        let id = Consent::stream_id(principal, self.consent_type, &self.purpose);
        let consent = decision.load::<Consent>(&id).await?;
        let evidence = PersonalCategory::Evidence;
        let reason =
            self.reason.clone().map(|reason| decision.personal(principal, evidence, reason));
        let withdraw = ConsentCommand::Withdraw(Withdraw { reason, now: decision.now });
        consents::answer(decision, &consent, withdraw).await
    }

    fn example() -> Value {
        json!({ "consent_type": "ANALYTICS", "purpose": "search_analytics" })
    }
}
