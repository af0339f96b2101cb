//! The platform's own command that ends a session whose time is over; it has no route.

use agora_domain::{
    Actor,
    identity::{session::Session, values::RevocationCause},
    process_managers::session_expiry::ExpireSession,
};
use serde_json::{Value, json};

use crate::{
    Command,
    commands::register_member::RegisterMemberBody,
    decision::{Decision, Done},
    fields::WrongFields,
    refusal::CommandError,
    sessions,
};

impl Command for ExpireSession {
    const NAME: &'static str = "expire-session";
    const SUMMARY: &'static str = "End a session whose time is over";
    const RULES: &'static [&'static str] = &["SES-05"];
    type Body = RegisterMemberBody;

    /// There is no route, so no body either.
    fn parse(_: RegisterMemberBody, _: &mut WrongFields) -> Option<Self> {
        None
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let session_id = self.session_id;
        let session = decision.load::<Session>(session_id.to_string()).await?;
        if let Some(principal) = session.state.principal() {
            let (system, cause) = (Actor::SYSTEM, RevocationCause::Expired);
            sessions::end(decision, principal, session_id, system, cause).await?;
        }
        Ok(Done::of::<Session>(session_id))
    }

    fn example() -> Value {
        json!({})
    }
}
