//! `mark-member-for-deletion`: an admin begins the end of a member's account, with a reason; the
//! member's sessions end.

use agora_domain::{
    Actor,
    identity::{
        member::{MarkMemberForDeletion as Mark, Member, MemberCommand, MemberStatus},
        values::RevocationCause,
    },
    ids::MemberId,
    values::Reason,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command, accounts,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::CommandError,
    sessions,
};

/// Marks a member for deletion.
pub struct MarkMemberForDeletion {
    member_id: MemberId,
    reason: Reason,
}

/// The body of `mark-member-for-deletion`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkMemberForDeletionBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    member_id: Field<MemberId>,
    #[schema(value_type = String, required, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    reason: Field<Reason>,
}

impl Command for MarkMemberForDeletion {
    const NAME: &'static str = "mark-member-for-deletion";
    const SUMMARY: &'static str = "Begin the deletion of a member, with a reason; its sessions end";
    const RULES: &'static [&'static str] =
        &["MEM-06", "MEM-07", "MEM-08", "MOD-03", "SES-11", "REL-10", "ESX-03", "ESX-04"];
    type Body = MarkMemberForDeletionBody;

    fn parse(body: MarkMemberForDeletionBody, wrong: &mut WrongFields) -> Option<Self> {
        let member_id = wrong.required("/member_id", body.member_id);
        let reason = wrong.required("/reason", body.reason);
        Some(Self { member_id: member_id?, reason: reason? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(sessions::queue(Actor::member(self.member_id)))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let mark =
            |requested_by, reason| MemberCommand::MarkForDeletion(Mark { requested_by, reason });
        let reason = Some(self.reason.clone());
        let member = accounts::change_member(decision, self.member_id, reason, mark).await?;
        // Who waits already may have logged in since, to follow it: that session stays.
        if member.state.status() != Some(MemberStatus::PendingDeletion) {
            let (principal, actor) = (Actor::member(self.member_id), decision.actor()?);
            let cause = RevocationCause::PrincipalRetired;
            sessions::end_all(decision, principal, None, actor, cause).await?;
        }
        Ok(Done::of::<Member>(self.member_id))
    }

    fn example() -> Value {
        json!({
            "member_id": "01970000-0000-7000-8000-000000000001",
            "reason": "Asked for by letter.",
        })
    }
}
