//! Runs `agora_domain::process_managers::registration_expiry`.

use agora_command_api::{
    App,
    execute::{Caller, Conditions, execute},
    refusal::at_once,
};
use agora_domain::{
    PersonalCategory, RuleBreak,
    identity::credential::Credential,
    ids::CredentialId,
    process_managers::{
        Reaction, WakeUp,
        registration_expiry::{self, DropRegistration},
    },
};
use agora_event_store::{LoadError, RecordedEvent};
use agora_service::problem::Problem;

use super::Process;

pub struct RegistrationExpiry;

impl Process for RegistrationExpiry {
    const NAME: &'static str = registration_expiry::NAME;
    const EVENT_TYPES: &'static [&'static str] = registration_expiry::EVENT_TYPES;
    type Command = DropRegistration;

    async fn on_event(
        &self,
        app: &App,
        event: &RecordedEvent,
    ) -> Result<Vec<Reaction<DropRegistration>>, LoadError> {
        let credential_id: CredentialId =
            event.aggregate_id.parse().map_err(|broken: RuleBreak| {
                LoadError::Database(sqlx::Error::Decode(Box::new(broken)))
            })?;
        let recorded = app.log.read_event::<Credential>(event).await?;
        Ok(registration_expiry::on_event(event.event_id, credential_id, &recorded))
    }

    fn on_wake_up(&self, wake_up: WakeUp) -> Vec<Reaction<DropRegistration>> {
        registration_expiry::on_wake_up(wake_up)
    }

    /// Ends the registration, then destroys the keys of whoever it would have made a member: that is
    /// nobody, so nothing else is sealed with them.
    async fn send(
        &self,
        app: &App,
        command: DropRegistration,
        cause: uuid::Uuid,
    ) -> Result<(), Problem> {
        let id = command.credential_id.to_string();
        execute(app, &Caller::system(Some(cause)), &Conditions::default(), command).await?;
        let credential = app.log.load_fresh::<Credential>(&id).await;
        let credential = credential.map_err(|error| at_once(error.into()))?;
        let Some(nobody) = credential.state.dropped_holder() else { return Ok(()) };
        let destroyed = app.log.vault().destroy(&nobody.subject(), &PersonalCategory::ALL).await;
        destroyed.map_err(|error| {
            tracing::error!(%error, "a registration's keys are not destroyed");
            Problem::unavailable("The vault cannot be reached.")
        })
    }
}
