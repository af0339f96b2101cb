//! Group commit: commands in flight are gathered into one batch and written by one call of
//! `log.append`. One task per process writes; it alone moves the cache's known position.

mod batch;
mod call;
mod writer;

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};

use crate::{Position, StoredReceipt, Unit, unit::Placed};

pub(crate) use writer::{Writer, WriterConfig};

/// How many units may wait to be taken into a batch before callers wait too.
const QUEUE: usize = 4_096;

/// What became of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    Now(Placed),
    /// Its first event was in the log already (a retry after an unknown outcome).
    Before(Position),
    /// Its idempotency key was used before, maybe for another request: compare the HMACs.
    Receipt(StoredReceipt),
}

/// Why a unit was not written. Nothing of it is in the log, but for [`AppendError::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// A stream that the decision relied on has changed: decide again with fresh state.
    #[error("a stream changed after it was read")]
    Moved,
    /// A natural key is taken.
    #[error("the {0} is taken")]
    Claimed(String),
    /// The database refuses the unit's data. It is the unit's own fault and will not pass later.
    #[error("the log refused the data: SQLSTATE {0}")]
    Data(String),
    /// The log cannot write now; nothing was written.
    #[error("the log is not available")]
    Unavailable,
    /// The connection was lost and could not be had again in time: written once or not at all.
    #[error("the log was lost before it answered; whether it wrote is unknown")]
    Unknown,
}

struct Submission {
    unit: Unit,
    /// The cache knows all of its streams to be where it expects them: the database need only look
    /// at what was written after that, as for guards.
    is_checked: bool,
    reply: oneshot::Sender<Result<Appended, AppendError>>,
}

enum Request {
    Append(Box<Submission>),
    /// Others have written: take in what is new.
    CatchUp(oneshot::Sender<()>),
}

/// The way to the writer. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Appender {
    requests: mpsc::Sender<Request>,
}

impl Appender {
    pub(crate) async fn append(&self, unit: Unit) -> Result<Appended, AppendError> {
        let (reply, outcome) = oneshot::channel();
        let submission = Box::new(Submission { unit, is_checked: false, reply });
        self.requests
            .send(Request::Append(submission))
            .await
            .map_err(|_| AppendError::Unavailable)?;
        outcome.await.unwrap_or(Err(AppendError::Unknown))
    }

    pub(crate) async fn catch_up(&self) {
        let (done, is_done) = oneshot::channel();
        if self.requests.send(Request::CatchUp(done)).await.is_ok() {
            // The writer is going down; there is nothing to catch up with.
            let _ = is_done.await;
        }
    }
}

/// What `log.append` said of a batch.
#[derive(Debug)]
struct BatchOutcome {
    head: Position,
    recorded_at: DateTime<Utc>,
    refused: Vec<Refused>,
}

#[derive(Debug)]
struct Refused {
    /// From 1.
    unit: usize,
    why: String,
    detail: Option<String>,
}
