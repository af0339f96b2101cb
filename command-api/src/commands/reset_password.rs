//! `reset-password`: a new password for whoever has the token of a mail; ends all sessions.

use agora_domain::{
    PersonalCategory,
    identity::{
        credential::{Credential, CredentialCommand, ResetPassword as Reset},
        password_reset::{PasswordReset, PasswordResetCommand, UsePasswordReset},
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
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    mail_tokens::MailToken,
    refusal::{CommandError, at_once},
    sessions,
};

/// Sets a new password.
pub struct ResetPassword {
    token: MailToken,
    password: NewPassword,
}

/// The body of `reset-password`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPasswordBody {
    /// Of the mail that request-password-reset sends.
    #[schema(value_type = String, required, min_length = 86, max_length = 86)]
    #[serde(default)]
    token: Field<MailToken>,
    /// At least 12 characters (configurable), any characters, none of the common ones.
    #[schema(value_type = String, required, format = Password, min_length = 8, max_length = 1_024)]
    #[serde(default)]
    password: Field<PasswordText>,
}

impl Command for ResetPassword {
    const NAME: &'static str = "reset-password";
    const SUMMARY: &'static str = "Set a new password with the token of a mail; all sessions end";
    const RULES: &'static [&'static str] =
        &["CRD-04", "CRD-05", "CRD-06", "CRD-07", "CRD-08", "CRD-12", "SES-11", "ESX-04"];
    type Body = ResetPasswordBody;

    fn parse(body: ResetPasswordBody, wrong: &mut WrongFields) -> Option<Self> {
        let token = wrong.required("/token", body.token);
        let password = wrong.required("/password", body.password);
        Some(Self { token: token?, password: NewPassword::Given(password?.0) })
    }

    /// Hashes only for whoever has a token: it costs too much to do for anybody.
    async fn prepare(&mut self, app: &App, _: &Caller) -> Result<(), Problem> {
        let id = self.token.credential_id.to_string();
        let credential =
            app.log.load::<Credential>(&id).await.map_err(|error| at_once(error.into()))?;
        app.verify_password_reset(&self.token, &credential.state).map_err(at_once)?;
        if let Some(email) = credential.state.email() {
            // Whoever was kept out by somebody else's guesses gets in again.
            app.account_failures.succeeded(&app.email_index(email));
        }
        self.password.hash(app, "/password").await
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let MailToken { credential_id, .. } = self.token;
        let credential = decision.load::<Credential>(credential_id.to_string()).await?;
        // A new password or address, this token's own doing perhaps, has voided it meanwhile.
        decision.app.verify_password_reset(&self.token, &credential.state)?;
        let holder = credential.state.holder().ok_or_else(Problem::internal)?;
        decision.is_sent_by(holder);
        let reset_id = self.token.password_reset_id();
        let reset = decision.load::<PasswordReset>(reset_id.to_string()).await?;
        let use_once = UsePasswordReset { credential_id, now: decision.now };
        decision.decide(&reset, PasswordResetCommand::Use(use_once)).await?;
        let category = PersonalCategory::Credential;
        let password_hash = decision.personal(holder, category, self.password.hashed()?);
        let set = CredentialCommand::ResetPassword(Reset { reset_id, password_hash });
        decision.decide_on_target(&credential, set).await?;
        let cause = RevocationCause::PasswordChanged;
        sessions::end_all(decision, holder, None, holder, cause).await?;
        Ok(Done::of::<Credential>(credential_id))
    }

    fn example() -> Value {
        json!({ "token": EXAMPLE_TOKEN, "password": "another uncommon phrase of words" })
    }
}

/// Of the right form, and nobody's.
pub const EXAMPLE_TOKEN: &str =
    "AZcAAAAAcACAAAAAAAAAAQGXAAAAAHAAgAAAAAAAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
