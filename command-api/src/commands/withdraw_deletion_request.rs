//! `withdraw-deletion-request`: the person takes its request back, before the review begins (K18).

use agora_domain::{
    compliance::deletion_request::{
        DeletionRequest, DeletionRequestCommand, WithdrawDeletion as Withdraw,
    },
    ids::DeletionId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    deletions,
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::CommandError,
};

/// Take a request of your own to be erased back, before its review begins.
pub struct WithdrawDeletionRequest {
    deletion_id: DeletionId,
}

/// The body of `withdraw-deletion-request`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawDeletionRequestBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    deletion_id: Field<DeletionId>,
}

impl Command for WithdrawDeletionRequest {
    const NAME: &'static str = "withdraw-deletion-request";
    const SUMMARY: &'static str =
        "Take a request of your own to be erased back, before its review begins";
    const RULES: &'static [&'static str] = &["DDR-03", "REL-10", "ESX-03", "ESX-04"];
    type Body = WithdrawDeletionRequestBody;

    fn parse(body: WithdrawDeletionRequestBody, wrong: &mut WrongFields) -> Option<Self> {
        Some(Self { deletion_id: wrong.required("/deletion_id", body.deletion_id)? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(deletions::queue(self.deletion_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let withdrawn_by = decision.actor()?;
        let loaded = deletions::load_own_or_reviewed(decision, self.deletion_id).await?;
        let withdraw =
            DeletionRequestCommand::Withdraw(Withdraw { withdrawn_by, now: decision.now });
        decision.decide_on_target(&loaded, withdraw).await?;
        if let Some(request) = loaded.state.get() {
            deletions::close_request(decision, request, false).await?;
        }
        Ok(Done::of::<DeletionRequest>(self.deletion_id))
    }

    fn example() -> Value {
        json!({ "deletion_id": "01970000-0000-7000-8000-000000000001" })
    }
}
