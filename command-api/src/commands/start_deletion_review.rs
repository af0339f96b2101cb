//! `start-deletion-review`: an admin looks at a request, never at its own (DDR-08).

use agora_domain::{
    compliance::deletion_request::{DeletionRequest, DeletionRequestCommand, StartReview as Start},
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

/// Begin to review a request to be erased.
pub struct StartDeletionReview {
    deletion_id: DeletionId,
}

/// The body of `start-deletion-review`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartDeletionReviewBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    deletion_id: Field<DeletionId>,
}

impl Command for StartDeletionReview {
    const NAME: &'static str = "start-deletion-review";
    const SUMMARY: &'static str = "Begin to review a request to be erased";
    const RULES: &'static [&'static str] =
        &["DDR-03", "DDR-08", "ADM-07", "REL-10", "ESX-03", "ESX-04"];
    type Body = StartDeletionReviewBody;

    fn parse(body: StartDeletionReviewBody, wrong: &mut WrongFields) -> Option<Self> {
        Some(Self { deletion_id: wrong.required("/deletion_id", body.deletion_id)? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(deletions::queue(self.deletion_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let reviewer = decision.actor()?;
        let loaded = deletions::load(decision, self.deletion_id).await?;
        deletions::require_person(decision)?;
        let start = DeletionRequestCommand::StartReview(Start { reviewer, now: decision.now });
        decision.decide_on_target(&loaded, start).await?;
        Ok(Done::of::<DeletionRequest>(self.deletion_id))
    }

    fn example() -> Value {
        json!({ "deletion_id": "01970000-0000-7000-8000-000000000001" })
    }
}
