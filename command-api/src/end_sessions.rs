//! The operator's command that ends every session: a log that was restored from a backup knows sessions
//! that were revoked since. It has no route.

use agora_domain::{
    Actor,
    identity::session_era::{EndEra, SessionEra, SessionEraCommand},
};
use serde_json::{Value, json};

use crate::{
    Command,
    commands::register_member::RegisterMemberBody,
    decision::{Decision, Done},
    fields::WrongFields,
    refusal::CommandError,
};

/// Ends every session.
pub struct EndSessions;

impl Command for EndSessions {
    const NAME: &'static str = "end-sessions";
    const SUMMARY: &'static str = "End every session, as the platform's operator";
    const RULES: &'static [&'static str] = &["SES-12"];
    type Body = RegisterMemberBody;

    /// There is no route, so no body either.
    fn parse(_: RegisterMemberBody, _: &mut WrongFields) -> Option<Self> {
        None
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let era = decision.load::<SessionEra>(SessionEra::STREAM_ID).await?;
        let end = SessionEraCommand::End(EndEra { revoked_by: Actor::SYSTEM, kept: None });
        decision.decide_on_target(&era, end).await?;
        Ok(Done::of::<SessionEra>(SessionEra::STREAM_ID))
    }

    fn example() -> Value {
        json!({})
    }
}
