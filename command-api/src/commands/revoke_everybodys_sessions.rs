//! `revoke-everybodys-sessions`: ends all sessions of all users at one go (SES-12).

use agora_domain::identity::session_era::{EndEra, SessionEra, SessionEraCommand};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    authenticate::Principal,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, Flag, WrongFields},
    refusal::CommandError,
    sessions,
};

/// Ends the sessions of everybody.
pub struct RevokeEverybodysSessions {
    keep_current: bool,
}

/// The body of `revoke-everybodys-sessions`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeEverybodysSessionsBody {
    /// Leave the session that sends this open.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    keep_current: Field<Flag>,
}

impl Command for RevokeEverybodysSessions {
    const NAME: &'static str = "revoke-everybodys-sessions";
    const SUMMARY: &'static str = "End all sessions of all members and admins, as an admin";
    const RULES: &'static [&'static str] = &["SES-12", "ADM-07", "ESX-03", "ESX-04"];
    type Body = RevokeEverybodysSessionsBody;

    fn parse(body: RevokeEverybodysSessionsBody, wrong: &mut WrongFields) -> Option<Self> {
        let keep_current = wrong.optional("/keep_current", body.keep_current);
        Some(Self { keep_current: keep_current?.is_some_and(|Flag(keep)| keep) })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(SessionEra::STREAM_ID.to_owned())
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let revoked_by = decision.actor()?;
        sessions::require_recent_login(decision, None)?;
        let current = decision.caller.principal.as_ref().and_then(Principal::session_id);
        let kept = current.filter(|_| self.keep_current);
        let era = decision.load::<SessionEra>(SessionEra::STREAM_ID).await?;
        let end = SessionEraCommand::End(EndEra { revoked_by, kept });
        decision.decide_on_target(&era, end).await?;
        Ok(Done::of::<SessionEra>(SessionEra::STREAM_ID))
    }

    fn example() -> Value {
        json!({ "keep_current": true })
    }
}
