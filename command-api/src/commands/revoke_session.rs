//! `revoke-session`: ends one session, of one's own or, for an admin, of anybody.

use agora_domain::{
    identity::{session::Session, values::RevocationCause},
    ids::SessionId,
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::CommandError,
    sessions,
};

/// Ends a session.
pub struct RevokeSession {
    session_id: SessionId,
}

/// The body of `revoke-session`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeSessionBody {
    /// One's own; an admin may name anybody's.
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    session_id: Field<SessionId>,
}

impl Command for RevokeSession {
    const NAME: &'static str = "revoke-session";
    const SUMMARY: &'static str = "End one session: one's own or, as an admin, anybody's";
    const RULES: &'static [&'static str] =
        &["SES-06", "SES-12", "SES-14", "REL-10", "ESX-03", "ESX-04"];
    type Body = RevokeSessionBody;

    fn parse(body: RevokeSessionBody, wrong: &mut WrongFields) -> Option<Self> {
        let session_id = wrong.required("/session_id", body.session_id);
        Some(Self { session_id: session_id? })
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        caller.actor().map(sessions::queue)
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let actor = decision.actor()?;
        let session = decision.load::<Session>(self.session_id.to_string()).await?;
        let principal = session
            .state
            .principal()
            // That somebody else has a session of this id must not leak.
            .filter(|principal| *principal == actor || sessions::administers(decision))
            .ok_or_else(|| Problem::not_found("There is no such session.").with_rule("REL-10"))?;
        if principal == actor {
            sessions::require_recent_login(decision, Some(self.session_id))?;
        }
        sessions::end(decision, principal, self.session_id, actor, RevocationCause::Revoked)
            .await?;
        Ok(Done::of::<Session>(self.session_id))
    }

    fn example() -> Value {
        json!({ "session_id": "01970000-0000-7000-8000-000000000001" })
    }
}
