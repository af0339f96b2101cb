//! `reinstate-member`: a suspended member may write again.

use agora_domain::{
    identity::member::{Member, MemberCommand, ReinstateMember as Reinstate},
    ids::MemberId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    refusal::CommandError,
};

/// Reinstates a member.
pub struct ReinstateMember {
    member_id: MemberId,
}

/// The body of `reinstate-member`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReinstateMemberBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    member_id: Field<MemberId>,
}

impl Command for ReinstateMember {
    const NAME: &'static str = "reinstate-member";
    const SUMMARY: &'static str = "Let a suspended member write again";
    const RULES: &'static [&'static str] =
        &["MEM-06", "MEM-07", "MEM-08", "REL-10", "ESX-03", "ESX-04"];
    type Body = ReinstateMemberBody;

    fn parse(body: ReinstateMemberBody, wrong: &mut WrongFields) -> Option<Self> {
        let member_id = wrong.required("/member_id", body.member_id);
        Some(Self { member_id: member_id? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let reinstate = Reinstate { reinstated_by: decision.actor()? };
        let member = decision.load::<Member>(self.member_id.to_string()).await?;
        decision.decide_on_target(&member, MemberCommand::Reinstate(reinstate)).await?;
        Ok(Done::of::<Member>(self.member_id))
    }

    fn example() -> Value {
        json!({ "member_id": "01970000-0000-7000-8000-000000000001" })
    }
}
