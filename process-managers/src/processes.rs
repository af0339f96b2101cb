//! Every process: a module and a line each.

use std::future::Future;

use agora_command_api::App;
use agora_domain::process_managers::{Reaction, WakeUp};
use agora_event_store::{LoadError, RecordedEvent};
use agora_service::problem::Problem;

pub mod session_expiry;

/// A process as the runner sees it.
pub trait Process: Send + Sync + 'static {
    /// As in `process.checkpoints`.
    const NAME: &'static str;
    const EVENT_TYPES: &'static [&'static str];
    /// What it sends.
    type Command: Send;

    fn on_event(
        app: &App,
        event: &RecordedEvent,
    ) -> impl Future<Output = Result<Vec<Reaction<Self::Command>>, LoadError>> + Send;

    fn on_wake_up(wake_up: WakeUp) -> Vec<Reaction<Self::Command>>;

    /// Sends a command for a cause. A refusal means that there is nothing left to do.
    fn send(
        app: &App,
        command: Self::Command,
        cause: uuid::Uuid,
    ) -> impl Future<Output = Result<(), Problem>> + Send;
}

/// Starts every process.
pub fn start(app: &App, stop: &tokio_util::sync::CancellationToken) -> tokio::task::JoinSet<()> {
    let mut running = tokio::task::JoinSet::new();
    running.spawn(crate::runner::run::<session_expiry::SessionExpiry>(app.clone(), stop.clone()));
    running
}
