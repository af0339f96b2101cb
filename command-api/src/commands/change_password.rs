//! `change-password`: another password for whoever knows the present one; ends the other sessions.

use agora_domain::{
    PersonalCategory,
    identity::{
        credential::{ChangePassword as Change, Credential, CredentialCommand},
        password::PasswordAttempt,
        values::RevocationCause,
    },
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::register_member::{NewPassword, PasswordText};
use crate::{
    App, Command,
    authenticate::Principal,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    reauthentication::Reauthentication,
    refusal::CommandError,
    sessions,
};

/// Changes the password.
pub struct ChangePassword {
    current: Reauthentication,
    new: NewPassword,
}

/// The body of `change-password`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePasswordBody {
    #[schema(value_type = String, required, format = Password, max_length = 1_024)]
    #[serde(default)]
    current_password: Field<PasswordAttempt>,
    /// At least 12 characters (configurable), any characters, none of the common ones.
    #[schema(value_type = String, required, format = Password, min_length = 8, max_length = 1_024)]
    #[serde(default)]
    new_password: Field<PasswordText>,
}

impl Command for ChangePassword {
    const NAME: &'static str = "change-password";
    const SUMMARY: &'static str = "Set another password; all other sessions end";
    const RULES: &'static [&'static str] = &[
        "CRD-04", "CRD-05", "CRD-06", "CRD-07", "CRD-08", "CRD-12", "SES-11", "ADM-07", "ESX-03",
        "ESX-04",
    ];
    type Body = ChangePasswordBody;

    fn parse(body: ChangePasswordBody, wrong: &mut WrongFields) -> Option<Self> {
        let current = wrong.required("/current_password", body.current_password);
        let new = wrong.required("/new_password", body.new_password);
        Some(Self { current: Reauthentication::new(current?), new: NewPassword::Given(new?.0) })
    }

    async fn prepare(&mut self, app: &App, caller: &Caller) -> Result<(), Problem> {
        caller.principal.as_ref().ok_or_else(Problem::internal)?.require_session()?;
        self.new.check(app, "/new_password")?;
        if self.current.verify(app, caller).await? {
            self.new.hash(app, "/new_password").await?;
        }
        Ok(())
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        caller.actor().map(sessions::queue)
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let actor = decision.actor()?;
        let (credential, verified) = self.current.credential(decision).await?;
        let password_hash = match &self.new {
            NewPassword::Hashed(hash) => hash.clone(),
            // Not hashed where the present one did not fit: the aggregate says so.
            NewPassword::Given(_) => self.current.present_hash().ok_or_else(Problem::internal)?,
        };
        let change = Change {
            password_hash: decision.personal(actor, PersonalCategory::Credential, password_hash),
            current_password_verified: verified,
        };
        decision.decide_on_target(&credential, CredentialCommand::ChangePassword(change)).await?;
        let current = decision.caller.principal.as_ref().and_then(Principal::session_id);
        let cause = RevocationCause::PasswordChanged;
        sessions::end_all(decision, actor, current, actor, cause).await?;
        Ok(Done::of::<Credential>(&credential.stream.aggregate_id))
    }

    fn example() -> Value {
        json!({
            "current_password": "an uncommon phrase of words",
            "new_password": "another uncommon phrase of words",
        })
    }
}
