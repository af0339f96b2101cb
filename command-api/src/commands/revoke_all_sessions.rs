//! `revoke-all-sessions`: ends all sessions of oneself or, for an admin, of one member or admin
//! (force logout).

use agora_domain::{
    Actor,
    identity::{principal_sessions::PrincipalSessions, values::RevocationCause},
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    accounts::{self, AccountBody},
    authenticate::Principal,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, Flag, Object, WrongFields},
    refusal::CommandError,
    sessions,
};

/// Ends all sessions of a principal.
pub struct RevokeAllSessions {
    /// Oneself where `None`.
    principal: Option<Actor>,
    keep_current: bool,
}

/// The body of `revoke-all-sessions`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeAllSessionsBody {
    /// Whose sessions; absent: one's own. Only admins may name somebody else.
    #[schema(value_type = Option<AccountBody>)]
    #[serde(default)]
    principal: Field<Object<AccountBody>>,
    /// Leave the session that sends this open.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    keep_current: Field<Flag>,
}

impl Command for RevokeAllSessions {
    const NAME: &'static str = "revoke-all-sessions";
    const SUMMARY: &'static str = "End all of one's sessions or, as an admin, all of somebody's";
    const RULES: &'static [&'static str] =
        &["SES-06", "SES-11", "SES-12", "SES-14", "ADM-07", "REL-10", "ESX-04"];
    type Body = RevokeAllSessionsBody;

    fn parse(body: RevokeAllSessionsBody, wrong: &mut WrongFields) -> Option<Self> {
        let principal = match wrong.optional("/principal", body.principal) {
            None => None,
            Some(None) => Some(None),
            Some(Some(Object(holder))) => holder.parse("/principal", wrong).map(Some),
        };
        let keep_current = wrong.optional("/keep_current", body.keep_current);
        Some(Self {
            principal: principal?,
            keep_current: keep_current?.is_some_and(|Flag(keep)| keep),
        })
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        self.principal.or(caller.actor()).map(sessions::queue)
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let actor = decision.actor()?;
        let principal = self.principal.unwrap_or(actor);
        if principal == actor {
            sessions::require_recent_login(decision, None)?;
        } else {
            if !sessions::administers(decision) {
                return Err(Problem::forbidden("Only admins may end somebody else's sessions.")
                    .with_rule("SES-12")
                    .into());
            }
            if !accounts::exists(decision, principal).await? {
                return Err(Problem::not_found("There is no such member or admin.")
                    .with_rule("REL-10")
                    .into());
            }
        }
        let current = decision.caller.principal.as_ref().and_then(Principal::session_id);
        let kept = current.filter(|_| self.keep_current && principal == actor);
        sessions::end_all(decision, principal, kept, actor, RevocationCause::Revoked).await?;
        Ok(Done::of::<PrincipalSessions>(PrincipalSessions::stream_id(principal)))
    }

    fn example() -> Value {
        json!({ "keep_current": true })
    }
}
