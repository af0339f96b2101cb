//! `change-email`: another address for whoever knows the password; it counts once it is confirmed.

use agora_domain::{
    PersonalCategory,
    identity::{
        credential::{ChangeEmail as Change, Credential, CredentialCommand},
        password::PasswordAttempt,
    },
    ids::EmailConfirmationId,
    values::Email,
};
use agora_service::problem::Problem;
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    App, Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    reauthentication::Reauthentication,
    refusal::CommandError,
};

/// Asks for another address.
pub struct ChangeEmail {
    email: Email,
    password: Reauthentication,
}

/// The body of `change-email`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeEmailBody {
    /// Unique up to case.
    #[schema(value_type = String, required, format = Email, min_length = 5, max_length = 254)]
    #[serde(default)]
    email: Field<Email>,
    /// The present one.
    #[schema(value_type = String, required, format = Password, max_length = 1_024)]
    #[serde(default)]
    password: Field<PasswordAttempt>,
}

impl Command for ChangeEmail {
    const NAME: &'static str = "change-email";
    const SUMMARY: &'static str =
        "Ask for another e-mail address: a mail to it has the token for confirm-email";
    const RULES: &'static [&'static str] =
        &["CRD-01", "CRD-04", "CRD-08", "CRD-10", "CRD-12", "ESX-03", "ESX-04"];
    type Body = ChangeEmailBody;

    fn parse(body: ChangeEmailBody, wrong: &mut WrongFields) -> Option<Self> {
        let email = wrong.required("/email", body.email);
        let password = wrong.required("/password", body.password);
        Some(Self { email: email?, password: Reauthentication::new(password?) })
    }

    async fn prepare(&mut self, app: &App, caller: &Caller) -> Result<(), Problem> {
        if self.password.verify(app, caller).await? {
            app.begin_mail(&self.email, caller)?;
        }
        Ok(())
    }

    /// Whether the address is somebody's already is not looked at: the mail to it tells whoever
    /// reads it, and nobody else (CRD-09). The address is taken when it is confirmed.
    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let actor = decision.actor()?;
        let (credential, verified) = self.password.credential(decision).await?;
        let confirmation_id: EmailConfirmationId = decision.new_id();
        let valid = TimeDelta::seconds(i64::from(decision.app.settings.email_confirmation_seconds));
        let change = Change {
            confirmation_id,
            email: decision.personal(actor, PersonalCategory::Identity, self.email.clone()),
            expires_at: decision.now + valid,
            current_password_verified: verified,
        };
        decision.decide_on_target(&credential, CredentialCommand::ChangeEmail(change)).await?;
        Ok(Done::of::<Credential>(&credential.stream.aggregate_id))
    }

    fn example() -> Value {
        json!({ "email": "kari@example.org", "password": "the present phrase of words" })
    }
}
