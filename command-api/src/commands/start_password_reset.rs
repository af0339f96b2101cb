//! `start-password-reset`: an admin has a member sent a mail with which it sets a new password. No
//! admin ever chooses or sees one (ASVS 5.0 §6.4.6).

use agora_domain::{
    identity::{
        credential::Credential,
        member::{Member, MemberError, MemberStatus},
        password_reset::ResetAccount,
    },
    ids::{MemberId, PasswordResetId},
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::request_password_reset::request;
use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    refusal::{CommandError, refused},
};

/// Begins a reset for a member.
pub struct StartPasswordReset {
    member_id: MemberId,
}

/// The body of `start-password-reset`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartPasswordResetBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    member_id: Field<MemberId>,
}

impl Command for StartPasswordReset {
    const NAME: &'static str = "start-password-reset";
    const SUMMARY: &'static str = "Have a member sent a mail with which it sets a new password";
    const RULES: &'static [&'static str] = &["CRD-04", "CRD-12", "MEM-07", "REL-10", "ESX-04"];
    type Body = StartPasswordResetBody;

    fn parse(body: StartPasswordResetBody, wrong: &mut WrongFields) -> Option<Self> {
        let member_id = wrong.required("/member_id", body.member_id);
        Some(Self { member_id: member_id? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let requested_by = decision.actor()?;
        let member = decision.load::<Member>(self.member_id.to_string()).await?.state;
        let credential_id = member.credential_id().ok_or_else(|| refused(MemberError::NotFound))?;
        if member.status() == Some(MemberStatus::Deleted) {
            return Err(refused(MemberError::Deleted));
        }
        let credential = decision.load::<Credential>(credential_id.to_string()).await?;
        if !credential.state.is_valid() {
            let detail = "The member's credential is no longer valid.";
            return Err(Problem::gone(detail).with_rule("CRD-04").into());
        }
        let reset_id: PasswordResetId = decision.new_id();
        request(decision, reset_id, ResetAccount::Known { credential_id, requested_by }).await
    }

    fn example() -> Value {
        json!({ "member_id": "01970000-0000-7000-8000-000000000001" })
    }
}
