//! `restrict-processing`: somebody has the processing of its data restricted (Art. 18 GDPR).

use agora_domain::{
    compliance::processing_limit::{
        ProcessingLimit, ProcessingLimitCommand, RestrictProcessing as Restrict, RestrictionGround,
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

/// Restricts the processing.
pub struct RestrictProcessing {
    ground: RestrictionGround,
    reason: Option<LimitReason>,
}

/// The body of `restrict-processing`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestrictProcessingBody {
    /// One of Art. 18(1).
    #[schema(value_type = String, required,
             pattern = "^(ACCURACY_CONTESTED|UNLAWFUL_PROCESSING|NEEDED_FOR_CLAIMS|OBJECTION_PENDING)$")]
    #[serde(default)]
    ground: Field<RestrictionGround>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1_000)]
    #[serde(default)]
    reason: Field<LimitReason>,
}

impl Command for RestrictProcessing {
    const NAME: &'static str = "restrict-processing";
    const SUMMARY: &'static str = "Have the processing of one's data restricted: from then on the gate says no, but to what is consented to later";
    const RULES: &'static [&'static str] =
        &["LAW-05", "LAW-06", "CON-02", "ADM-07", "ESX-03", "ESX-04"];
    type Body = RestrictProcessingBody;

    fn parse(body: RestrictProcessingBody, wrong: &mut WrongFields) -> Option<Self> {
        let ground = wrong.required("/ground", body.ground);
        let reason = wrong.optional("/reason", body.reason);
        Some(Self { ground: ground?, reason: reason? })
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        caller.actor().map(ProcessingLimit::restriction_stream_id)
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let principal = consents::person(decision)?;
        let id = ProcessingLimit::restriction_stream_id(principal);
        let limit = decision.load::<ProcessingLimit>(&id).await?;
        let restrict = ProcessingLimitCommand::Restrict(Restrict {
            limit_id: decision.new_id(),
            principal,
            ground: self.ground,
            reason: limits::reason(decision, principal, self.reason.as_ref()),
            now: decision.now,
        });
        limits::set(decision, &limit, restrict).await
    }

    fn example() -> Value {
        json!({ "ground": "ACCURACY_CONTESTED", "reason": "That log-in was not mine." })
    }
}
