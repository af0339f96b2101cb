//! Loading an aggregate: its events through postgres-es, unsealed, upcast, applied.

use std::sync::Arc;

use agora_domain::{Decide, changes::STREAM_MAX};
use cqrs_es::{
    DomainEvent,
    persist::{EventUpcaster, PersistedEventRepository, PersistenceError, SerializedEvent},
};
use postgres_es::PostgresEventRepository;
use sqlx::{PgPool, Row};

use crate::{
    Guard, Opener, Position, RecordedEvent, StreamName,
    cache::{Cache, Ticket},
    read,
    unit::StateAfter,
    vault::VaultError,
};

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the log cannot be read: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the log cannot be read: {0}")]
    Repository(#[from] PersistenceError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// serde's own words would quote what has been unsealed, so only their kind is kept.
    #[error(
        "{aggregate_type} event {event_type} version {event_version} is not of the form that this \
         build knows ({category:?})"
    )]
    Event {
        aggregate_type: &'static str,
        event_type: String,
        event_version: String,
        category: serde_json::error::Category,
    },
}

/// An aggregate with what a decision about it must remember.
pub struct Loaded<A> {
    pub stream: StreamName,
    pub state: Arc<A>,
    /// The sequence of the stream's last event; 0 where there is none.
    pub sequence: u64,
    /// The position up to which the state is known to reflect the log.
    pub known: Position,
    /// The stream was taken to be new without looking. The log will tell; but a decision that
    /// appends nothing must look first.
    pub presumed: bool,
}

impl<A> Clone for Loaded<A> {
    fn clone(&self) -> Self {
        Self {
            stream: self.stream.clone(),
            state: Arc::clone(&self.state),
            sequence: self.sequence,
            known: self.known,
            presumed: self.presumed,
        }
    }
}

impl<A> Loaded<A> {
    pub fn guard(&self) -> Guard {
        Guard { key: self.stream.key(), known: self.known }
    }
}

pub(crate) struct Loader {
    pool: PgPool,
    repository: PostgresEventRepository,
    upcasters: Vec<Box<dyn EventUpcaster>>,
    opener: Opener,
    cache: Arc<Cache>,
}

impl Loader {
    pub(crate) fn new(
        pool: PgPool,
        opener: Opener,
        upcasters: Vec<Box<dyn EventUpcaster>>,
        cache: Arc<Cache>,
    ) -> Self {
        // Its queries bind type and id as $1 and $2: by the function they find the stream's index.
        let repository = PostgresEventRepository::new(pool.clone())
            .with_tables("log.stream($1, $2)", "log.snapshots");
        Self { pool, repository, upcasters, opener, cache }
    }

    /// From the cache, else from the log.
    pub(crate) async fn load<A: Decide>(&self, aggregate_id: &str) -> Result<Loaded<A>, LoadError> {
        let stream = StreamName::new(A::TYPE, aggregate_id);
        match self.cached(&stream) {
            Some(loaded) => Ok(loaded),
            None => self.load_fresh(stream).await,
        }
    }

    /// From the cache, else presumed to be a new stream, without a query.
    pub(crate) fn presume<A: Decide>(&self, aggregate_id: &str) -> Loaded<A> {
        let stream = StreamName::new(A::TYPE, aggregate_id);
        self.cached(&stream).unwrap_or_else(|| Loaded {
            stream,
            state: Arc::new(A::default()),
            sequence: 0,
            known: self.cache.known(),
            presumed: true,
        })
    }

    fn cached<A: Decide>(&self, stream: &StreamName) -> Option<Loaded<A>> {
        let hit = self.cache.get(stream)?;
        let state = hit.state.downcast::<A>().ok()?;
        let stream = stream.clone();
        Some(Loaded { stream, state, sequence: hit.sequence, known: hit.known, presumed: false })
    }

    /// From the log, whatever the cache holds.
    pub(crate) async fn load_fresh<A: Decide>(
        &self,
        stream: StreamName,
    ) -> Result<Loaded<A>, LoadError> {
        let ticket: Ticket = self.cache.ticket();
        let mut state = A::default();
        let mut sequence = 0;
        let events = self.serialized::<A>(&stream.aggregate_id).await?;
        metrics::histogram!("agora_load_events").record(events.len() as f64);
        // Tests alone stop here; who runs the platform sees it in the metric.
        debug_assert!(
            events.len() <= STREAM_MAX,
            "the stream of a {} has {} events: no rule bounds it",
            A::TYPE,
            events.len(),
        );
        for (number, event) in self.deserialize::<A>(events).await? {
            sequence = number;
            state.apply(event);
        }
        let state = Arc::new(state);
        let after = StateAfter { stream: stream.clone(), sequence, state: state.clone() };
        self.cache.put_loaded(ticket, after);
        Ok(Loaded { stream, state, sequence, known: ticket.known, presumed: false })
    }

    /// The stored events that make up the state: all of the stream, or the last alone where it
    /// carries the whole state.
    async fn serialized<A: Decide>(
        &self,
        aggregate_id: &str,
    ) -> Result<Vec<SerializedEvent>, LoadError> {
        if !A::LAST_EVENT_IS_STATE {
            return Ok(self.repository.get_events::<A>(aggregate_id).await?);
        }
        let row = sqlx::query(
            "SELECT sequence, event_type, event_version, payload, metadata FROM log.stream($1, $2)
             ORDER BY sequence DESC LIMIT 1",
        )
        .bind(A::TYPE)
        .bind(aggregate_id)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            let sequence = read::from_db(row.try_get("sequence")?);
            Ok(SerializedEvent::new(
                aggregate_id.to_owned(),
                usize::try_from(sequence).unwrap_or(usize::MAX),
                A::TYPE.to_owned(),
                row.try_get("event_type")?,
                row.try_get("event_version")?,
                row.try_get("payload")?,
                row.try_get("metadata")?,
            ))
        })
        .transpose()
        .map(|event| event.into_iter().collect())
    }

    /// Reads one event that was recorded.
    pub(crate) async fn read<A: Decide>(
        &self,
        event: &RecordedEvent,
    ) -> Result<A::Event, LoadError> {
        let json = |text: &str| {
            serde_json::from_str(text).map_err(|error| LoadError::Event {
                aggregate_type: A::TYPE,
                event_type: event.event_type.clone(),
                event_version: event.event_version.clone(),
                category: error.classify(),
            })
        };
        let serialized = SerializedEvent::new(
            event.aggregate_id.clone(),
            usize::try_from(event.sequence).unwrap_or(usize::MAX),
            event.aggregate_type.clone(),
            event.event_type.clone(),
            event.event_version.clone(),
            json(&event.payload)?,
            json(&event.metadata)?,
        );
        let mut events = self.deserialize::<A>(vec![serialized]).await?;
        events.pop().map(|(_, event)| event).ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    /// Unseals, upcasts and reads events; each with its sequence.
    pub(crate) async fn deserialize<A: Decide>(
        &self,
        events: Vec<SerializedEvent>,
    ) -> Result<Vec<(u64, A::Event)>, LoadError>
    where
        A::Event: DomainEvent,
    {
        let mut read = Vec::with_capacity(events.len());
        for mut event in events {
            let sequence = event.sequence as u64;
            self.opener
                .open_for_domain(A::TYPE, &event.aggregate_id, sequence, &mut event.payload)
                .await?;
            for upcaster in &self.upcasters {
                if upcaster.can_upcast(&event.event_type, &event.event_version) {
                    event = upcaster.upcast(event);
                }
            }
            let payload =
                serde_json::from_value(event.payload).map_err(|error| LoadError::Event {
                    aggregate_type: A::TYPE,
                    event_type: event.event_type.clone(),
                    event_version: event.event_version.clone(),
                    category: error.classify(),
                })?;
            read.push((sequence, payload));
        }
        Ok(read)
    }

    pub(crate) async fn events<A: Decide>(
        &self,
        aggregate_id: &str,
    ) -> Result<Vec<SerializedEvent>, LoadError> {
        Ok(self.repository.get_events::<A>(aggregate_id).await?)
    }
}
