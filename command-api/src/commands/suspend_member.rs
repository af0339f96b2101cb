//! `suspend-member`: a member may only read, export and log out until it is reinstated; its
//! sessions end.

use agora_domain::{
    Actor,
    identity::{
        member::{Member, MemberCommand, SuspendMember as Suspend},
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

/// Suspends a member.
pub struct SuspendMember {
    member_id: MemberId,
    reason: Option<Reason>,
}

/// The body of `suspend-member`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuspendMemberBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    member_id: Field<MemberId>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    reason: Field<Reason>,
}

impl Command for SuspendMember {
    const NAME: &'static str = "suspend-member";
    const SUMMARY: &'static str = "Suspend a member: it can read and log out, nothing else";
    const RULES: &'static [&'static str] =
        &["MEM-06", "MEM-07", "MEM-08", "MOD-03", "SES-11", "REL-10", "ESX-03", "ESX-04"];
    type Body = SuspendMemberBody;

    fn parse(body: SuspendMemberBody, wrong: &mut WrongFields) -> Option<Self> {
        let member_id = wrong.required("/member_id", body.member_id);
        let reason = wrong.optional("/reason", body.reason);
        Some(Self { member_id: member_id?, reason: reason? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(sessions::queue(Actor::member(self.member_id)))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let suspend =
            |suspended_by, reason| MemberCommand::Suspend(Suspend { suspended_by, reason });
        let reason = self.reason.clone();
        let member = accounts::change_member(decision, self.member_id, reason, suspend).await?;
        // Who is suspended already may have logged in since, to read: that session stays.
        if member.state.is_active() {
            let (principal, actor) = (Actor::member(self.member_id), decision.actor()?);
            let cause = RevocationCause::PrincipalSuspended;
            sessions::end_all(decision, principal, None, actor, cause).await?;
        }
        Ok(Done::of::<Member>(self.member_id))
    }

    fn example() -> Value {
        json!({ "member_id": "01970000-0000-7000-8000-000000000001", "reason": "Spam." })
    }
}
