//! The service: one process of all applies, the others wait to take its place.

use std::time::Duration;

use agora_event_store::Position;
use agora_service::config::NatsArgs;
use async_nats::Client;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::databases::Databases;
use applier::{Applier, Outcome};
pub use source::PROJECTED;
use source::Source;

pub mod applier;
mod batch;
mod laggards;
mod leader;
mod source;

/// The most events in a transaction.
pub const BATCH_EVENTS_MAX: usize = 2_000;
/// A batch is what is there. Only where the last one had so many events the next is given some time
/// to fill: under load a transaction costs more than what is in it.
const BUSY_EVENTS: usize = 32;
const BUSY_PAUSE: Duration = Duration::from_millis(10);
/// How often checkpoints are written and compared with the log's head.
const TICK: Duration = Duration::from_secs(1);
/// How often the log is looked at while the broker is away.
const POLL: Duration = Duration::from_millis(20);
/// How long a message may be late after a command API said that it has appended.
const LATE: Duration = Duration::from_millis(50);
/// A step that takes longer has lost its database.
const STEP_LIMIT: Duration = Duration::from_secs(60);
const RECONNECT: Duration = Duration::from_millis(200);

/// What this process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Postgres is not there.
    Connecting,
    /// Another process applies.
    Standby,
    /// This one applies; so many projections are stopped.
    Leading { stopped: usize },
}

pub struct Runner {
    databases: Databases,
    client: Client,
    nats: NatsArgs,
    phase: watch::Sender<Phase>,
}

impl Runner {
    pub fn new(databases: Databases, client: Client, nats: NatsArgs) -> Self {
        Self { databases, client, nats, phase: watch::Sender::new(Phase::Connecting) }
    }

    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Runs until `shutdown`; then writes the checkpoints and returns. Whatever fails is tried again.
    pub async fn run(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => return,
                led = leader::elected(&self.databases.log, &self.phase) => match led {
                    Ok(connection) => {
                        let led = self.lead(connection, shutdown).await;
                        if let Err(error) = led {
                            warn!(%error, "lost the database: reconnecting");
                        }
                    }
                    Err(error) => warn!(%error, "the database does not answer: trying again"),
                },
            }
            // What the next leader says counts: a gauge that stands still would hide it.
            metrics::gauge!("agora_projector_lag_events").set(f64::NAN);
            metrics::gauge!("agora_projector_stopped").set(f64::NAN);
            self.phase.send_replace(Phase::Connecting);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(RECONNECT) => {}
            }
        }
    }

    async fn lead(
        &self,
        connection: sqlx::PgConnection,
        shutdown: &CancellationToken,
    ) -> Result<(), sqlx::Error> {
        let applier = within(Applier::open(connection, self.databases.opener.clone())).await?;
        // Before the log is read: then nothing lies between the two.
        let source = Source::start(&self.client, &self.nats);
        info!(position = applier.position(), "applying");
        let mut follower =
            Follower { applier, source, phase: &self.phase, late: None, fresh: false, head: 0 };
        let followed = follower.follow(shutdown).await;
        if followed.is_ok() {
            within(follower.applier.flush()).await?;
            follower.applier.close().await;
        }
        followed
    }
}

/// The leader at work.
struct Follower<'r> {
    applier: Applier,
    source: Source,
    phase: &'r watch::Sender<Phase>,
    /// When to look at the log for what was appended and has not come by the broker.
    late: Option<Instant>,
    /// Whether the broker has brought something new since the last tick.
    fresh: bool,
    /// Of the log, when it was last looked at.
    head: Position,
}

impl Follower<'_> {
    async fn follow(&mut self, shutdown: &CancellationToken) -> Result<(), sqlx::Error> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut messages = Vec::with_capacity(BATCH_EVENTS_MAX);
        self.tell_phase();
        self.fill(Position::MAX, shutdown).await?;
        loop {
            let late = self.late.unwrap_or_else(|| Instant::now() + TICK);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                _ = tick.tick() => self.tick(shutdown).await?,
                count = self.source.messages.recv_many(&mut messages, BATCH_EVENTS_MAX) => {
                    // The sender lives as long as its task, and that has no end of its own.
                    if count == 0 {
                        return Err(sqlx::Error::WorkerCrashed);
                    }
                    self.take(&mut messages, shutdown).await?;
                    if count >= BUSY_EVENTS {
                        sleep(BUSY_PAUSE).await;
                    }
                }
                Ok(()) = self.source.attached.changed() => {
                    // What was published before the consumer was there does not come by it.
                    self.fill(Position::MAX, shutdown).await?;
                }
                Ok(()) = self.source.appended.changed() => {
                    let appended = *self.source.appended.borrow_and_update();
                    if appended > self.applier.position() {
                        self.late.get_or_insert_with(|| Instant::now() + LATE);
                    }
                }
                () = sleep_until(late), if self.late.is_some() => {
                    self.late = None;
                    let appended = *self.source.appended.borrow();
                    self.fill(appended, shutdown).await?;
                }
                _ = poll.tick(), if !self.source.follows() => {
                    self.fill(Position::MAX, shutdown).await?;
                }
                () = std::future::ready(()), if self.applier.has_laggards() => {}
            }
            // Between the others' batches, so that neither waits for long.
            if self.applier.has_laggards() {
                within(self.applier.catch_up_step()).await?;
            }
        }
    }

    /// Once a second: the checkpoints, the head, the history.
    async fn tick(&mut self, shutdown: &CancellationToken) -> Result<(), sqlx::Error> {
        within(self.applier.flush()).await?;
        self.check_history().await?;
        let lag = self.head.saturating_sub(self.applier.position());
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("agora_projector_lag_events").set(lag as f64);
        metrics::gauge!("agora_projector_stopped")
            .set(u32::try_from(self.applier.stopped()).map_or(f64::MAX, f64::from));
        self.tell_phase();
        if lag > 0 && !self.fresh {
            metrics::counter!("agora_projector_silences_total").increment(1);
            self.fill(Position::MAX, shutdown).await?;
        }
        self.fresh = false;
        Ok(())
    }

    fn tell_phase(&self) {
        let leading = Phase::Leading { stopped: self.applier.stopped() };
        self.phase.send_if_modified(|phase| std::mem::replace(phase, leading) != leading);
    }

    /// Looks at the log's head, and whether its history is still the one that was projected.
    async fn check_history(&mut self) -> Result<(), sqlx::Error> {
        let head = within(self.applier.head()).await?;
        self.head = head.position;
        within(self.applier.check_history(head)).await
    }

    /// Reads on in the log, up to `wanted` or its head.
    async fn fill(
        &mut self,
        wanted: Position,
        shutdown: &CancellationToken,
    ) -> Result<(), sqlx::Error> {
        while self.applier.position() < wanted && !shutdown.is_cancelled() {
            let events = within(self.applier.read_log(BATCH_EVENTS_MAX)).await?;
            if events.is_empty() {
                break;
            }
            let count = events.len();
            let outcome = within(self.applier.apply(&events, applier::Origin::Log)).await?;
            self.settle(outcome, count, "log").await?;
        }
        Ok(())
    }

    /// What follows on a batch, whatever came of it.
    async fn settle(
        &mut self,
        outcome: Outcome,
        count: usize,
        origin: &'static str,
    ) -> Result<(), sqlx::Error> {
        match outcome {
            Outcome::Applied => {
                let count = u64::try_from(count).unwrap_or(u64::MAX);
                metrics::counter!("agora_projector_events_total", "from" => origin)
                    .increment(count);
                if *self.source.appended.borrow() <= self.applier.position() {
                    self.late = None;
                }
                self.source.tell_projected(self.applier.position()).await;
            }
            Outcome::Moved => {
                within(self.applier.reload()).await?;
                self.check_history().await?;
            }
            Outcome::Differs => {}
        }
        Ok(())
    }
}

/// A step with an end: a database that was cut off must not hold the process for ever.
pub(crate) async fn within<T>(
    step: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(STEP_LIMIT, step).await.unwrap_or_else(|_| {
        Err(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            "the database has not answered for a minute",
        )))
    })
}
