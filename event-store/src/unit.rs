//! What is written together: a unit succeeds or fails as a whole, alone among its batch.

use std::{any::Any, sync::Arc};

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{Position, StreamName};

/// An event as it goes to the log: sealed, in the text that is stored and hashed.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// UUIDv7, fixed before the first attempt to write; also the broker's message id.
    pub event_id: Uuid,
    pub stream: StreamName,
    /// Its place on its stream, from 1. The unit's first event on a stream says by it what the
    /// stream's last is expected to be.
    pub sequence: u64,
    pub event_type: &'static str,
    pub event_version: &'static str,
    pub payload: String,
    pub metadata: String,
}

/// A stream that the decision relied on without writing to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// [`StreamName::key`].
    pub key: i64,
    /// The position up to which the decision knew the stream.
    pub known: Position,
}

/// A natural key taken for an aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    pub scope: &'static str,
    pub key: String,
    pub aggregate_id: String,
}

/// The end of an aggregate's claims of one scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Release {
    pub scope: &'static str,
    pub aggregate_id: String,
}

/// What is kept for a retry with the same idempotency key (ESX-04).
#[derive(Clone, Debug)]
pub struct Receipt {
    pub principal: String,
    pub idempotency_key: String,
    pub request_hmac: [u8; 32],
    /// Ids only; positions follow from the unit's first.
    pub reply: String,
}

/// A receipt as found in the log: the command was carried out before.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct StoredReceipt {
    #[serde(with = "hex")]
    pub request_hmac: [u8; 32],
    pub reply: String,
    pub first_position: Position,
}

/// A stream's state after the unit, for the cache.
pub struct StateAfter {
    pub stream: StreamName,
    pub sequence: u64,
    pub state: Arc<dyn Any + Send + Sync>,
}

/// Events of one or more streams with all that must hold for them. Without events it only checks
/// its guards, under the same lock, so that a command that changes nothing is answered as surely.
#[derive(Default)]
pub struct Unit {
    pub events: Vec<NewEvent>,
    pub guards: Vec<Guard>,
    pub takes: Vec<Claim>,
    pub releases: Vec<Release>,
    pub receipt: Option<Receipt>,
    pub after: Vec<StateAfter>,
    /// The history that its guards were taken from, [`crate::EventLog::history`] as of before the
    /// first of them; `None` where they are of the present one.
    pub history: Option<u64>,
    /// The event ids come from a cause (a process's commands): they may be in the log already.
    pub may_be_written: bool,
}

impl Unit {
    /// Bytes that the unit brings into a batch, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.payload.len() + event.metadata.len() + 256).sum()
    }
}

/// Where a unit's events came to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The position of its first event; the others follow without a gap. For a unit without
    /// events, the head under which its guards held.
    pub first_position: Position,
    pub recorded_at: DateTime<Utc>,
}

/// Who holds the claim of a key, if anybody does.
///
/// # Errors
/// Where the database does not answer.
pub async fn holder(pool: &PgPool, scope: &str, key: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT aggregate_id FROM log.claims WHERE scope = $1 AND key = $2")
        .bind(scope)
        .bind(key)
        .fetch_optional(pool)
        .await
}
