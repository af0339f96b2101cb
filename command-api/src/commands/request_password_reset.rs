//! `request-password-reset`: a mail to an address that lets its reader set a new password.

use agora_domain::{
    Personal, PersonalCategory, Subject,
    identity::password_reset::{
        PasswordReset, PasswordResetCommand, RequestPasswordReset as Request, ResetAccount,
    },
    ids::PasswordResetId,
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
    refusal::CommandError,
};

/// Asks for a new password.
pub struct RequestPasswordReset {
    email: Email,
}

/// The body of `request-password-reset`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestPasswordResetBody {
    #[schema(value_type = String, required, format = Email, min_length = 5, max_length = 254)]
    #[serde(default)]
    email: Field<Email>,
}

impl Command for RequestPasswordReset {
    const NAME: &'static str = "request-password-reset";
    const SUMMARY: &'static str =
        "Ask for a mail with which to set a new password: answered alike whoever has the address";
    const RULES: &'static [&'static str] = &["CRD-01", "CRD-09", "CRD-12", "ESX-04"];
    type Body = RequestPasswordResetBody;

    fn parse(body: RequestPasswordResetBody, wrong: &mut WrongFields) -> Option<Self> {
        let email = wrong.required("/email", body.email);
        Some(Self { email: email? })
    }

    async fn prepare(&mut self, app: &App, caller: &Caller) -> Result<(), Problem> {
        app.begin_mail(&self.email, caller)
    }

    /// Nothing is looked up, so that neither the reply nor its time nor the log's length tells
    /// whether there is an account (CRD-09): the process that sends the mail finds out. For the same
    /// reason the address is sealed under the day's key.
    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let reset_id: PasswordResetId = decision.new_id();
        let day = Subject::day(decision.now.date_naive());
        let email = Personal::new(day, PersonalCategory::Identity, self.email.clone());
        request(decision, reset_id, ResetAccount::Of(email)).await
    }

    fn example() -> Value {
        json!({ "email": "ola@example.org" })
    }
}

/// Begins a reset, whoever asks for it.
pub async fn request(
    decision: &mut Decision<'_>,
    reset_id: PasswordResetId,
    account: ResetAccount,
) -> Result<Done, CommandError> {
    let valid = TimeDelta::seconds(i64::from(decision.app.settings.password_reset_seconds));
    let request = Request { reset_id, account, expires_at: decision.now + valid };
    let reset = decision.begin::<PasswordReset>(reset_id);
    decision.decide(&reset, PasswordResetCommand::Request(request)).await?;
    Ok(Done::of::<PasswordReset>(reset_id))
}
