//! `extend-deletion-deadline`: an admin puts the answer to a person off, and says why (DDR-11).

use agora_domain::{
    PersonalCategory,
    compliance::deletion_request::{
        DeletionRequest, DeletionRequestCommand, ExtendDeletionDeadline as Extend,
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

/// Put the answer to a request to be erased off by two months, once, within the first.
pub struct ExtendDeletionDeadline {
    deletion_id: DeletionId,
    reason: Reason,
}

/// The body of `extend-deletion-deadline`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtendDeletionDeadlineBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    deletion_id: Field<DeletionId>,
    /// What the person is told.
    #[schema(value_type = String, required, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    reason: Field<Reason>,
}

impl Command for ExtendDeletionDeadline {
    const NAME: &'static str = "extend-deletion-deadline";
    const SUMMARY: &'static str =
        "Put the answer to a request to be erased off by two months, once, within the first";
    const RULES: &'static [&'static str] =
        &["DDR-11", "DDR-03", "DDR-08", "ADM-07", "REL-10", "ESX-03", "ESX-04"];
    type Body = ExtendDeletionDeadlineBody;

    fn parse(body: ExtendDeletionDeadlineBody, wrong: &mut WrongFields) -> Option<Self> {
        let deletion_id = wrong.required("/deletion_id", body.deletion_id);
        let reason = wrong.required_by("DDR-11", "/reason", body.reason);
        Some(Self { deletion_id: deletion_id?, reason: reason? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(deletions::queue(self.deletion_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let extended_by = decision.actor()?;
        let loaded = deletions::load(decision, self.deletion_id).await?;
        deletions::require_person(decision)?;
        let request = loaded.state.require().map_err(refused)?;
        let (category, reason) = (PersonalCategory::Evidence, self.reason.clone());
        let reason = decision.about(request.subject.id, category, reason);
        let extend = Extend { extended_by, reason, now: decision.now };
        let extend = DeletionRequestCommand::ExtendDeadline(extend);
        decision.decide_on_target(&loaded, extend).await?;
        Ok(Done::of::<DeletionRequest>(self.deletion_id))
    }

    fn example() -> Value {
        json!({
            "deletion_id": "01970000-0000-7000-8000-000000000001",
            "reason": "There is more to look through than one month is enough for.",
        })
    }
}
