//! `cancel-account-deletion`: the request is rejected, and the member is what it was before: active,
//! or suspended.

use agora_domain::{
    identity::member::{Member, MemberCommand, RejectMemberDeletion},
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

/// Takes a deletion back.
pub struct CancelAccountDeletion {
    member_id: MemberId,
}

/// The body of `cancel-account-deletion`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelAccountDeletionBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    member_id: Field<MemberId>,
}

impl Command for CancelAccountDeletion {
    const NAME: &'static str = "cancel-account-deletion";
    const SUMMARY: &'static str = "Reject a member's deletion: it is what it was before";
    const RULES: &'static [&'static str] = &["MEM-07", "MEM-08", "REL-10", "ESX-03", "ESX-04"];
    type Body = CancelAccountDeletionBody;

    fn parse(body: CancelAccountDeletionBody, wrong: &mut WrongFields) -> Option<Self> {
        let member_id = wrong.required("/member_id", body.member_id);
        Some(Self { member_id: member_id? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let rejected_by = decision.actor()?;
        let member = decision.load::<Member>(self.member_id.to_string()).await?;
        let reject = MemberCommand::RejectDeletion(RejectMemberDeletion { rejected_by });
        decision.decide_on_target(&member, reject).await?;
        Ok(Done::of::<Member>(self.member_id))
    }

    fn example() -> Value {
        json!({ "member_id": "01970000-0000-7000-8000-000000000001" })
    }
}
