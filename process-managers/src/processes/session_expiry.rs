//! Runs `agora_domain::process_managers::session_expiry`.

use agora_command_api::{
    App,
    execute::{Caller, Conditions, execute},
};
use agora_domain::{
    RuleBreak,
    identity::session::Session,
    ids::SessionId,
    process_managers::{
        Reaction, WakeUp,
        session_expiry::{self, ExpireSession},
    },
};
use agora_event_store::{LoadError, RecordedEvent};
use agora_service::problem::Problem;

use super::Process;

pub struct SessionExpiry;

impl Process for SessionExpiry {
    const NAME: &'static str = session_expiry::NAME;
    const EVENT_TYPES: &'static [&'static str] = session_expiry::EVENT_TYPES;
    type Command = ExpireSession;

    async fn on_event(
        &self,
        app: &App,
        event: &RecordedEvent,
    ) -> Result<Vec<Reaction<ExpireSession>>, LoadError> {
        let session_id: SessionId = event.aggregate_id.parse().map_err(|broken: RuleBreak| {
            LoadError::Database(sqlx::Error::Decode(Box::new(broken)))
        })?;
        let recorded = app.log.read_event::<Session>(event).await?;
        Ok(session_expiry::on_event(event.event_id, session_id, &recorded))
    }

    fn on_wake_up(&self, wake_up: WakeUp) -> Vec<Reaction<ExpireSession>> {
        session_expiry::on_wake_up(wake_up)
    }

    async fn send(
        &self,
        app: &App,
        command: ExpireSession,
        cause: uuid::Uuid,
    ) -> Result<(), Problem> {
        let caller = Caller::system(Some(cause));
        execute(app, &caller, &Conditions::default(), command).await.map(|_| ())
    }
}
