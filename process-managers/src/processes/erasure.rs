//! Runs `agora_domain::process_managers::erasure`.

use std::sync::Arc;

use agora_command_api::{App, refusal::at_once};
use agora_domain::{
    compliance::deletion_request::DeletionRequest,
    process_managers::{
        Reaction, WakeUp,
        erasure::{self, TakeTurn, request_of},
    },
};
use agora_event_store::{LoadError, RecordedEvent, read};
use agora_service::problem::Problem;
use uuid::Uuid;

use super::Process;
use crate::erasure::Eraser;

pub struct Erasure {
    pub eraser: Arc<Eraser>,
}

impl Process for Erasure {
    const NAME: &'static str = erasure::NAME;
    const EVENT_TYPES: &'static [&'static str] = erasure::EVENT_TYPES;
    type Command = TakeTurn;

    async fn on_event(
        &self,
        app: &App,
        event: &RecordedEvent,
    ) -> Result<Vec<Reaction<TakeTurn>>, LoadError> {
        let recorded = app.log.read_event::<DeletionRequest>(event).await?;
        Ok(erasure::on_event(event.event_id, event.recorded_at, &recorded))
    }

    fn on_wake_up(&self, wake_up: WakeUp) -> Vec<Reaction<TakeTurn>> {
        erasure::on_wake_up(wake_up)
    }

    /// Where it waits for a time or for somebody, another event wakes it.
    async fn send(&self, app: &App, _: TakeTurn, cause: Uuid) -> Result<(), Problem> {
        let event = async {
            let mut connection = app.log.pool().acquire().await?;
            read::by_id(&mut connection, cause).await
        };
        let event = event.await.map_err(|error| at_once(LoadError::from(error).into()))?;
        // None where the log has lost it (a restore): the ledger tells then.
        match event.and_then(|event| request_of(&event.aggregate_id)) {
            Some(deletion_id) => self.eraser.run(deletion_id).await.map(|_| ()),
            None => Ok(()),
        }
    }
}
