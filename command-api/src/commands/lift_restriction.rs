//! `lift-restriction`: an admin ends the restriction of somebody's data, and says why. The person is told
//! by mail (Art. 18(3) GDPR).

use agora_domain::{
    Actor, PersonalCategory,
    compliance::processing_limit::{
        LiftRestriction as Lift, ProcessingLimit, ProcessingLimitCommand,
    },
    values::Reason,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    accounts::AccountBody,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, Object, WrongFields},
    limits,
    refusal::CommandError,
};

/// Lifts a restriction.
pub struct LiftRestriction {
    principal: Actor,
    reason: Reason,
}

/// The body of `lift-restriction`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiftRestrictionBody {
    /// Whose it is.
    #[schema(value_type = AccountBody, required)]
    #[serde(default)]
    principal: Field<Object<AccountBody>>,
    /// What the person is told.
    #[schema(value_type = String, required, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    reason: Field<Reason>,
}

impl Command for LiftRestriction {
    const NAME: &'static str = "lift-restriction";
    const SUMMARY: &'static str =
        "Lift the restriction of a person's data, who is told why by mail";
    const RULES: &'static [&'static str] = &["LAW-05", "MOD-03", "ROL-01", "ESX-03", "ESX-04"];
    type Body = LiftRestrictionBody;

    fn parse(body: LiftRestrictionBody, wrong: &mut WrongFields) -> Option<Self> {
        let principal = wrong.required("/principal", body.principal);
        let principal = principal.and_then(|Object(account)| account.parse("/principal", wrong));
        let reason = wrong.required("/reason", body.reason);
        Some(Self { principal: principal?, reason: reason? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(ProcessingLimit::restriction_stream_id(self.principal))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let lifted_by = decision.actor()?;
        let id = ProcessingLimit::restriction_stream_id(self.principal);
        let limit = decision.load::<ProcessingLimit>(&id).await?;
        let (whose, category) = (self.principal.id, PersonalCategory::Evidence);
        let reason = decision.about(whose, category, self.reason.clone());
        let lift = Lift { lifted_by, reason, now: decision.now };
        limits::set(decision, &limit, ProcessingLimitCommand::LiftRestriction(lift)).await
    }

    fn example() -> Value {
        json!({
            "principal": { "kind": "member", "id": "01970000-0000-7000-8000-000000000002" },
            "reason": "The log-in was yours: its address is the one that you confirmed.",
        })
    }
}
