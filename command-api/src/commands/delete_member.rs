//! `delete-member`: the end of an account that waited for it. Nobody logs in with it again, its
//! address is free for another; its id is never used again.

use agora_domain::{
    Actor,
    identity::member::{Member, MemberCommand, MemberStatus},
    ids::MemberId,
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

/// Deletes a member.
pub struct DeleteMember {
    member_id: MemberId,
}

/// The body of `delete-member`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteMemberBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    member_id: Field<MemberId>,
}

impl Command for DeleteMember {
    const NAME: &'static str = "delete-member";
    const SUMMARY: &'static str = "Delete a member who waits for it; nobody logs in as it again";
    const RULES: &'static [&'static str] =
        &["CRD-04", "MEM-07", "MEM-08", "SES-11", "REL-10", "ESX-03", "ESX-04"];
    type Body = DeleteMemberBody;

    fn parse(body: DeleteMemberBody, wrong: &mut WrongFields) -> Option<Self> {
        let member_id = wrong.required("/member_id", body.member_id);
        Some(Self { member_id: member_id? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(sessions::queue(Actor::member(self.member_id)))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let actor = decision.actor()?;
        let member = decision.load::<Member>(self.member_id.to_string()).await?;
        decision.decide_on_target(&member, MemberCommand::Delete).await?;
        let credential_id = member.state.credential_id();
        if let Some(credential_id) = credential_id
            && member.state.status() != Some(MemberStatus::Deleted)
        {
            let principal = Actor::member(self.member_id);
            accounts::close(decision, principal, credential_id, actor).await?;
        }
        Ok(Done::of::<Member>(self.member_id))
    }

    fn example() -> Value {
        json!({ "member_id": "01970000-0000-7000-8000-000000000001" })
    }
}
