//! The task that writes batches, keeps the cache at the log's head, and survives the database.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use super::{
    AppendError, Appended, Appender, BatchOutcome, QUEUE, Request, Submission,
    batch::{Batch, gather},
    call::{self, CallError},
};
use crate::{
    Position, RecordedEvent, StoredReceipt, Vault, cache::Cache, log::SUBJECT_KEY, read,
    recent::Recent, stream, unit::Placed,
};

/// Longest wait between two attempts to reach the database again.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long one attempt may take: a host that swallows packets must not hold the queue up.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct WriterConfig {
    pub connect: PgConnectOptions,
    /// Lets go of keys that the log says are destroyed.
    pub vault: Vault,
    /// How long units may wait for a lost database before they are answered as unknown.
    pub patience: Duration,
}

/// The writing task's state.
pub(crate) struct Writer {
    config: WriterConfig,
    connection: PgConnection,
    requests: mpsc::Receiver<Request>,
    waiting: VecDeque<Submission>,
    /// Who wants to know what others have written by now.
    catching_up: Vec<oneshot::Sender<()>>,
    cache: Arc<Cache>,
    recent: Arc<Recent>,
    head: watch::Sender<Position>,
    epoch: watch::Sender<Uuid>,
    /// The newest event that this process knows: tells whether the log is still the same one.
    last: Option<(Position, Uuid)>,
}

impl Writer {
    /// Connects, reads the head and starts the task.
    pub(crate) async fn start(
        config: WriterConfig,
        cache: Arc<Cache>,
        recent: Arc<Recent>,
        head: watch::Sender<Position>,
        epoch: watch::Sender<Uuid>,
    ) -> Result<Appender, sqlx::Error> {
        let (sender, requests) = mpsc::channel(QUEUE);
        let connection = PgConnection::connect_with(&config.connect).await?;
        let mut writer = Self {
            config,
            connection,
            requests,
            waiting: VecDeque::new(),
            catching_up: Vec::new(),
            cache,
            recent,
            head,
            epoch,
            last: None,
        };
        writer.begin_anew().await?;
        tokio::spawn(writer.run());
        Ok(Appender { requests: sender })
    }

    async fn run(mut self) {
        while let Some(request) = self.requests.recv().await {
            self.accept(request);
            while !(self.waiting.is_empty() && self.catching_up.is_empty()) {
                while let Ok(request) = self.requests.try_recv() {
                    self.accept(request);
                }
                // A batch sees the log as of its own time, so whoever asked before it was sent has
                // what it wants when the batch is settled; only without one is the log asked.
                let served = std::mem::take(&mut self.catching_up);
                let has_written = self.write_next().await;
                if !has_written && !served.is_empty() {
                    self.catch_up().await;
                }
                for done in served {
                    // The caller may have gone; then nobody waits.
                    let _ = done.send(());
                }
            }
        }
    }

    fn accept(&mut self, request: Request) {
        match request {
            Request::Append(submission) => self.waiting.push_back(*submission),
            Request::CatchUp(done) => self.catching_up.push(done),
        }
    }

    /// Writes one batch from the front of the queue; false where there was nothing to write.
    async fn write_next(&mut self) -> bool {
        let gathered = gather(&mut self.waiting, &self.cache);
        for submission in gathered.moved {
            answer(submission, Err(AppendError::Moved));
        }
        if gathered.batch.units.is_empty() {
            return false;
        }
        metrics::histogram!("agora_append_batch_units").record(gathered.batch.units.len() as f64);
        let deadline = Instant::now() + self.config.patience;
        // Halves of a batch that holds a bad unit are written one after the other.
        let mut batches = VecDeque::from([(gathered.batch, false)]);
        while let Some((batch, resent)) = batches.pop_front() {
            let call = call::append(&mut self.connection, &batch, resent);
            let called = timeout(self.config.patience, call).await;
            match called.unwrap_or_else(|_| Err(CallError::Lost(timed_out()))) {
                Ok(outcome) => self.settle(batch, outcome).await,
                Err(CallError::Lost(error)) => {
                    tracing::warn!(%error, "lost the database with a batch in flight");
                    // A batch that loses every connection it is sent on must not be sent for ever.
                    let is_late = resent && Instant::now() >= deadline;
                    match self.reconnect(deadline).await {
                        // The same log: whatever was written is found by its event ids.
                        Some(true) if !is_late => batches.push_front((batch, true)),
                        Some(false) => {
                            // What was decided on the lost history is decided again.
                            refuse(batch, &AppendError::Moved);
                            for (batch, _) in batches.drain(..) {
                                refuse(batch, &AppendError::Moved);
                            }
                            for submission in self.waiting.drain(..) {
                                answer(submission, Err(AppendError::Moved));
                            }
                        }
                        _ => refuse(batch, &AppendError::Unknown),
                    }
                }
                Err(CallError::Unwilling(error)) => {
                    tracing::error!(%error, "the log cannot write");
                    refuse(batch, &AppendError::Unavailable);
                }
                Err(CallError::Written) if !resent => batches.push_front((batch, true)),
                // Two events of the batch itself have one id.
                Err(CallError::Written) => divide(batch, "23505", resent, &mut batches),
                Err(CallError::Data(state)) => divide(batch, &state, resent, &mut batches),
            }
        }
        true
    }

    /// Takes a written batch into the cache and answers its units, in that order: who is answered
    /// may send the next command, which must find the new state.
    async fn settle(&mut self, batch: Batch, outcome: BatchOutcome) {
        let mut refused: HashMap<usize, (String, Option<String>)> =
            outcome.refused.into_iter().map(|it| (it.unit, (it.why, it.detail))).collect();
        let patience = self.config.patience;
        let changes = timeout(patience, self.changes_up_to(outcome.head)).await;
        let foreign = match changes.unwrap_or_else(|_| Err(timed_out())) {
            Ok(foreign) => foreign,
            Err(error) => {
                // Without knowing what others wrote, nothing that is cached can be trusted.
                tracing::warn!(%error, "could not read what others wrote; forgetting the cache");
                self.cache.forget(outcome.head);
                Vec::new()
            }
        };
        if outcome.head < self.cache.known() {
            // The log has been put back under an open connection: nothing that is known holds.
            self.cache.begin_history(outcome.head);
            self.recent.clear();
        }
        let mut position = outcome.head;
        let mut changes = foreign;
        let mut states = Vec::new();
        let mut recorded = Vec::new();
        let mut answers = Vec::with_capacity(batch.units.len());
        for (index, Submission { unit, reply, .. }) in batch.units.into_iter().enumerate() {
            if let Some((why, detail)) = refused.remove(&(index + 1)) {
                answers.push((reply, refusal(&why, detail)));
                continue;
            }
            let first_position = if unit.events.is_empty() { position } else { position + 1 };
            for event in unit.events {
                position += 1;
                self.let_go(event.stream.aggregate_type, &event.stream.aggregate_id);
                changes.push((position, event.stream.key()));
                self.last = Some((position, event.event_id));
                recorded.push(RecordedEvent {
                    position,
                    event_id: event.event_id,
                    aggregate_type: event.stream.aggregate_type.to_owned(),
                    aggregate_id: event.stream.aggregate_id.as_ref().to_owned(),
                    sequence: event.sequence,
                    event_type: event.event_type.to_owned(),
                    event_version: event.event_version.to_owned(),
                    payload: event.payload,
                    metadata: event.metadata,
                    recorded_at: outcome.recorded_at,
                });
            }
            states.extend(unit.after);
            let placed = Placed { first_position, recorded_at: outcome.recorded_at };
            answers.push((reply, Ok(Appended::Now(placed))));
        }
        metrics::counter!("agora_events_appended").increment(recorded.len() as u64);
        self.cache.advance(changes, states, position);
        self.recent.push(recorded);
        self.head.send_replace(position);
        for (reply, outcome) in answers {
            // A caller that went away does not undo what was written.
            let _ = reply.send(outcome);
        }
    }

    /// The streams that changed after what is known, up to a position.
    async fn changes_up_to(&mut self, head: Position) -> Result<Vec<(Position, i64)>, sqlx::Error> {
        let known = self.cache.known();
        if head <= known {
            return Ok(Vec::new());
        }
        let rows: Vec<(i64, String, String, Uuid)> = sqlx::query_as(
            "SELECT position, aggregate_type, aggregate_id, event_id FROM log.events
             WHERE position > $1 AND position <= $2 ORDER BY position",
        )
        .bind(read::to_db(known))
        .bind(read::to_db(head))
        .fetch_all(&mut self.connection)
        .await?;
        if let Some((position, .., event_id)) = rows.last() {
            self.last = Some((read::from_db(*position), *event_id));
        }
        Ok(rows
            .into_iter()
            .map(|(position, aggregate_type, aggregate_id, _)| {
                self.let_go(&aggregate_type, &aggregate_id);
                (read::from_db(position), stream::key(&aggregate_type, &aggregate_id))
            })
            .collect())
    }

    /// Where an event says that keys of somebody were destroyed: this process must hold neither them nor
    /// anything that they opened by the time the event counts as known, for from then on a unit's guard
    /// on the subject holds.
    fn let_go(&self, aggregate_type: &str, aggregate_id: &str) {
        if aggregate_type == SUBJECT_KEY {
            self.config.vault.forget(&aggregate_id.into());
            self.cache.let_go();
        }
    }

    async fn catch_up(&mut self) {
        let patience = self.config.patience;
        let caught_up = async {
            let head = read::head(&mut self.connection).await?;
            let changes = self.changes_up_to(head).await?;
            Ok::<_, sqlx::Error>((head, changes))
        };
        match timeout(patience, caught_up).await.unwrap_or_else(|_| Err(timed_out())) {
            Ok((head, changes)) if head > self.cache.known() => {
                self.cache.advance(changes, [], head);
                self.head.send_replace(head);
            }
            Ok((head, _)) if head < self.cache.known() => {
                tracing::error!("the log has been put back: forgetting what is known of it");
                self.reconnect(Instant::now() + patience).await;
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "lost the database");
                self.reconnect(Instant::now() + self.config.patience).await;
            }
        }
    }

    /// Connects again. `Some(true)`: the log continues what was known; `Some(false)`: it is another
    /// history (a restore), and everything has been forgotten; `None`: not in time.
    async fn reconnect(&mut self, deadline: Instant) -> Option<bool> {
        let mut pause = Duration::from_millis(20);
        loop {
            match self.try_reconnect().await {
                Ok(same) => return Some(same),
                Err(error) if Instant::now() + pause > deadline => {
                    tracing::error!(%error, "the database did not come back in time");
                    return None;
                }
                Err(error) => tracing::debug!(%error, "the database is still away"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(RECONNECT_PAUSE_MAX);
        }
    }

    async fn try_reconnect(&mut self) -> Result<bool, sqlx::Error> {
        let connect = PgConnection::connect_with(&self.config.connect);
        let mut connection =
            timeout(CONNECT_PATIENCE, connect).await.map_err(|_| timed_out())??;
        let last = self.last;
        let look = async {
            let there: Option<Uuid> = match last {
                None => None,
                Some((position, _)) => {
                    sqlx::query_scalar("SELECT event_id FROM log.events WHERE position = $1")
                        .bind(read::to_db(position))
                        .fetch_optional(&mut connection)
                        .await?
                }
            };
            Ok::<_, sqlx::Error>((there, Newest::read(&mut connection).await?))
        };
        let (there, newest) = timeout(CONNECT_PATIENCE, look).await.map_err(|_| timed_out())??;
        // Only now that everything has been read: half of it must not count as known.
        self.connection = connection;
        let is_same = last.is_none_or(|(_, event_id)| there == Some(event_id));
        self.take_up(newest, is_same);
        Ok(is_same)
    }

    /// Reads where the log stands.
    async fn begin_anew(&mut self) -> Result<(), sqlx::Error> {
        let newest = Newest::read(&mut self.connection).await?;
        self.take_up(newest, true);
        Ok(())
    }

    /// Forgets what is cached and stands at the log's head.
    fn take_up(&mut self, newest: Newest, is_same: bool) {
        self.last = newest.event;
        let head = newest.event.map_or(0, |(position, _)| position);
        self.epoch.send_replace(newest.epoch);
        if is_same {
            self.cache.forget(head);
        } else {
            self.cache.begin_history(head);
        }
        self.recent.clear();
        self.head.send_replace(head);
    }
}

/// Where the log stands.
struct Newest {
    event: Option<(Position, Uuid)>,
    epoch: Uuid,
}

impl Newest {
    async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let event: Option<(i64, Uuid)> = sqlx::query_as(
            "SELECT position, event_id FROM log.events ORDER BY position DESC LIMIT 1",
        )
        .fetch_optional(&mut *connection)
        .await?;
        let event = event.map(|(position, event_id)| (read::from_db(position), event_id));
        Ok(Self { event, epoch: read::epoch(connection).await? })
    }
}

fn answer(submission: Submission, outcome: Result<Appended, AppendError>) {
    // The caller may have gone; then nobody waits.
    let _ = submission.reply.send(outcome);
}

fn refuse(batch: Batch, error: &AppendError) {
    for submission in batch.units {
        answer(submission, Err(error.clone()));
    }
}

fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

/// Halves a batch that holds a bad unit; refuses the bad unit once it is alone.
fn divide(mut batch: Batch, state: &str, resent: bool, batches: &mut VecDeque<(Batch, bool)>) {
    if batch.units.len() < 2 {
        return refuse(batch, &AppendError::Data(state.to_owned()));
    }
    let units = batch.units.split_off(batch.units.len() / 2);
    let second = Batch { units, known: batch.known, cached: batch.cached };
    batches.push_front((second, resent));
    batches.push_front((batch, resent));
}

fn refusal(why: &str, detail: Option<String>) -> Result<Appended, AppendError> {
    match why {
        "written" => {
            let position = detail.and_then(|position| position.parse().ok());
            position.map(Appended::Before).ok_or(AppendError::Unknown)
        }
        "receipt" => {
            let receipt: Option<StoredReceipt> =
                detail.and_then(|receipt| serde_json::from_str(&receipt).ok());
            receipt.map(Appended::Receipt).ok_or(AppendError::Unknown)
        }
        "claim" => Err(AppendError::Claimed(detail.unwrap_or_default())),
        _ => Err(AppendError::Moved),
    }
}
