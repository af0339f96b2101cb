//! Checks the whole log against itself: every entry hash, positions without a hole, times that never
//! go back, streams whose sequences follow each other.
//!
//! What it cannot see by itself: a tail that was cut off, and neighbours of one time on different
//! streams that changed places. Those need a checkpoint that is kept outside the database.

use std::collections::HashMap;

use agora_event_store::{RecordedEvent, read, stream};
use sqlx::{Connection, PgConnection};

use crate::Failure;

const PAGE: usize = 10_000;

/// What a verified log says of itself, or the first thing that does not fit.
pub(crate) async fn whole_log(database_url: &str) -> Result<String, Failure> {
    let mut connection = PgConnection::connect(database_url).await?;
    let head = read::head(&mut connection).await?;
    let mut checks = Checks::default();
    while checks.position < head {
        let after = checks.position;
        let events = read::range(&mut connection, after, PAGE).await?;
        let hashes: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT entry_hash FROM log.events WHERE position > $1 ORDER BY position LIMIT $2",
        )
        .bind(read::to_db(after))
        .bind(i64::try_from(PAGE)?)
        .fetch_all(&mut connection)
        .await?;
        for (event, hash) in events.into_iter().zip(&hashes) {
            checks.next(event, hash)?;
        }
        if checks.position == after {
            return Err(format!("position {} is missing", after + 1).into());
        }
    }
    Ok(format!("{} events: positions dense, every entry hash fits", checks.position))
}

#[derive(Default)]
struct Checks {
    position: u64,
    last: Option<RecordedEvent>,
    /// The last sequence of each stream, by its key: sixteen bytes a stream.
    sequences: HashMap<i64, u64>,
}

impl Checks {
    fn next(&mut self, event: RecordedEvent, hash: &[u8]) -> Result<(), Failure> {
        self.position += 1;
        let position = self.position;
        if event.position != position {
            return Err(format!("position {position} is missing").into());
        }
        if event.entry_hash().as_slice() != hash {
            return Err(format!("the entry hash at position {position} does not fit").into());
        }
        if self.last.as_ref().is_some_and(|last| last.recorded_at > event.recorded_at) {
            return Err(format!("position {position} is older than the event before it").into());
        }
        let key = stream::key(&event.aggregate_type, &event.aggregate_id);
        let sequence = self.sequences.entry(key).or_default();
        *sequence += 1;
        if event.sequence != *sequence {
            return Err(format!("position {position} does not follow on its stream").into());
        }
        self.last = Some(event);
        Ok(())
    }
}
