//! What the commands by which people limit what is done with their data have in common (LAW-05, LAW-06).

use agora_domain::{
    Actor, Personal, PersonalCategory,
    compliance::processing_limit::{ProcessingLimit, ProcessingLimitCommand},
    values::LimitReason,
};
use agora_event_store::Loaded;
use serde_json::json;

use crate::{
    decision::{Decision, Done},
    refusal::CommandError,
};

/// What the person says about it, as its personal data.
pub fn reason(
    decision: &Decision<'_>,
    principal: Actor,
    reason: Option<&LimitReason>,
) -> Option<Personal<LimitReason>> {
    let personal = |reason| decision.personal(principal, PersonalCategory::Evidence, reason);
    reason.cloned().map(personal)
}

/// Decides, and tells which record it is in and whether that holds now.
pub async fn set(
    decision: &mut Decision<'_>,
    limit: &Loaded<ProcessingLimit>,
    command: ProcessingLimitCommand,
) -> Result<Done, CommandError> {
    decision.decide_on_target(limit, command).await?;
    let record = decision.after(limit).record().map(
        |record| json!({ "limit_id": record.limit_id, "in_force": record.ended_at.is_none() }),
    );
    let done = Done::of::<ProcessingLimit>(&limit.stream.aggregate_id);
    Ok(done.with_result(record.unwrap_or_default()))
}
