//! cqrs-es's `EventStore` on the log: load through postgres-es, commit through the appender.

use std::{collections::HashMap, marker::PhantomData, sync::Arc};

use agora_domain::Decide;
use cqrs_es::{AggregateContext, AggregateError, EventEnvelope, EventStore};
use uuid::Uuid;

use crate::{
    AppendError, Appended, EventLog, LoadError, Loaded, Unit, log::Draft, seal::SealError,
};

/// The log, seen as the store of one aggregate type.
pub struct LogStore<A> {
    log: EventLog,
    aggregate: PhantomData<fn() -> A>,
}

impl<A> LogStore<A> {
    pub(crate) fn new(log: EventLog) -> Self {
        Self { log, aggregate: PhantomData }
    }
}

/// A loaded aggregate for cqrs-es: the state that a command changes, beside the one it came from.
pub struct LogContext<A> {
    loaded: Loaded<A>,
    aggregate: A,
}

impl<A: Decide> AggregateContext<A> for LogContext<A> {
    fn aggregate(&mut self) -> &mut A {
        &mut self.aggregate
    }
}

impl<A: Decide> EventStore<A> for LogStore<A> {
    type AC = LogContext<A>;

    async fn load_events(
        &self,
        aggregate_id: &str,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let events = self.log.loader().events::<A>(aggregate_id).await.map_err(load_error)?;
        let metadata: Vec<HashMap<String, String>> = events
            .iter()
            .map(|event| serde_json::from_value(event.metadata.clone()))
            .collect::<Result<_, _>>()?;
        let events = self.log.loader().deserialize::<A>(events).await.map_err(load_error)?;
        Ok(events
            .into_iter()
            .zip(metadata)
            .map(|((sequence, payload), metadata)| EventEnvelope {
                aggregate_id: aggregate_id.to_owned(),
                sequence: usize::try_from(sequence).unwrap_or(usize::MAX),
                payload,
                metadata,
            })
            .collect())
    }

    async fn load_aggregate(
        &self,
        aggregate_id: &str,
    ) -> Result<LogContext<A>, AggregateError<A::Error>> {
        let loaded = self.log.load::<A>(aggregate_id).await.map_err(load_error)?;
        let aggregate = A::clone(&loaded.state);
        Ok(LogContext { loaded, aggregate })
    }

    async fn commit(
        &self,
        events: Vec<A::Event>,
        context: LogContext<A>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let LogContext { loaded, .. } = context;
        let mut unit = Unit::default();
        let draft = Draft {
            loaded: &loaded,
            events: events.clone(),
            #[expect(
                clippy::disallowed_methods,
                reason = "cqrs-es gives no ids; this is the edge"
            )]
            event_ids: &mut || Uuid::now_v7(),
            metadata: &serde_json::to_string(&metadata)?,
            client_address: None,
        };
        self.log.draft(&mut unit, draft).await.map_err(seal_error)?;
        match self.log.append(unit).await {
            Ok(Appended::Now(_) | Appended::Before(_)) => {}
            Ok(Appended::Receipt(_)) => unreachable!("the unit has no receipt"),
            Err(AppendError::Moved) => return Err(AggregateError::AggregateConflict),
            Err(AppendError::Data(state)) => {
                return Err(AggregateError::UnexpectedError(AppendError::Data(state).into()));
            }
            Err(error) => return Err(AggregateError::DatabaseConnectionError(error.into())),
        }
        Ok(events
            .into_iter()
            .zip(loaded.sequence + 1..)
            .map(|(payload, sequence)| EventEnvelope {
                aggregate_id: loaded.stream.aggregate_id.as_ref().to_owned(),
                sequence: usize::try_from(sequence).unwrap_or(usize::MAX),
                payload,
                metadata: metadata.clone(),
            })
            .collect())
    }
}

fn load_error<E: std::error::Error>(error: LoadError) -> AggregateError<E> {
    match error {
        LoadError::Event { .. } => AggregateError::DeserializationError(error.into()),
        _ => AggregateError::DatabaseConnectionError(error.into()),
    }
}

fn seal_error<E: std::error::Error>(error: SealError) -> AggregateError<E> {
    AggregateError::UnexpectedError(Arc::new(error).to_string().into())
}
