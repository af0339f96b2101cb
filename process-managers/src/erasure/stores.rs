//! What is done about each store. Each can be done again at any time, and changes nothing more then.

use std::time::Duration;

use agora_command_api::{
    commands::purge_expired_exports::PurgeExpiredExports,
    erase::{CloseErasedAccount, NoteKeysDestroyed},
    exports::AT_ONCE_MAX,
};
use agora_domain::{
    Actor, PersonalCategory,
    compliance::{deletion_request::Request, deletion_values::ErasureStore},
    exports::export_job::ExportKind,
    ids::{DeletionId, ExportJobId},
};
use agora_event_store::{
    Position,
    erasures::{DoomedKey, End, Entry, LedgerError},
    read::{self, to_db},
    vault::{KeyId, VaultError},
};
use agora_service::{clock, objects::StorageError, problem::Problem};
use sqlx::Row;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Eraser, cause};

/// How often something that takes its time is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// What a step found.
#[derive(Debug, Default)]
pub struct Done {
    pub code: Option<&'static str>,
    /// How many things went.
    pub count: Option<u64>,
    /// What the destroyed keys were called.
    pub key_ids: Vec<Box<str>>,
}

impl Done {
    fn of(count: usize) -> Self {
        Self { count: Some(count as u64), ..Self::default() }
    }
}

/// Why a step could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Others have not done their part yet.
    #[error("{0}")]
    Wait(&'static str),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("mails in files: {0}")]
    Mails(std::io::Error),
    #[error("{0}")]
    Refused(String),
}

impl Trouble {
    /// As the processing log has it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Wait(code) => code,
            Self::Ledger(_) => "ledger_failed",
            Self::Vault(_) => "vault_failed",
            Self::Database(_) => "database_failed",
            Self::Storage(_) => "storage_failed",
            Self::Mails(_) => "mail_folder_failed",
            Self::Refused(_) => "refused",
        }
    }

    pub fn is_wait(&self) -> bool {
        matches!(self, Self::Wait(_))
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem.detail.into_owned())
    }
}

impl Eraser {
    /// Does what one store asks for.
    ///
    /// # Errors
    /// Where it is to be tried again.
    pub async fn perform(&self, request: &Request, store: ErasureStore) -> Result<Done, Trouble> {
        let (deletion_id, subject) = (request.deletion_id, request.subject);
        match store {
            ErasureStore::Account => self.close_account(deletion_id, subject, false).await,
            ErasureStore::Ledger => self.write_ledger(request).await,
            ErasureStore::Mail => self.remove_mails(subject, self.arguments.mail_patience()).await,
            ErasureStore::Keys => {
                // As the ledger names them: by now some may be destroyed.
                // Where another machine wrote its line on a disk that is not shared, this one does too.
                let entry = match self.ledger_entry(deletion_id)? {
                    Some(entry) => entry,
                    None => {
                        self.write_ledger(request).await?;
                        self.ledger_entry(deletion_id)?.ok_or(Trouble::Wait("no_ledger"))?
                    }
                };
                self.destroy_keys(&entry).await
            }
            ErasureStore::VaultTable => {
                let is_flushed = self.app.log.vault().rewrite().await?;
                Ok(Done { code: (!is_flushed).then_some("wal_not_flushed"), ..Done::default() })
            }
            ErasureStore::SearchWords => self.forget_words(subject).await,
            ErasureStore::SearchRecords => self.forget_searches(subject).await,
            ErasureStore::Caches => {
                sleep(self.arguments.cache_patience()).await;
                Ok(Done::default())
            }
            ErasureStore::Files => self.remove_files(subject, deletion_id).await,
        }
    }

    pub(super) async fn close_account(
        &self,
        deletion_id: DeletionId,
        subject: Actor,
        is_restored: bool,
    ) -> Result<Done, Trouble> {
        let close = CloseErasedAccount { subject, is_restored };
        self.say(close, cause(deletion_id, "close-account")).await?;
        Ok(Done::default())
    }

    /// The line of a request, where it is written.
    fn ledger_entry(&self, deletion_id: DeletionId) -> Result<Option<Entry>, Trouble> {
        let entries = self.ledger.read()?;
        Ok(entries.into_iter().rev().find(|entry| entry.deletion_id == deletion_id.0))
    }

    async fn write_ledger(&self, request: &Request) -> Result<Done, Trouble> {
        // Written before it was recorded: the keys are the same still, or some made since have to go too.
        let subject = request.subject.subject();
        let keys = self.app.log.vault().key_ids(&subject, &request.erased_categories()).await?;
        let doomed: Vec<DoomedKey> =
            keys.into_iter().map(|(category, key_id)| DoomedKey { category, key_id }).collect();
        let end = if request.scope.closes_account() { End::Destroy } else { End::Replace };
        let position = self.head().await?;
        let entry = Entry::new(
            request.deletion_id.0,
            request.subject,
            end,
            doomed,
            request.scope.closes_account(),
            (position, clock::now()),
        );
        let ledger = self.ledger.clone();
        let written = tokio::task::spawn_blocking(move || ledger.append(&entry)).await;
        written.map_err(|_| Trouble::Wait("ledger_task_ended"))??;
        Ok(Done::of(1))
    }

    /// Destroys the keys that a line of the ledger names, and says so in the log.
    pub(super) async fn destroy_keys(&self, entry: &Entry) -> Result<Done, Trouble> {
        let (vault, subject) = (self.app.log.vault(), entry.subject.subject());
        match entry.end {
            End::Destroy => vault.destroy(&subject, &entry.categories()).await?,
            End::Replace => {
                // Whoever is killed in between leaves nobody who goes on writing with a key that is gone.
                self.note_keys(entry, true).await?;
                for DoomedKey { category, key_id } in &entry.keys {
                    if let Some(key_id) = key_id {
                        vault.replace(&subject, *category, key_id).await?;
                    }
                }
            }
        }
        self.note_keys(entry, false).await?;
        let key_ids: Vec<Box<str>> = entry
            .keys
            .iter()
            .filter_map(|key| key.key_id.as_ref().map(KeyId::as_str))
            .map(Box::from)
            .collect();
        Ok(Done { count: Some(key_ids.len() as u64), key_ids, code: None })
    }

    /// Has every process let go of the keys, and of what they opened.
    async fn note_keys(&self, entry: &Entry, is_announced: bool) -> Result<(), Trouble> {
        let deletion_id = DeletionId(entry.deletion_id);
        let note = NoteKeysDestroyed {
            deletion_id,
            subject: entry.subject,
            categories: entry.categories(),
            are_replaced: entry.end == End::Replace,
            is_announced,
        };
        let step = if is_announced { "keys-announced" } else { "keys-destroyed" };
        Ok(self.say(note, cause(deletion_id, step)).await?)
    }

    /// Takes the words out, and has the tables written anew; waits for that.
    async fn forget_words(&self, subject: Actor) -> Result<Done, Trouble> {
        let (rows, number) = self.ask_for_new_search_tables(subject).await?;
        let deadline = Instant::now() + self.arguments.search_patience();
        loop {
            if let Some(code) = self.rewritten(number).await? {
                return Ok(Done { code, ..Done::of(rows) });
            }
            if Instant::now() > deadline {
                return Err(Trouble::Wait("search_tables_not_rewritten"));
            }
            sleep(LOOK).await;
        }
    }

    /// From here on no word of the person is found; of how many texts there were, and which rewriting
    /// takes them from dead rows.
    pub(super) async fn ask_for_new_search_tables(
        &self,
        subject: Actor,
    ) -> Result<(usize, i64), Trouble> {
        let pool = self.app.log.pool();
        let rows: i64 = sqlx::query_scalar("SELECT search.forget_subject($1)")
            .bind(subject.subject().as_str())
            .fetch_one(pool)
            .await?;
        // One that began after this is enough; another try does not ask again.
        let number = sqlx::query_scalar(
            "WITH waiting AS (
                 SELECT max(number) AS number FROM search.rewrites
                 WHERE done_at IS NULL AND $1 = 0),
             asked AS (
                 INSERT INTO search.rewrites (requested_at)
                 SELECT clock_timestamp() FROM waiting WHERE number IS NULL RETURNING number)
             SELECT coalesce((SELECT number FROM asked), (SELECT number FROM waiting))",
        )
        .bind(rows)
        .fetch_one(pool)
        .await?;
        Ok((usize::try_from(rows).unwrap_or_default(), number))
    }

    /// None while it is not done; else what the database did not let be done.
    async fn rewritten(&self, number: i64) -> Result<Option<Option<&'static str>>, sqlx::Error> {
        let row = sqlx::query(
            "SELECT done_at IS NOT NULL AS is_done, left_undone FROM search.rewrites
             WHERE number = $1",
        )
        .bind(number)
        .fetch_one(self.app.log.pool())
        .await?;
        let undone: Option<String> = row.try_get("left_undone")?;
        let code = undone.map(|undone| match undone.as_str() {
            "statistics_not_rewritten" => "statistics_not_rewritten",
            "wal_not_flushed" => "wal_not_flushed",
            _ => "statistics_and_wal_remain",
        });
        Ok(row.try_get::<bool, _>("is_done")?.then_some(code))
    }

    pub(super) async fn forget_searches(&self, subject: Actor) -> Result<Done, Trouble> {
        let rows: i64 = sqlx::query_scalar("SELECT log.forget_searches($1)")
            .bind(subject.id)
            .fetch_one(self.app.log.pool())
            .await?;
        Ok(Done::of(usize::try_from(rows).unwrap_or_default()))
    }

    /// Files of the person's own exports, of which nobody makes one any more, and of the platform's
    /// texts, among which the person's may be.
    pub(super) async fn remove_files(
        &self,
        subject: Actor,
        deletion_id: DeletionId,
    ) -> Result<Done, Trouble> {
        let mails = self.remove_known_mails(subject).await?;
        self.wait_for_read_tables().await?;
        let (jobs, is_busy) = self.exports_of(subject).await?;
        if is_busy {
            return Err(Trouble::Wait("exports_are_being_made"));
        }
        Ok(Done::of(mails + self.clear(&jobs, deletion_id).await?))
    }

    /// As [`Self::remove_files`], of what a restored database knows of: nobody makes anything yet.
    pub(super) async fn remove_restored_files(
        &self,
        subject: Actor,
        deletion_id: DeletionId,
    ) -> Result<(), Trouble> {
        self.remove_known_mails(subject).await?;
        let (jobs, _) = self.exports_of(subject).await?;
        self.clear(&jobs, deletion_id).await.map(|_| ())
    }

    /// Purges files and removes them; says how many.
    async fn clear(&self, jobs: &[Job], deletion_id: DeletionId) -> Result<usize, Trouble> {
        let with_file: Vec<ExportJobId> =
            jobs.iter().filter(|job| job.has_file).map(|job| job.job_id).collect();
        for part in with_file.chunks(AT_ONCE_MAX) {
            let purge = PurgeExpiredExports::for_erasure(part.to_vec());
            let first = part.first().map(ToString::to_string).unwrap_or_default();
            self.say(purge, cause(deletion_id, &format!("purge/{first}"))).await?;
        }
        for job in jobs {
            let folder = format!("exports/{}/{}", job.kind.as_str(), job.job_id);
            match self.objects.clear(&folder, None).await {
                Ok(()) | Err(StorageError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(with_file.len())
    }

    async fn wait_for_read_tables(&self) -> Result<(), Trouble> {
        let head = self.head().await?;
        let deadline = Instant::now() + self.arguments.search_patience();
        let served = "SELECT coalesce(read.served_position('data_export_logs'), 0)";
        loop {
            let at: i64 = sqlx::query_scalar(served).fetch_one(self.app.log.pool()).await?;
            if at >= to_db(head) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Trouble::Wait("read_tables_are_behind"));
            }
            sleep(LOOK).await;
        }
    }

    /// The exports that may hold something of the person, as of now; and whether one of them is still in
    /// the making.
    async fn exports_of(&self, subject: Actor) -> Result<(Vec<Job>, bool), Trouble> {
        let rows = sqlx::query(
            "SELECT id, kind, file_path IS NOT NULL AND file_purged_at IS NULL AS has_file,
                    kind = 'platform_data' AND status = 'pending' AS is_busy
             FROM (SELECT * FROM read.data_export_logs WHERE member_user_id = $1
                   UNION SELECT * FROM read.data_export_logs WHERE admin_user_id = $1
                   UNION SELECT * FROM read.data_export_logs
                   WHERE kind = 'platform_data' AND expires_at IS NOT NULL AND file_purged_at IS NULL
                   UNION SELECT * FROM read.data_export_logs
                   WHERE kind = 'platform_data' AND status = 'pending'
                     AND created_at > clock_timestamp() - interval '30 days') e",
        )
        .bind(subject.id)
        .fetch_all(self.app.log.pool())
        .await?;
        let (mut jobs, mut is_busy) = (Vec::with_capacity(rows.len()), false);
        for row in rows {
            is_busy |= row.try_get::<bool, _>("is_busy")?;
            let kind: String = row.try_get("kind")?;
            let of_kind = [ExportKind::SubjectData, ExportKind::PlatformData];
            let Some(kind) = of_kind.into_iter().find(|it| it.as_str() == kind) else { continue };
            let job_id = ExportJobId(row.try_get::<Uuid, _>("id")?);
            jobs.push(Job { job_id, kind, has_file: row.try_get("has_file")? });
        }
        Ok((jobs, is_busy))
    }

    pub(super) async fn head(&self) -> Result<Position, sqlx::Error> {
        let mut connection = self.app.log.pool().acquire().await?;
        read::head(&mut connection).await
    }
}

/// An export whose files go.
struct Job {
    job_id: ExportJobId,
    kind: ExportKind,
    has_file: bool,
}

/// Whether what the person wrote goes with an entry.
pub(super) fn takes_content(entry: &Entry) -> bool {
    entry.categories().contains(&PersonalCategory::Content)
}
