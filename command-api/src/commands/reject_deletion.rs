//! `reject-deletion`: an admin refuses, with the reasons that the person is told (DDR-11).

use agora_domain::{
    PersonalCategory,
    compliance::deletion_request::{
        DeletionRequest, DeletionRequestCommand, RejectDeletion as Reject,
    },
    ids::DeletionId,
    values::Reason,
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
    refusal::{CommandError, refused},
};

/// Refuse a request to be erased, with the reasons.
pub struct RejectDeletion {
    deletion_id: DeletionId,
    reason: Reason,
}

/// The body of `reject-deletion`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RejectDeletionBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    deletion_id: Field<DeletionId>,
    /// What the person is told.
    #[schema(value_type = String, required, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    reason: Field<Reason>,
}

impl Command for RejectDeletion {
    const NAME: &'static str = "reject-deletion";
    const SUMMARY: &'static str = "Refuse a request to be erased, with the reasons";
    const RULES: &'static [&'static str] =
        &["DDR-03", "DDR-05", "DDR-08", "DDR-11", "ADM-07", "REL-10", "ESX-03", "ESX-04"];
    type Body = RejectDeletionBody;

    fn parse(body: RejectDeletionBody, wrong: &mut WrongFields) -> Option<Self> {
        let deletion_id = wrong.required("/deletion_id", body.deletion_id);
        let reason = wrong.required_by("DDR-05", "/reason", body.reason);
        Some(Self { deletion_id: deletion_id?, reason: reason? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(deletions::queue(self.deletion_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let reviewer = decision.actor()?;
        let loaded = deletions::load(decision, self.deletion_id).await?;
        deletions::require_person(decision)?;
        let request = loaded.state.require().map_err(refused)?;
        let (category, reason) = (PersonalCategory::Evidence, self.reason.clone());
        let reason = decision.about(request.subject.id, category, reason);
        let reject = Reject { reviewer, reason, now: decision.now };
        decision.decide_on_target(&loaded, DeletionRequestCommand::Reject(reject)).await?;
        deletions::close_request(decision, request, false).await?;
        Ok(Done::of::<DeletionRequest>(self.deletion_id))
    }

    fn example() -> Value {
        json!({
            "deletion_id": "01970000-0000-7000-8000-000000000001",
            "reason": "The account is needed for a contract that still runs.",
        })
    }
}
