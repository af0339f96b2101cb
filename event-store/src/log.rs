//! The log as a service uses it: load aggregates, append units, know the head.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use agora_domain::{Decide, PersonalCategory, StoredName, Subject};
use cqrs_es::persist::EventUpcaster;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    AppendError, Appended, Guard, LoadError, Loaded, Opener, Position, RecordedEvent, StreamName,
    Unit, Vault,
    appender::{Appender, Writer, WriterConfig},
    cache::Cache,
    load::Loader,
    recent::Recent,
    seal::{self, Context, SealError},
    store::LogStore,
    unit::{NewEvent, StateAfter},
    upcast,
};

/// How to open the log.
pub struct LogConfig {
    /// Of the role `agora_writer`.
    pub connect: PgConnectOptions,
    pub vault: Vault,
    /// Aggregates kept in memory.
    pub cache_entries_max: NonZeroUsize,
    /// Connections for loading; the writer has one of its own.
    pub connections_max: u32,
    /// How long commands wait for a lost database before they are answered with 503.
    pub patience: Duration,
    /// What lifts older versions of events when they are read.
    pub upcasters: Vec<Box<dyn EventUpcaster>>,
}

impl LogConfig {
    pub fn new(connect: PgConnectOptions, vault: Vault) -> Self {
        Self {
            connect,
            vault,
            cache_entries_max: NonZeroUsize::new(50_000).expect("the constant is not zero"),
            connections_max: 8,
            patience: Duration::from_secs(10),
            upcasters: upcast::upcasters(),
        }
    }
}

/// The stream that an erasure writes to; what seals for a subject guards it.
pub const SUBJECT_KEY: &str = "subject_key";

/// The log. Cheap to clone.
#[derive(Clone)]
pub struct EventLog {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    vault: Vault,
    loader: Loader,
    cache: Arc<Cache>,
    recent: Arc<Recent>,
    appender: Appender,
    head: watch::Receiver<Position>,
    epoch: watch::Receiver<Uuid>,
}

/// An event of the domain with the id and metadata it gets in the log.
pub struct Draft<'a, A: Decide> {
    pub loaded: &'a Loaded<A>,
    pub events: Vec<A::Event>,
    pub event_ids: &'a mut (dyn FnMut() -> Uuid + Send),
    /// A flat JSON object of strings, without the address, which is sealed for each event.
    pub metadata: &'a str,
    /// The client's address and whose it is.
    pub client_address: Option<(&'a Subject, &'a str)>,
}

impl EventLog {
    /// Connects, reads the head and starts the writing task.
    pub async fn open(config: LogConfig) -> Result<Self, sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(config.connections_max)
            .test_before_acquire(false)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(config.connect.clone())
            .await?;
        let cache = Arc::new(Cache::new(config.cache_entries_max, 0));
        let recent = Arc::new(Recent::default());
        let (head_sender, head) = watch::channel(0);
        let (epoch_sender, epoch) = watch::channel(Uuid::nil());
        let appender = Writer::start(
            WriterConfig {
                connect: config.connect,
                vault: config.vault.clone(),
                patience: config.patience,
            },
            Arc::clone(&cache),
            Arc::clone(&recent),
            head_sender,
            epoch_sender,
        )
        .await?;
        let opener = Opener::new(config.vault.clone());
        let loader = Loader::new(pool.clone(), opener, config.upcasters, Arc::clone(&cache));
        let vault = config.vault;
        let inner = Arc::new(Inner { pool, vault, loader, cache, recent, appender, head, epoch });
        tokio::spawn(keep_up(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// An aggregate from the cache, else from the log. One that does not exist has sequence 0.
    pub async fn load<A: Decide>(&self, aggregate_id: &str) -> Result<Loaded<A>, LoadError> {
        self.inner.loader.load(aggregate_id).await
    }

    /// As [`Self::load`], past the cache.
    pub async fn load_fresh<A: Decide>(&self, aggregate_id: &str) -> Result<Loaded<A>, LoadError> {
        self.inner.loader.load_fresh(StreamName::new(A::TYPE, aggregate_id)).await
    }

    /// An aggregate from the cache, else presumed not to exist yet. See [`Loaded::presumed`].
    pub fn presume<A: Decide>(&self, aggregate_id: &str) -> Loaded<A> {
        self.inner.loader.presume(aggregate_id)
    }

    /// Puts a decision's events into a unit: serialised, sealed, with their place on the stream and
    /// the state after them.
    pub async fn draft<A: Decide>(
        &self,
        unit: &mut Unit,
        draft: Draft<'_, A>,
    ) -> Result<(), SealError> {
        let Draft { loaded, events, event_ids, metadata, client_address } = draft;
        let stream = &loaded.stream;
        // Before any key is used: an erasure that comes between must move the guard.
        let known = self.inner.cache.known();
        let mut sequence = loaded.sequence;
        let mut state = A::clone(&loaded.state);
        for event in events {
            sequence += 1;
            let (event_type, event_version) = (event.stored_type(), event.stored_version());
            let plain = serde_json::to_string(&event)?;
            let (payload, mut subjects) = seal::seal_payload(
                &self.inner.vault,
                A::TYPE,
                &stream.aggregate_id,
                sequence,
                plain,
            )
            .await?;
            let mut metadata = metadata.to_owned();
            if let Some((subject, address)) = client_address {
                let context = Context {
                    aggregate_type: A::TYPE,
                    aggregate_id: &stream.aggregate_id,
                    sequence,
                    field: "metadata.ip",
                };
                let category = PersonalCategory::Network;
                let sealed =
                    seal::seal_text(&self.inner.vault, &context, subject, category, address)
                        .await?;
                insert_member(&mut metadata, "ip", &sealed);
                subjects.push(subject.clone());
            }
            for subject in subjects {
                guard_subject(unit, &subject, known);
            }
            unit.events.push(NewEvent {
                event_id: event_ids(),
                stream: stream.clone(),
                sequence,
                event_type,
                event_version,
                payload,
                metadata,
            });
            state.apply(event);
        }
        unit.after.push(StateAfter { stream: stream.clone(), sequence, state: Arc::new(state) });
        Ok(())
    }

    /// Writes a unit, in one batch with others.
    pub async fn append(&self, unit: Unit) -> Result<Appended, AppendError> {
        self.inner.appender.append(unit).await
    }

    /// Takes in what other instances have written.
    pub async fn catch_up(&self) {
        self.inner.appender.catch_up().await;
    }

    /// The position up to which this process knows the log.
    pub fn head(&self) -> watch::Receiver<Position> {
        self.inner.head.clone()
    }

    /// Changes where the log turns out to be another one than was known (a restore, a failover to an
    /// older state): what was read of it before tells nothing of it now.
    pub fn history(&self) -> u64 {
        self.inner.cache.history()
    }

    /// The log's epoch, as of the last connection.
    pub fn epoch(&self) -> watch::Receiver<Uuid> {
        self.inner.epoch.clone()
    }

    /// cqrs-es's own view of the log, for one aggregate type.
    pub fn store<A: Decide>(&self) -> LogStore<A> {
        LogStore::new(self.clone())
    }

    /// A recorded event as the domain reads it: unsealed and upcast.
    pub async fn read_event<A: Decide>(
        &self,
        event: &RecordedEvent,
    ) -> Result<A::Event, LoadError> {
        self.inner.loader.read::<A>(event).await
    }

    pub fn pool(&self) -> &PgPool {
        &self.inner.pool
    }

    pub fn vault(&self) -> &Vault {
        &self.inner.vault
    }

    pub fn recent(&self) -> &Recent {
        &self.inner.recent
    }

    pub(crate) fn loader(&self) -> &Loader {
        &self.inner.loader
    }

    /// Aggregates in the cache.
    pub fn cached(&self) -> usize {
        self.inner.cache.len()
    }
}

/// What seals for a subject must fail if the subject is erased meanwhile.
fn guard_subject(unit: &mut Unit, subject: &Subject, known: Position) {
    let key = crate::stream::key(SUBJECT_KEY, subject.as_str());
    if !unit.guards.iter().any(|guard| guard.key == key) {
        unit.guards.push(Guard { key, known });
    }
}

/// How often a process looks for what others have written, if nothing else tells it.
const KEEP_UP: Duration = Duration::from_millis(500);
/// After how many looks receipts past their time are forgotten: about once an hour.
const FORGET_EVERY: u64 = 7_200;

/// Keeps an idle process at the log's head, so that its next append has little to catch up with,
/// until the log is dropped.
async fn keep_up(inner: std::sync::Weak<Inner>) {
    for look in 1_u64.. {
        tokio::time::sleep(KEEP_UP).await;
        let Some(inner) = inner.upgrade() else { return };
        inner.appender.catch_up().await;
        if look % FORGET_EVERY == 0 {
            let forgotten = sqlx::query("SELECT log.forget_receipts()").execute(&inner.pool).await;
            if let Err(error) = forgotten {
                tracing::warn!(%error, "old receipts could not be forgotten");
            }
        }
    }
}

/// Adds a member to a JSON object's text.
fn insert_member(object: &mut String, name: &str, value: &str) {
    let value = serde_json::Value::from(value).to_string();
    let separator = if object.len() > 2 { "," } else { "" };
    object.truncate(object.len().saturating_sub(1));
    object.push_str(separator);
    object.push('"');
    object.push_str(name);
    object.push_str("\":");
    object.push_str(&value);
    object.push('}');
}
