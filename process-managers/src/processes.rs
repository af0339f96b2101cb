//! Every process: a module and a line each.

use std::{future::Future, sync::Arc};

use agora_command_api::App;
use agora_domain::process_managers::{Reaction, WakeUp};
use agora_event_store::{LoadError, RecordedEvent};
use agora_service::{objects::Objects, problem::Problem};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    erasure::Eraser,
    exports::worker::{Worker, WorkerArgs},
    geoip::GeoIp,
    mail::Mailer,
    runner::run,
};

pub mod erasure;
pub mod exports;
pub mod ip_enrichment;
pub mod ip_retention;
pub mod mail;
pub mod policy_notices;
pub mod registration_expiry;
pub mod session_expiry;

/// A process as the runner sees it.
pub trait Process: Send + Sync + 'static {
    /// As in `process.checkpoints`.
    const NAME: &'static str;
    const EVENT_TYPES: &'static [&'static str];
    /// What it sends.
    type Command: Send;

    fn on_event(
        &self,
        app: &App,
        event: &RecordedEvent,
    ) -> impl Future<Output = Result<Vec<Reaction<Self::Command>>, LoadError>> + Send;

    fn on_wake_up(&self, wake_up: WakeUp) -> Vec<Reaction<Self::Command>>;

    /// Sends a command for a cause, or does what it says. A refusal means that there is nothing left
    /// to do; a failure of a server, that it is tried again later.
    fn send(
        &self,
        app: &App,
        command: Self::Command,
        cause: uuid::Uuid,
    ) -> impl Future<Output = Result<(), Problem>> + Send;
}

/// Starts every process, and the workers that make exports.
pub fn start(
    app: &App,
    mailer: Mailer,
    geoip: GeoIp,
    objects: &Objects,
    workers: &WorkerArgs,
    eraser: Eraser,
    stop: &CancellationToken,
) -> JoinSet<()> {
    let mut running = JoinSet::new();
    running.spawn(run(session_expiry::SessionExpiry, app.clone(), stop.clone()));
    running.spawn(run(registration_expiry::RegistrationExpiry, app.clone(), stop.clone()));
    running.spawn(run(ip_retention::IpRetention, app.clone(), stop.clone()));
    // Without a database there is nothing to say, and what comes then is asked for what came before.
    if geoip.knows_anything() {
        running.spawn(run(ip_enrichment::IpEnrichment { geoip }, app.clone(), stop.clone()));
    }
    let notices = policy_notices::TellOfPolicies { mailer: mailer.clone() };
    running.spawn(run(notices, app.clone(), stop.clone()));
    running.spawn(run(mail::SendMails { mailer }, app.clone(), stop.clone()));
    let look_after = exports::LookAfterExports { objects: objects.clone() };
    running.spawn(run(look_after, app.clone(), stop.clone()));
    let erasure = erasure::Erasure { eraser: Arc::new(eraser) };
    running.spawn(run(erasure, app.clone(), stop.clone()));
    for _ in 0..workers.export_workers {
        let worker = Worker::new(app.clone(), objects.clone(), workers.clone());
        running.spawn(worker.run(stop.clone()));
    }
    running
}
