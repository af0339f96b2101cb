//! What a projection is: events in, rows of its own tables out.

use std::time::Duration;

use agora_event_store::{Opener, Position, RecordedEvent, vault::VaultError};
use futures::future::BoxFuture;
use serde::Deserialize;
use sqlx::PgConnection;

/// A projection. Its code is a file in `projections/`, its place in the world one line in
/// [`crate::projections::ALL`].
///
/// **Architecture invariant.** `apply` is a function of the events and of the projection's own
/// tables alone: no clock, no randomness, no other projection's tables (ESX-02). What it makes does
/// not depend on where batches begin and end, so a rebuild gives the same rows (ESX-01).
pub struct Projection {
    pub name: &'static str,
    /// Raised whenever the rows of old events would come out differently: then a rebuild is due.
    pub version: i32,
    /// The types of events that it gets; others never reach `apply`.
    pub event_types: &'static [&'static str],
    pub columns: Columns,
    /// As in the catalogue `read.projection_tables`.
    pub tables: &'static [&'static str],
    /// Applies events in their order, in the caller's transaction. SQL names tables without a
    /// schema: the search path decides whether they are the live ones or those of a rebuild.
    pub apply: Apply,
}

pub type Apply = for<'a> fn(
    &'a [&'a RecordedEvent],
    &'a mut PgConnection,
) -> BoxFuture<'a, Result<(), ApplyError>>;

/// What a projection needs of an event; a rebuild reads no more from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Columns {
    /// Position, aggregate id, sequence, event type, payload and time. Where a rebuild gives the
    /// events, their other fields are empty.
    Payload,
    /// The whole event.
    All,
    /// The whole event with its personal values opened: each as the domain writes it, with subject
    /// and category, its value null where the key is gone. For projections whose rows cannot be made
    /// of sealed values, and for no others: their rows hold what is personal in the clear.
    Opened,
}

impl Projection {
    pub fn wants(&self, event: &RecordedEvent) -> bool {
        self.event_types.contains(&event.event_type.as_str())
    }

    /// Applies events, opened first where the projection needs that.
    ///
    /// # Errors
    /// Where they cannot be applied, or the vault does not answer in time.
    pub async fn take(
        &self,
        events: &[&RecordedEvent],
        opener: &Opener,
        connection: &mut PgConnection,
    ) -> Result<(), ApplyError> {
        if self.columns != Columns::Opened {
            return (self.apply)(events, connection).await;
        }
        // Before the vault is asked: who takes a subject's words out of the tables after its keys
        // were destroyed waits for those that may have opened something before.
        sqlx::query(&format!("LOCK TABLE {} IN ROW EXCLUSIVE MODE", self.tables.join(", ")))
            .execute(&mut *connection)
            .await?;
        let opened = tokio::time::timeout(VAULT_PATIENCE, opener.open_events(events))
            .await
            .map_err(|_| VaultError::Database(sqlx::Error::PoolTimedOut))
            .flatten()
            .map_err(ApplyError::Vault)?;
        (self.apply)(&opened.iter().collect::<Vec<_>>(), connection).await
    }
}

/// How long the vault may take: the others wait meanwhile.
const VAULT_PATIENCE: Duration = Duration::from_secs(2);

/// Why events could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("the payload of {event_type} at position {position} is not as expected: {reason}")]
    Payload { position: Position, event_type: String, reason: String },
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The events are there, and the keys to what is in them are not to be had now.
    #[error("personal values cannot be opened: {0}")]
    Vault(VaultError),
}

impl ApplyError {
    /// Whether trying again is of no use: the event or the code is wrong, not the circumstances.
    pub fn is_poison(&self) -> bool {
        match self {
            Self::Payload { .. } => true,
            Self::Vault(_) => false,
            Self::Database(error) => !Self::is_transient(error),
        }
    }

    /// Whether a database error is one of circumstances: a lost connection, a full disk, a lock.
    pub fn is_transient(error: &sqlx::Error) -> bool {
        match error {
            // Data exceptions, broken constraints, wrong statements or missing rights, exceeded
            // limits, raised exceptions.
            sqlx::Error::Database(error) => !error.code().is_some_and(|code| {
                ["22", "23", "42", "54", "P0"].contains(&code.get(..2).unwrap_or_default())
            }),
            sqlx::Error::Encode(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => {
                false
            }
            _ => true,
        }
    }
}

/// Reads an event's payload as one of the variants that the projection knows.
pub fn payload<'e, T: Deserialize<'e>>(event: &'e RecordedEvent) -> Result<T, ApplyError> {
    serde_json::from_str(&event.payload).map_err(|error| ApplyError::Payload {
        position: event.position,
        event_type: event.event_type.clone(),
        // Where in the text, never what stands there.
        reason: format!("{:?} error in column {}", error.classify(), error.column()),
    })
}

/// Reads an event's stream id as the UUID that it is.
pub fn stream_uuid(event: &RecordedEvent) -> Result<uuid::Uuid, ApplyError> {
    event.aggregate_id.parse().map_err(|_| ApplyError::Payload {
        position: event.position,
        event_type: event.event_type.clone(),
        reason: "the stream's id is no UUID".to_owned(),
    })
}

/// Sequences and positions as Postgres has them.
pub fn number(number: u64) -> i64 {
    agora_event_store::read::to_db(number)
}
