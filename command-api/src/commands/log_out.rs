//! `log-out`: ends the session that sends it.

use agora_domain::identity::{session::Session, values::RevocationCause};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::WrongFields,
    refusal::CommandError,
    sessions,
};

/// Logs out.
pub struct LogOut;

/// The body of `log-out`: no fields.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogOutBody {}

impl Command for LogOut {
    const NAME: &'static str = "log-out";
    const SUMMARY: &'static str = "End the session of the token that is sent";
    const RULES: &'static [&'static str] =
        &["SES-04", "SES-13", "SES-14", "ADM-07", "ESX-03", "ESX-04"];
    type Body = LogOutBody;

    fn parse(_: LogOutBody, _: &mut WrongFields) -> Option<Self> {
        Some(Self)
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        caller.actor().map(sessions::queue)
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let sender = decision.caller.principal.as_ref();
        let sender =
            sender.ok_or_else(|| Problem::unauthenticated("There is no session to end."))?;
        let (actor, session_id) = (sender.actor, sender.require_session()?);
        sessions::end(decision, actor, session_id, actor, RevocationCause::LoggedOut).await?;
        Ok(Done::of::<Session>(session_id))
    }

    fn example() -> Value {
        json!({})
    }
}
