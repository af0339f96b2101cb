//! Records that are not events of the domain (what happened to security, what was searched for),
//! written in groups into append-only tables of their own, partitioned by day.
//!
//! One task writes. While Postgres is away, records are kept in a local file, and written when it is
//! back. What kinds there are: [`crate::security`], [`crate::searches`].

mod spill;

use std::{path::PathBuf, sync::Arc, time::Duration};

use agora_domain::{PersonalCategory, Subject};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::PgPool;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use crate::{
    Vault,
    seal::{self, Context},
};
use spill::Spill;

const QUEUE: usize = 8_192;
const GROUP_MAX: usize = 1_000;
/// How often partitions are prepared, and old ones dropped.
const HOUSEKEEPING: Duration = Duration::from_secs(3_600);

/// A kind of record.
pub(crate) trait Kind: Send + Sync + 'static {
    type Record: Send + 'static;
    /// A record as it is stored: what is personal is sealed.
    type Row: Serialize + DeserializeOwned + Send + Sync;

    /// For messages to operators.
    const NAME: &'static str;
    /// Counters of rows that went to the file, and of records that are nowhere.
    const SPILLED: &'static str;
    const LOST: &'static str;
    /// How long a group is gathered.
    const GATHER: Duration;

    /// The rows that a group of records becomes, with their ids and times.
    fn rows(
        &self,
        group: Vec<Self::Record>,
        sealer: &Sealer,
    ) -> impl Future<Output = Vec<Self::Row>> + Send;

    /// Writes rows; those that are there already stay as they are.
    fn insert(
        &self,
        pool: &PgPool,
        rows: &[Self::Row],
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Prepares the coming days' partitions, and whatever else is due every hour.
    fn keep_house(&self, pool: &PgPool) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// Seals what is personal in records.
pub(crate) struct Sealer(Vault);

impl Sealer {
    /// Sealed, or left out where the vault is away: nothing is stored in the clear.
    pub(crate) async fn seal(
        &self,
        record: (&'static str, Uuid),
        field: &'static str,
        (subject, category): (&Subject, PersonalCategory),
        text: &str,
    ) -> Option<String> {
        let id = record.1.to_string();
        let context = Context { aggregate_type: record.0, aggregate_id: &id, sequence: 0, field };
        seal::seal_text(&self.0, &context, subject, category, text)
            .await
            .inspect_err(|error| tracing::error!(%error, field, "a record's field is left out"))
            .ok()
    }
}

/// A record and who waits for it; without a record, only for all before it.
type Waiting<K> = (Option<<K as Kind>::Record>, Option<oneshot::Sender<()>>);

/// The way to the writing task.
pub(crate) struct Records<K: Kind> {
    queue: mpsc::Sender<Waiting<K>>,
}

impl<K: Kind> Clone for Records<K> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<K: Kind> Records<K> {
    /// Starts the writing task. `spill` is the file that keeps records while Postgres is away.
    pub(crate) fn start(kind: K, pool: PgPool, vault: Vault, spill: Option<PathBuf>) -> Self {
        let (queue, records) = mpsc::channel(QUEUE);
        let spill = spill.map(|path| Spill::new(path, K::LOST));
        let writer = Writer { kind: Arc::new(kind), pool, sealer: Sealer(vault), spill };
        tokio::spawn(writer.run(records));
        Self { queue }
    }

    /// Writes a record; returns when it is stored (in Postgres, or in the spill file).
    pub(crate) async fn write(&self, record: K::Record) {
        self.wait(Some(record)).await;
    }

    /// Hands a record over and does not wait. What does not fit into the queue is lost, and counted.
    pub(crate) fn note(&self, record: K::Record) {
        if self.queue.try_send((Some(record), None)).is_err() {
            metrics::counter!(K::LOST).increment(1);
        }
    }

    /// Waits until everything that was handed over before is stored.
    pub(crate) async fn flush(&self) {
        self.wait(None).await;
    }

    async fn wait(&self, record: Option<K::Record>) {
        let (done, is_done) = oneshot::channel();
        if self.queue.send((record, Some(done))).await.is_ok() {
            // Dropped unanswered only when the process goes down.
            let _ = is_done.await;
        }
    }
}

struct Writer<K: Kind> {
    kind: Arc<K>,
    pool: PgPool,
    sealer: Sealer,
    spill: Option<Spill>,
}

impl<K: Kind> Writer<K> {
    async fn run(self, mut queue: mpsc::Receiver<Waiting<K>>) {
        // Apart from the writing: whatever keeps the partitions waiting must keep nobody else.
        let housekeeping =
            tokio::spawn(keep_house_for_ever(Arc::clone(&self.kind), self.pool.clone()));
        while let Some(first) = queue.recv().await {
            let gathered = Instant::now() + K::GATHER;
            let mut group = vec![first];
            while group.len() < GROUP_MAX {
                let somebody_waits = group.last().is_some_and(|(_, done)| done.is_some());
                let next = match queue.try_recv() {
                    Ok(next) => Some(next),
                    Err(_) if somebody_waits || K::GATHER.is_zero() => None,
                    Err(_) => timeout_at(gathered, queue.recv()).await.ok().flatten(),
                };
                let Some(next) = next else { break };
                group.push(next);
            }
            self.write(group).await;
        }
        housekeeping.abort();
    }

    async fn write(&self, group: Vec<Waiting<K>>) {
        let (records, waiting): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let records: Vec<_> = records.into_iter().flatten().collect();
        if !records.is_empty() {
            let rows = self.kind.rows(records, &self.sealer).await;
            if let Err(error) = self.store(&rows).await {
                self.keep(&rows, &error).await;
            }
        }
        for done in waiting.into_iter().flatten() {
            // The caller may have gone; the record is stored all the same.
            let _ = done.send(());
        }
    }

    async fn store(&self, rows: &[K::Row]) -> Result<(), sqlx::Error> {
        if let Some(spill) = &self.spill
            && let Some(kept) = spill.kept().await
        {
            self.kind.insert(&self.pool, &kept).await?;
            spill.clear().await;
        }
        self.kind.insert(&self.pool, rows).await
    }

    async fn keep(&self, rows: &[K::Row], error: &sqlx::Error) {
        tracing::error!(%error, records = rows.len(), "{} could not be stored", K::NAME);
        match &self.spill {
            Some(spill) => {
                metrics::counter!(K::SPILLED).increment(rows.len() as u64);
                spill.keep(rows).await;
            }
            None => metrics::counter!(K::LOST).increment(rows.len() as u64),
        }
    }
}

/// Prepares partitions now and every hour.
async fn keep_house_for_ever<K: Kind>(kind: Arc<K>, pool: PgPool) {
    let mut hours = tokio::time::interval(HOUSEKEEPING);
    loop {
        hours.tick().await;
        if let Err(error) = kind.keep_house(&pool).await {
            let name = K::NAME;
            tracing::warn!(%error, "no partitions for {name}; the default one takes what comes");
        }
    }
}
