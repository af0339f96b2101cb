//! Runs `agora_domain::process_managers::ip_retention`.

use agora_command_api::{
    App,
    execute::{Caller, Conditions, execute},
    refusal::at_once,
};
use agora_domain::{
    PersonalCategory, RuleBreak, Subject,
    ids::IpAddressId,
    process_managers::{
        Reaction, WakeUp,
        ip_retention::{self, ForgetIp},
    },
    security::ip_address::IpAddress,
};
use agora_event_store::{LoadError, RecordedEvent};
use agora_service::problem::Problem;

use super::Process;

pub struct IpRetention;

impl Process for IpRetention {
    const NAME: &'static str = ip_retention::NAME;
    const EVENT_TYPES: &'static [&'static str] = ip_retention::EVENT_TYPES;
    type Command = ForgetIp;

    async fn on_event(
        &self,
        app: &App,
        event: &RecordedEvent,
    ) -> Result<Vec<Reaction<ForgetIp>>, LoadError> {
        let id: IpAddressId = event.aggregate_id.parse().map_err(|broken: RuleBreak| {
            LoadError::Database(sqlx::Error::Decode(Box::new(broken)))
        })?;
        // As it is now: what came since gives the same time or a later one.
        let address = app.log.load::<IpAddress>(&event.aggregate_id).await?;
        Ok(ip_retention::on_event(event.event_id, id, &address.state, event.recorded_at))
    }

    fn on_wake_up(&self, wake_up: WakeUp) -> Vec<Reaction<ForgetIp>> {
        ip_retention::on_wake_up(wake_up)
    }

    /// Forgets the address, then destroys its key: from then on no copy of the log tells it.
    async fn send(&self, app: &App, command: ForgetIp, cause: uuid::Uuid) -> Result<(), Problem> {
        let id = command.id;
        execute(app, &Caller::system(Some(cause)), &Conditions::default(), command).await?;
        let address = app.log.load_fresh::<IpAddress>(&id.to_string()).await;
        let address = address.map_err(|error| at_once(error.into()))?;
        if address.state.get().is_some() {
            return Ok(());
        }
        let destroyed =
            app.log.vault().destroy(&Subject::from(id.0), &[PersonalCategory::Network]).await;
        destroyed.map_err(|error| {
            tracing::error!(%error, "an address's key is not destroyed");
            Problem::unavailable("The vault cannot be reached.")
        })
    }
}
