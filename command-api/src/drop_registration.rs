//! The platform's own command that ends a registration which nobody confirmed in time; it has no route.

use agora_domain::{
    Actor,
    identity::credential::{Credential, CredentialCommand, InvalidateCredential},
    process_managers::registration_expiry::DropRegistration,
};
use serde_json::{Value, json};

use crate::{
    Command,
    commands::register_member::RegisterMemberBody,
    decision::{Decision, Done},
    fields::WrongFields,
    refusal::CommandError,
};

impl Command for DropRegistration {
    const NAME: &'static str = "drop-registration";
    const SUMMARY: &'static str = "End a registration that nobody confirmed in time";
    const RULES: &'static [&'static str] = &["CRD-12"];
    type Body = RegisterMemberBody;

    /// There is no route, so no body either.
    fn parse(_: RegisterMemberBody, _: &mut WrongFields) -> Option<Self> {
        None
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let id = self.credential_id;
        let credential = decision.load::<Credential>(id.to_string()).await?;
        if credential.state.awaits_registration() {
            let invalidate = InvalidateCredential { invalidated_by: Actor::SYSTEM };
            decision.decide(&credential, CredentialCommand::Invalidate(invalidate)).await?;
        }
        Ok(Done::of::<Credential>(id))
    }

    fn example() -> Value {
        json!({})
    }
}
