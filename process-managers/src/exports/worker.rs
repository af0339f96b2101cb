//! Makes files: takes a job, makes its file, says so in the log.
//!
//! What can happen to it, and what follows:
//! - it is killed: its lease ends, and another worker begins anew. The log tells whether the job was
//!   begun, so that is said once;
//! - it is paused so long that another has the job: it sees that its lease is lost before it ends its
//!   file, and the log takes one end of a job only. Each attempt has a file of its own, and all but
//!   the one that the log names are removed;
//! - an attempt fails, and another may succeed: the job waits, twice as long each time, five times
//!   in all, and fails with the last attempt's code;
//! - it takes too long, in one attempt or in all: it fails with `AGGREGATION_TIMEOUT`.

use std::{panic::AssertUnwindSafe, time::Duration};

use agora_command_api::{
    App, Command,
    commands::{
        mark_export_completed::MarkExportCompleted, mark_export_failed::MarkExportFailed,
        mark_export_processing::MarkExportProcessing,
    },
    execute::{Caller, Conditions, execute},
};
use agora_domain::{
    exports::{
        export_job::{ExportJob, ExportJobEvent, ExportStatus, Job},
        export_values::{ExportFile, FileMetadata, FileSize},
    },
    ids::ExportJobId,
};
use agora_event_store::{Opener, read};
use agora_service::{clock, objects::Objects, problem::Problem};
use chrono::{DateTime, Utc};
use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    queue::{self, Taken},
    source::{Attempt, Made},
    trouble::{AGGREGATION_TIMEOUT, DATA_UNAVAILABLE, GENERATION_FAILED, Trouble, said},
};

/// Attempts at one job.
const ATTEMPTS_MAX: u32 = 5;
/// All attempts together may take so many times as long as one.
const TIMEOUTS_MAX: u32 = 4;
/// How often an idle worker looks for jobs.
const PAUSE: Duration = Duration::from_millis(500);

/// What an operator can choose.
#[derive(clap::Args, Clone, Debug)]
pub struct WorkerArgs {
    /// Files that this process makes at once
    #[arg(long, env = "AGORA_EXPORT_WORKERS", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(0..=16))]
    pub export_workers: u32,
    /// One attempt to make a file may take so long, in seconds
    #[arg(long, env = "AGORA_EXPORT_TIMEOUT_SECONDS", default_value_t = 900,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub export_timeout_seconds: u32,
    /// After a first failure a job waits so long, in seconds; twice as long after each other
    #[arg(long, env = "AGORA_EXPORT_RETRY_SECONDS", default_value_t = 10)]
    pub export_retry_seconds: u32,
    /// A worker that was killed is known to be after so long, in seconds
    #[arg(long, env = "AGORA_EXPORT_LEASE_SECONDS", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub export_lease_seconds: u32,
}

impl Default for WorkerArgs {
    fn default() -> Self {
        Self {
            export_workers: 1,
            export_timeout_seconds: 900,
            export_retry_seconds: 10,
            export_lease_seconds: 30,
        }
    }
}

impl WorkerArgs {
    fn timeout(&self) -> Duration {
        Duration::from_secs(self.export_timeout_seconds.into())
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(self.export_lease_seconds.into())
    }

    fn pause(&self, attempt: u32) -> Duration {
        Duration::from_secs(self.export_retry_seconds.into()) * 2_u32.pow(attempt.clamp(1, 6) - 1)
    }
}

pub struct Worker {
    app: App,
    objects: Objects,
    opener: Opener,
    arguments: WorkerArgs,
}

/// How a turn at a job ended.
enum Turn {
    Ended(Result<(), Trouble>),
    Stopped,
}

impl Worker {
    pub fn new(app: App, objects: Objects, arguments: WorkerArgs) -> Self {
        let opener = Opener::new(app.log.vault().clone());
        Self { app, objects, opener, arguments }
    }

    /// Works until stopped. The job under way is given back then: another worker begins it anew.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.take_turn(&stop).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "a worker cannot ask for exports to make"),
            }
            stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
        }
    }

    /// Makes one file, where one is asked for; false where none is.
    ///
    /// # Errors
    /// Where the queue cannot be asked.
    pub async fn take_turn(&self, stop: &CancellationToken) -> Result<bool, sqlx::Error> {
        let pool = self.app.log.pool();
        let lasting = self.arguments.lease();
        let Some(taken) = queue::take(pool, clock::new_id(), lasting).await? else {
            return Ok(false);
        };
        let turn = tokio::select! {
            ended = tokio::time::timeout(self.arguments.timeout(), self.guarded(&taken)) => {
                Turn::Ended(ended.unwrap_or_else(|_| Err(Trouble::timeout())))
            }
            lost = self.keep(&taken) => Turn::Ended(Err(lost)),
            () = stop.cancelled() => Turn::Stopped,
        };
        match turn {
            Turn::Ended(Ok(())) => {}
            Turn::Ended(Err(Trouble::Lost)) => {
                tracing::warn!(job_id = %taken.job_id, "another worker has the export by now");
            }
            Turn::Ended(Err(trouble)) => self.after(&taken, &trouble).await?,
            Turn::Stopped => queue::give_back(pool, &taken).await?,
        }
        Ok(true)
    }

    /// Renews the lease; ends once it is lost.
    async fn keep(&self, taken: &Taken) -> Trouble {
        let lasting = self.arguments.lease();
        let mut last = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(lasting / 4).await;
            match queue::renew(self.app.log.pool(), taken, lasting).await {
                Ok(true) => last = tokio::time::Instant::now(),
                Ok(false) => return Trouble::Lost,
                Err(error) => {
                    tracing::warn!(%error, "a lease cannot be renewed now");
                    // Another may take it from here on.
                    if last.elapsed() >= lasting {
                        return Trouble::Lost;
                    }
                }
            }
        }
    }

    /// An attempt that panics is one that failed: the worker goes on.
    async fn guarded(&self, taken: &Taken) -> Result<(), Trouble> {
        AssertUnwindSafe(self.attempt(taken)).catch_unwind().await.unwrap_or_else(|_| {
            let message = "the attempt has panicked".to_owned();
            Err(Trouble::Later { code: GENERATION_FAILED, message })
        })
    }

    /// From the job's start to its end in the log.
    async fn attempt(&self, taken: &Taken) -> Result<(), Trouble> {
        let Some(job) = self.open_job(taken).await? else { return Ok(()) };
        if taken.attempt > ATTEMPTS_MAX {
            // Nobody was there to say why: each worker was killed over it.
            let code = taken.last_code.as_deref().unwrap_or(AGGREGATION_TIMEOUT);
            return self.fail(taken, code, said(code)).await;
        }
        if taken.age > self.arguments.timeout() * TIMEOUTS_MAX {
            return Err(Trouble::timeout());
        }
        if job.status == ExportStatus::Pending {
            self.say(MarkExportProcessing::new(taken.job_id), taken.cause).await?;
        }
        let Some(job) = self.open_job(taken).await? else { return Ok(()) };
        let Some((start_id, generated_at)) = self.start(taken.job_id).await? else {
            return Err(Trouble::from(Problem::internal()));
        };
        let attempt = Attempt {
            app: &self.app,
            objects: &self.objects,
            opener: &self.opener,
            job: &job,
            wanted: taken.position,
            generated_at,
            number: taken.number,
        };
        let made = attempt.make().await?;
        self.complete(taken, &job, made, start_id).await
    }

    async fn complete(
        &self,
        taken: &Taken,
        job: &Job,
        made: Made,
        start_id: Uuid,
    ) -> Result<(), Trouble> {
        let Made { upload, file_name, written, position, schema_version, is_draft } = made;
        if !queue::renew(self.app.log.pool(), taken, self.arguments.lease()).await? {
            upload.abort().await;
            return Err(Trouble::Lost);
        }
        let stored = upload.finish().await?;
        let kind = job.content.kind().as_str();
        let file = async {
            let name = file_name.parse().ok()?;
            Some(ExportFile {
                file_path: job.file_path(&name).parse().ok()?,
                file_name: name,
                file_size_bytes: i64::try_from(stored.size_bytes)
                    .ok()
                    .and_then(|size| FileSize::try_from(size).ok())?,
                checksum_sha256: stored.sha256.parse().ok()?,
            })
        };
        let broken = Trouble::Never { code: GENERATION_FAILED, message: said(GENERATION_FAILED) };
        let file = file.await.ok_or(broken)?;
        let metadata = FileMetadata {
            row_count: Some(written.rows),
            page_count: written.pages,
            schema_version: schema_version.and_then(|version| version.parse().ok()),
            log_position: Some(position),
            data_sha256: written.data_sha256.parse().ok(),
            is_draft,
        };
        self.say(MarkExportCompleted::new(taken.job_id, file, metadata), start_id).await?;
        self.settle(taken).await?;
        tracing::info!(job_id = %taken.job_id, rows = written.rows, bytes = stored.size_bytes,
                       attempt = taken.number, "an export is made");
        metrics::counter!("agora_exports", "kind" => kind, "outcome" => "completed").increment(1);
        metrics::counter!("agora_export_rows", "kind" => kind).increment(written.rows);
        metrics::counter!("agora_export_bytes", "kind" => kind).increment(stored.size_bytes);
        Ok(())
    }

    /// Another attempt, or the end.
    async fn after(&self, taken: &Taken, trouble: &Trouble) -> Result<(), sqlx::Error> {
        let (code, message) = trouble.said();
        tracing::warn!(job_id = %taken.job_id, attempt = taken.attempt, %trouble,
                       "an attempt to make an export failed");
        metrics::counter!("agora_export_attempts_failed", "code" => code).increment(1);
        let is_worth_another = matches!(trouble, Trouble::Later { .. });
        let pause = self.arguments.pause(taken.attempt);
        if is_worth_another && taken.attempt < ATTEMPTS_MAX {
            return queue::postpone(self.app.log.pool(), taken, code, pause).await;
        }
        if let Err(error) = self.fail(taken, code, message).await {
            // Nothing is said yet, so it is tried again: the next attempt only says it.
            tracing::warn!(job_id = %taken.job_id, %error, "a failure cannot be said now");
            return queue::postpone(self.app.log.pool(), taken, code, pause).await;
        }
        Ok(())
    }

    async fn fail(&self, taken: &Taken, code: &str, message: &str) -> Result<(), Trouble> {
        let (Ok(error_code), Ok(error_message)) = (code.parse(), message.parse()) else {
            return Err(Trouble::from(Problem::internal()));
        };
        let cause = match self.start(taken.job_id).await? {
            Some((start_id, _)) => start_id,
            None => taken.cause,
        };
        let failed = MarkExportFailed::new(taken.job_id, error_code, error_message);
        self.say(failed, cause).await?;
        metrics::counter!("agora_exports", "outcome" => "failed").increment(1);
        self.settle(taken).await
    }

    /// The job, where it has not ended; else there is nothing left to do for it.
    async fn open_job(&self, taken: &Taken) -> Result<Option<Job>, Trouble> {
        let export = self.app.log.load_fresh::<ExportJob>(&taken.job_id.to_string()).await?;
        let open = export.state.get().filter(|job| !job.status.is_terminal()).cloned();
        if open.is_none() {
            self.settle(taken).await?;
        }
        Ok(open)
    }

    /// Once the export has ended, whoever ended it: what is no file of it goes, and so does the job.
    async fn settle(&self, taken: &Taken) -> Result<(), Trouble> {
        let export = self.app.log.load_fresh::<ExportJob>(&taken.job_id.to_string()).await?;
        match export.state.get() {
            // Others kept changing what its end needs.
            Some(job) if !job.status.is_terminal() => {
                let message = "the end of an export could not be said".to_owned();
                return Err(Trouble::Later { code: DATA_UNAVAILABLE, message });
            }
            Some(job) => {
                let kept = job.file.as_ref().map(|file| file.file_path.as_str());
                // What stays is swept later.
                if let Err(error) = self.objects.clear(&super::folder(job), kept).await {
                    tracing::warn!(job_id = %taken.job_id, %error, "files of attempts stay");
                }
            }
            None => {}
        }
        Ok(queue::remove(self.app.log.pool(), taken.job_id).await?)
    }

    /// Where the log says that the job was begun, and when.
    async fn start(&self, job_id: ExportJobId) -> Result<Option<(Uuid, DateTime<Utc>)>, Trouble> {
        let events = {
            let mut connection = self.app.log.pool().acquire().await?;
            read::stream(&mut connection, "export_job", &job_id.to_string()).await?
        };
        let Some(event) = events.iter().find(|event| event.event_type == "ExportStarted") else {
            return Ok(None);
        };
        match self.app.log.read_event::<ExportJob>(event).await? {
            ExportJobEvent::ExportStarted { processing_started_at } => {
                Ok(Some((event.event_id, processing_started_at)))
            }
            _ => Ok(None),
        }
    }

    /// Ids of events derive from the cause. A refusal is no trouble: somebody else was first, and what
    /// the log says then counts.
    async fn say<C: Command>(&self, command: C, cause: Uuid) -> Result<(), Trouble> {
        let caller = Caller::system(Some(cause));
        match execute(&self.app, &caller, &Conditions::default(), command).await {
            Ok(_) => Ok(()),
            Err(problem) if problem.kind.status().is_server_error() => Err(problem.into()),
            Err(problem) => {
                tracing::info!(command = C::NAME, rule = problem.rule, "the log has decided");
                Ok(())
            }
        }
    }
}
