//! Runs `agora_domain::process_managers::exports`: puts what was asked for where the workers
//! ([`crate::exports::worker`]) take it from, and looks after files and rows.

use agora_command_api::{
    App, Command,
    commands::{archive_exports::ArchiveExports, purge_expired_exports::PurgeExpiredExports},
    execute::{Caller, Conditions, execute},
    refusal::at_once,
};
use agora_domain::{
    exports::export_job::ExportJob,
    ids::ExportJobId,
    process_managers::{
        Reaction, WakeUp,
        exports::{self, DoTask, ExportTask},
    },
};
use agora_event_store::{LoadError, RecordedEvent, read};
use agora_service::{
    clock,
    objects::{Objects, StorageError},
    problem::Problem,
};
use uuid::Uuid;

use super::Process;
use crate::exports::queue;

pub struct LookAfterExports {
    pub objects: Objects,
}

impl Process for LookAfterExports {
    const NAME: &'static str = exports::NAME;
    const EVENT_TYPES: &'static [&'static str] = exports::EVENT_TYPES;
    type Command = DoTask;

    async fn on_event(
        &self,
        app: &App,
        event: &RecordedEvent,
    ) -> Result<Vec<Reaction<DoTask>>, LoadError> {
        let recorded = app.log.read_event::<ExportJob>(event).await?;
        Ok(exports::on_event(event.event_id, &recorded))
    }

    fn on_wake_up(&self, wake_up: WakeUp) -> Vec<Reaction<DoTask>> {
        exports::on_wake_up(wake_up)
    }

    async fn send(&self, app: &App, command: DoTask, cause: Uuid) -> Result<(), Problem> {
        let Some(task) = ExportTask::find(cause, command.key) else { return Ok(()) };
        // None where the log has lost it (a restore).
        let Some(event) = found(app, cause).await? else { return Ok(()) };
        let job_id: ExportJobId = event.aggregate_id.parse().map_err(|_| Problem::internal())?;
        match task {
            ExportTask::Make => make(app, job_id, &event).await,
            ExportTask::Purge => {
                carry_out(app, PurgeExpiredExports::new(vec![job_id]), command.key).await
            }
            ExportTask::Archive => {
                carry_out(app, ArchiveExports::new(vec![job_id]), command.key).await
            }
            ExportTask::Sweep => self.sweep(app, job_id).await,
        }
    }
}

async fn found(app: &App, event_id: Uuid) -> Result<Option<RecordedEvent>, Problem> {
    let event = async {
        let mut connection = app.log.pool().acquire().await?;
        read::by_id(&mut connection, event_id).await
    };
    event.await.map_err(|error| at_once(LoadError::from(error).into()))
}

async fn make(app: &App, job_id: ExportJobId, event: &RecordedEvent) -> Result<(), Problem> {
    let export = app.log.load_fresh::<ExportJob>(&job_id.to_string()).await;
    let export = export.map_err(|error| at_once(error.into()))?;
    if export.state.get().is_none_or(|job| job.status.is_terminal()) {
        return Ok(());
    }
    let added = queue::add(app.log.pool(), job_id, event.event_id, event.position).await;
    added.map_err(|error| at_once(LoadError::from(error).into()))
}

/// The ids of what follows derive from the task, so that a task that is done twice does nothing twice.
async fn carry_out(app: &App, command: impl Command, task: Uuid) -> Result<(), Problem> {
    let caller = Caller::system(Some(task));
    execute(app, &caller, &Conditions::default(), command).await.map(|_| ())
}

impl LookAfterExports {
    async fn sweep(&self, app: &App, job_id: ExportJobId) -> Result<(), Problem> {
        let export = app.log.load_fresh::<ExportJob>(&job_id.to_string()).await;
        let export = export.map_err(|error| at_once(error.into()))?;
        let Some(job) = export.state.get() else { return Ok(()) };
        let kept = job.available_file(clock::now()).map(|file| file.file_path.as_str());
        let folder = crate::exports::folder(job);
        let cleared = self.objects.clear(&folder, kept).await;
        match cleared {
            Ok(()) | Err(StorageError::NotFound) => {
                let is_gone = job.file.is_some() && kept.is_none();
                metrics::counter!("agora_export_sweeps").increment(1);
                if is_gone {
                    tracing::info!(%job_id, "the file of an export is gone");
                }
                Ok(())
            }
            Err(error) => Err(Problem::unavailable(format!("files of export {job_id}: {error}"))),
        }
    }
}
