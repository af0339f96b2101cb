//! `request-account-deletion`: a member asks for the end of its own account; its sessions end.

use agora_domain::identity::{
    member::{MarkMemberForDeletion, Member, MemberCommand},
    password::PasswordAttempt,
    values::RevocationCause,
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    App, Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    reauthentication::Reauthentication,
    refusal::{CommandError, members_only},
    sessions,
};

/// Asks for one's own deletion.
pub struct RequestAccountDeletion {
    password: Reauthentication,
}

/// The body of `request-account-deletion`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestAccountDeletionBody {
    /// The present one.
    #[schema(value_type = String, required, format = Password, max_length = 1_024)]
    #[serde(default)]
    password: Field<PasswordAttempt>,
}

impl Command for RequestAccountDeletion {
    const NAME: &'static str = "request-account-deletion";
    const SUMMARY: &'static str = "Ask for the deletion of one's own account; all sessions end";
    const RULES: &'static [&'static str] =
        &["CRD-08", "CRD-12", "MEM-06", "MEM-07", "MEM-08", "SES-11", "ESX-03", "ESX-04"];
    type Body = RequestAccountDeletionBody;

    fn parse(body: RequestAccountDeletionBody, wrong: &mut WrongFields) -> Option<Self> {
        let password = wrong.required("/password", body.password);
        Some(Self { password: Reauthentication::new(password?) })
    }

    async fn prepare(&mut self, app: &App, caller: &Caller) -> Result<(), Problem> {
        self.password.verify(app, caller).await.map(|_| ())
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        caller.actor().map(sessions::queue)
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let actor = decision.actor()?;
        let member_id = actor.as_member().ok_or_else(|| members_only("MEM-08"))?;
        let (_, verified) = self.password.credential(decision).await?;
        if !verified {
            let detail = "The password is wrong: give it to end the account.";
            return Err(Problem::forbidden(detail).with_rule("CRD-08").into());
        }
        let member = decision.load::<Member>(member_id.to_string()).await?;
        let mark = MarkMemberForDeletion { requested_by: actor, reason: None };
        decision.decide_on_target(&member, MemberCommand::MarkForDeletion(mark)).await?;
        let cause = RevocationCause::PrincipalRetired;
        sessions::end_all(decision, actor, None, actor, cause).await?;
        Ok(Done::of::<Member>(member_id))
    }

    fn example() -> Value {
        json!({ "password": "the present phrase of words" })
    }
}
