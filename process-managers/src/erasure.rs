//! Carrying out an erasure that was approved (docs/erasure.md): one store after the other, each done and
//! then recorded in the log. Whoever is killed in between does the store again, which changes nothing
//! more; the ids of what it says in the log derive from the request and the store.

pub mod certificate;
mod mails;
mod reapply;
mod stores;

use std::{path::PathBuf, time::Duration};

use agora_command_api::{
    App, Command,
    commands::update_backup_erasure::UpdateBackupErasure,
    erase::{CompleteErasure, RecordErasureStep, StartErasure},
    execute::{Caller, Conditions, execute},
    refusal::at_once,
};
use agora_domain::{
    compliance::{
        deletion_request::{DeletionRequest, Request},
        deletion_values::{BackupStatus, DeletionStatus, ErasureStep, ErasureStore, StepResult},
    },
    ids::DeletionId,
};
use agora_event_store::erasures::Ledger;
use agora_service::{clock, objects::Objects, problem::Problem};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

pub use self::{
    reapply::{Reapplied, ReapplyError, reapply},
    stores::{Done, Trouble},
};

/// What an operator can choose.
#[derive(clap::Args, Clone, Debug)]
pub struct ErasureArgs {
    /// For so many days backups of the vault are kept; 0 where none are made
    #[arg(long, env = "AGORA_BACKUP_DAYS", default_value_t = 7,
          value_parser = clap::value_parser!(u16).range(0..=365))]
    pub backup_days: u16,
    /// Mails that wait for somebody who is erased have so long to leave, in seconds
    #[arg(long, env = "AGORA_ERASURE_MAIL_SECONDS", default_value_t = 60)]
    pub erasure_mail_seconds: u32,
    /// Every process has let go of a key after so long, in seconds
    #[arg(long, env = "AGORA_ERASURE_CACHE_SECONDS", default_value_t = 5)]
    pub erasure_cache_seconds: u32,
    /// Search tables have so long to be written anew before the step is tried again, in seconds
    #[arg(long, env = "AGORA_ERASURE_SEARCH_SECONDS", default_value_t = 60)]
    pub erasure_search_seconds: u32,
}

impl ErasureArgs {
    fn mail_patience(&self) -> Duration {
        Duration::from_secs(self.erasure_mail_seconds.into())
    }

    fn cache_patience(&self) -> Duration {
        Duration::from_secs(self.erasure_cache_seconds.into())
    }

    fn search_patience(&self) -> Duration {
        Duration::from_secs(self.erasure_search_seconds.into())
    }
}

/// What carries erasures out. It may run on any machine that has the state folder.
pub struct Eraser {
    app: App,
    objects: Objects,
    home: PathBuf,
    ledger: Ledger,
    arguments: ErasureArgs,
}

/// Where an erasure is after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do now.
    Going,
    /// The last backup goes then.
    WaitsUntil(DateTime<Utc>),
    /// Somebody has to be told first.
    WaitsForRecipients,
    /// Nothing is left to do, or was ever to be.
    Ended,
}

impl Eraser {
    /// `home` is the state folder.
    pub fn new(app: App, objects: Objects, home: PathBuf, arguments: ErasureArgs) -> Self {
        let ledger = Ledger::of_home(&home);
        Self { app, objects, home, ledger, arguments }
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Does what can be done now.
    ///
    /// # Errors
    /// Where something failed that is to be tried again.
    pub async fn run(&self, deletion_id: DeletionId) -> Result<Progress, Problem> {
        loop {
            let progress = self.advance(deletion_id).await?;
            if progress != Progress::Going {
                return Ok(progress);
            }
        }
    }

    /// Does the next thing, and says so in the log.
    ///
    /// # Errors
    /// Where it failed and is to be tried again; a failed step is in the log by then.
    pub async fn advance(&self, deletion_id: DeletionId) -> Result<Progress, Problem> {
        let Some(request) = self.request(deletion_id).await? else { return Ok(Progress::Ended) };
        match request.status {
            DeletionStatus::Approved => {
                self.say(StartErasure { deletion_id }, cause(deletion_id, "start")).await?;
                Ok(Progress::Going)
            }
            DeletionStatus::Processing => match request.next_store() {
                Some(store) => self.take(&request, store).await,
                None => self.end(&request).await,
            },
            _ => Ok(Progress::Ended),
        }
    }

    /// The request as the log has it now; none where the log has lost it (a restore).
    pub async fn request(&self, deletion_id: DeletionId) -> Result<Option<Request>, Problem> {
        let loaded = self.app.log.load_fresh::<DeletionRequest>(&deletion_id.to_string()).await;
        let loaded = loaded.map_err(|error| at_once(error.into()))?;
        Ok(loaded.state.get().cloned())
    }

    async fn take(&self, request: &Request, store: ErasureStore) -> Result<Progress, Problem> {
        let done = self.perform(request, store).await;
        let (result, code, count, key_ids) = match &done {
            Ok(done) => (StepResult::Done, done.code, done.count, done.key_ids.clone()),
            Err(trouble) => (StepResult::Failed, Some(trouble.code()), None, Vec::new()),
        };
        let step = ErasureStep {
            at: clock::now(),
            store,
            categories: request.erased_categories(),
            result,
            code: code.and_then(|code| code.parse().ok()),
            count,
            key_ids,
        };
        let deletion_id = request.deletion_id;
        // Each failure that is told is another event.
        let name = match result {
            StepResult::Done => store.as_str().to_owned(),
            StepResult::Failed => format!("{}/failed/{}", store.as_str(), request.steps.len()),
        };
        let said = self.say(RecordErasureStep { deletion_id, step }, cause(deletion_id, &name));
        match done {
            Ok(_) => {
                said.await?;
                metrics::counter!("agora_erasure_steps", "store" => store.as_str()).increment(1);
                Ok(Progress::Going)
            }
            // What only takes its time is no failure.
            Err(trouble) if trouble.is_wait() => {
                Err(Problem::unavailable(format!("erasure {deletion_id} waits: {trouble}")))
            }
            Err(trouble) => {
                metrics::counter!("agora_erasure_steps_failed", "store" => store.as_str())
                    .increment(1);
                tracing::error!(%deletion_id, store = store.as_str(), %trouble,
                                "a step of an erasure failed: it is tried again");
                said.await?;
                Err(Problem::unavailable(format!("erasure {deletion_id}: {trouble}")))
            }
        }
    }

    /// Backups, recipients, certificate.
    async fn end(&self, request: &Request) -> Result<Progress, Problem> {
        let deletion_id = request.deletion_id;
        let update = |status, gone_at| UpdateBackupErasure::new(deletion_id, status, gone_at);
        let kept = TimeDelta::days(self.arguments.backup_days.into());
        let kept_until = request.keys_gone_at().unwrap_or(request.last_at) + kept;
        match request.backup_status {
            BackupStatus::Pending if self.arguments.backup_days == 0 => {
                let command = update(BackupStatus::NotApplicable, None);
                self.say(command, cause(deletion_id, "no-backups")).await?;
                return Ok(Progress::Going);
            }
            BackupStatus::Pending => {
                let command = update(BackupStatus::InProgress, Some(kept_until));
                self.say(command, cause(deletion_id, "backups")).await?;
                return Ok(Progress::Going);
            }
            BackupStatus::InProgress => {
                // An admin may have said that it began: until when it takes is said here, and wakes this.
                let Some(gone_at) = request.backups_gone_at else {
                    let command = update(BackupStatus::InProgress, Some(kept_until));
                    self.say(command, cause(deletion_id, "backups")).await?;
                    return Ok(Progress::Going);
                };
                if gone_at > clock::now() {
                    return Ok(Progress::WaitsUntil(gone_at));
                }
                let command = update(BackupStatus::Completed, None);
                self.say(command, cause(deletion_id, "backups-gone")).await?;
                return Ok(Progress::Going);
            }
            BackupStatus::Completed | BackupStatus::NotApplicable => {}
        }
        if !request.recipients.iter().all(|(_, status)| status.is_settled()) {
            return Ok(Progress::WaitsForRecipients);
        }
        let position = self.keys_position(request).await?;
        let certificate = certificate::Signer::of_home(&self.home)
            .and_then(|signer| signer.certify(request, position, clock::now()))
            .map_err(|error| {
                tracing::error!(%error, "a certificate cannot be signed");
                Problem::unavailable("The certificate cannot be signed.")
            })?;
        let complete = CompleteErasure { deletion_id, certificate };
        self.say(complete, cause(deletion_id, "complete")).await?;
        Ok(Progress::Going)
    }

    /// Where the log says that the keys were destroyed.
    async fn keys_position(&self, request: &Request) -> Result<u64, Problem> {
        let subject = request.subject.subject();
        let events = async {
            let mut connection = self.app.log.pool().acquire().await?;
            agora_event_store::read::stream(&mut connection, "subject_key", subject.as_str()).await
        };
        let events = events.await.map_err(unreachable_log)?;
        Ok(events.last().map_or(0, |event| event.position))
    }

    /// Ids of events derive from the cause. A refusal means that somebody else was first, or that it is
    /// not to be: what the log says then counts, and is looked at again.
    async fn say<C: Command>(&self, command: C, cause: Uuid) -> Result<(), Problem> {
        let caller = Caller::system(Some(cause));
        execute(&self.app, &caller, &Conditions::default(), command).await.map(|_| ())
    }
}

/// What the ids of a step's events derive from.
fn cause(deletion_id: DeletionId, step: &str) -> Uuid {
    Uuid::new_v5(&deletion_id.0, step.as_bytes())
}

fn unreachable_log(error: sqlx::Error) -> Problem {
    at_once(agora_event_store::LoadError::from(error).into())
}
