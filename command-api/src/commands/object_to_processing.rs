//! `object-to-processing`: somebody objects to what is done with its data for one purpose (Art. 21 GDPR).

use agora_domain::{
    compliance::{
        consent::Consent,
        consent_values::{ConsentStatus, ConsentTerm, ConsentType},
        processing_limit::{ObjectToProcessing as Object, ProcessingLimit, ProcessingLimitCommand},
    },
    values::LimitReason,
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

/// Objects to one purpose.
pub struct ObjectToProcessing {
    consent_type: ConsentType,
    purpose: ConsentTerm,
    reason: Option<LimitReason>,
}

/// The body of `object-to-processing`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectToProcessingBody {
    #[schema(value_type = String, required,
             pattern = "^(DATA_PROCESSING|MARKETING|ANALYTICS|COOKIES)$")]
    #[serde(default)]
    consent_type: Field<ConsentType>,
    /// The purpose, as it is named where the gate is asked.
    #[schema(value_type = consents::TermSchema, required)]
    #[serde(default)]
    purpose: Field<ConsentTerm>,
    /// Nobody has to say why.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1_000)]
    #[serde(default)]
    reason: Field<LimitReason>,
}

impl Command for ObjectToProcessing {
    const NAME: &'static str = "object-to-processing";
    const SUMMARY: &'static str = "Object to the processing of one's data for a purpose that rests on legitimate interests, or to any marketing: it counts at once";
    const RULES: &'static [&'static str] =
        &["LAW-06", "CON-01", "CON-02", "CON-04", "ADM-07", "ESX-03", "ESX-04"];
    type Body = ObjectToProcessingBody;

    fn parse(body: ObjectToProcessingBody, wrong: &mut WrongFields) -> Option<Self> {
        let consent_type = wrong.required("/consent_type", body.consent_type);
        let purpose = wrong.required("/purpose", body.purpose);
        let reason = wrong.optional("/reason", body.reason);
        Some(Self { consent_type: consent_type?, purpose: purpose?, reason: reason? })
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        let actor = caller.actor()?;
        Some(ProcessingLimit::objection_stream_id(actor, self.consent_type, &self.purpose))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let principal = consents::person(decision)?;
        let id = Consent::stream_id(principal, self.consent_type, &self.purpose);
        let consent = decision.load::<Consent>(&id).await?;
        let holds = |status| status == ConsentStatus::Granted;
        let basis = consent.state.record().filter(|record| holds(record.status_at(decision.now)));
        let basis = basis.map(|record| record.terms.legal_basis);
        let id = ProcessingLimit::objection_stream_id(principal, self.consent_type, &self.purpose);
        let limit = decision.load::<ProcessingLimit>(&id).await?;
        let object = ProcessingLimitCommand::Object(Object {
            limit_id: decision.new_id(),
            principal,
            consent_type: self.consent_type,
            purpose: self.purpose.clone(),
            reason: limits::reason(decision, principal, self.reason.as_ref()),
            basis,
            now: decision.now,
        });
        limits::set(decision, &limit, object).await
    }

    fn example() -> Value {
        json!({
            "consent_type": "ANALYTICS",
            "purpose": "ranking_research",
            "reason": "I do not want to be measured.",
        })
    }
}
