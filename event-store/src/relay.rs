//! From the log to JetStream: every event, in order, at least once.
//!
//! Of all instances one holds the lease, a session lock in Postgres. Its cursor is the stream's own
//! last message, so nothing has to be remembered. Two relays at once would only publish twice: the
//! broker drops a message id it has seen, and projectors pass over positions they have.

mod message;
mod publish;

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{
    self,
    stream::{State, Stream},
};
use sqlx::{PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{EventLog, Position, RecordedEvent, lease, read};
use message::{Cursor, Seal, cursor};
use publish::Publisher;

pub use message::{header, headers};

/// Told to other processes when the log has grown: the head's position as decimal text.
pub const APPENDED: &str = "agora.appended";

/// The advisory lock of the relay's lease ("relay" in ASCII).
const LEASE: i64 = 491_327_352_185;
/// A relay that has asked Postgres nothing for so long is paused or cut off. It waits for the broker
/// for less.
const STALLED: Duration = Duration::from_secs(30);
/// Events that are read or published at a time.
const CHUNK: usize = 1_024;
/// The poll beneath all wake-ups.
const POLL: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("the log failed: {0}")]
    Log(#[from] sqlx::Error),
    #[error("the broker failed: {0}")]
    Broker(String),
}

impl RelayError {
    fn broker(error: impl std::fmt::Display) -> Self {
        Self::Broker(error.to_string())
    }
}

/// What the relay needs beside the log.
#[derive(Clone)]
pub struct RelayConfig {
    pub connect: PgConnectOptions,
    pub client: async_nats::Client,
    /// The JetStream stream's name, `EVENTS`; it exists already.
    pub stream: String,
    /// What subjects begin with, `events`.
    pub subject_prefix: String,
}

/// Relays until cancelled. Failures are logged and tried again: the log keeps what waits.
///
/// `ensure` makes the stream where it is not there: the broker may lose its storage at any time.
pub async fn run<F, E>(log: EventLog, config: RelayConfig, ensure: F, stop: CancellationToken)
where
    F: Fn() -> E,
    E: Future<Output = Result<(), String>>,
{
    let relaying = async {
        loop {
            if let Err(error) = hold_lease(&log, &config, &ensure).await {
                metrics::counter!("agora_relay_failures").increment(1);
                tracing::warn!(%error, "the relay begins anew");
            }
            sleep(POLL).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = relaying => {}
        () = announce(log.head(), &config.client) => {}
        () = listen(&log, &config.client) => {}
    }
}

/// Tells other processes that the log has grown.
async fn announce(mut head: watch::Receiver<Position>, client: &async_nats::Client) {
    while head.changed().await.is_ok() {
        let position = head.borrow_and_update().to_string();
        // A lost wake-up is made good by the poll beneath.
        let _ = client.publish(APPENDED, position.into()).await;
    }
    std::future::pending().await
}

/// Takes in what others say they appended; and looks by itself now and then.
async fn listen(log: &EventLog, client: &async_nats::Client) {
    use futures::StreamExt;
    loop {
        let Ok(mut told) = client.subscribe(APPENDED).await else {
            sleep(POLL).await;
            continue;
        };
        loop {
            match timeout(POLL, told.next()).await {
                Ok(None) => break,
                Ok(Some(message)) => {
                    let position = std::str::from_utf8(&message.payload)
                        .ok()
                        .and_then(|text| text.parse::<Position>().ok());
                    let known = *log.head().borrow();
                    if position.is_some_and(|position| position > known) {
                        log.catch_up().await;
                    }
                }
                Err(_) => log.catch_up().await,
            }
        }
    }
}

async fn hold_lease<F, E>(
    log: &EventLog,
    config: &RelayConfig,
    ensure: &F,
) -> Result<(), RelayError>
where
    F: Fn() -> E,
    E: Future<Output = Result<(), String>>,
{
    let mut connection = lease::connect(config.connect.clone()).await?;
    if !lease::take(&mut connection, LEASE, STALLED).await? {
        return Ok(());
    }
    tracing::info!("relaying");
    let jetstream = jetstream::new(config.client.clone());
    let seal = Arc::new(Seal::new(log.vault().masters()));
    let mut publisher = Publisher::new(config, Arc::clone(&seal)).await?;
    let mut head = log.head();
    loop {
        // Anew after every failure: the broker may have lost its storage, the log may be another.
        ensure().await.map_err(RelayError::Broker)?;
        let stream = jetstream.get_stream(&config.stream).await.map_err(RelayError::broker)?;
        let info = stream.get_info().await.map_err(RelayError::broker)?;
        publisher.begin(info.state.last_sequence);
        // What this process remembers may be of a history that is lost by now.
        log.recent().clear();
        let (epoch, position) = begin(&mut connection, &stream, &info.state, &seal).await?;
        relay_from(log, &mut connection, &mut publisher, &mut head, epoch, position).await?;
    }
}

/// Where to begin, and in which epoch. Where the broker remembers what the log does not hold, the
/// log has been restored: that begins a new epoch.
async fn begin(
    connection: &mut PgConnection,
    stream: &Stream,
    state: &State,
    seal: &Seal,
) -> Result<(Uuid, Position), RelayError> {
    let epoch = read::epoch(connection).await?;
    match cursor(stream, state, epoch, seal).await? {
        Cursor::Empty => Ok((epoch, read::head(connection).await?)),
        Cursor::OtherEpoch => Ok((epoch, epoch_head(connection, epoch).await?)),
        Cursor::At(last) => {
            let there: Option<Uuid> =
                sqlx::query_scalar("SELECT event_id FROM log.events WHERE position = $1")
                    .bind(read::to_db(last.position))
                    .fetch_optional(&mut *connection)
                    .await?;
            if there == Some(last.event_id) {
                return Ok((epoch, last.position));
            }
            tracing::error!(
                position = last.position,
                "the broker carries an event that the log does not hold: beginning a new epoch"
            );
            let epoch: Uuid = sqlx::query_scalar("SELECT log.begin_epoch($1, $2)")
                .bind(epoch)
                .bind("the broker remembered more than the log: restored from an older state")
                .fetch_one(&mut *connection)
                .await?;
            Ok((epoch, epoch_head(connection, epoch).await?))
        }
        Cursor::Foreign => Ok((epoch, read::head(connection).await?)),
    }
}

async fn epoch_head(connection: &mut PgConnection, epoch: Uuid) -> Result<Position, sqlx::Error> {
    let head: i64 = sqlx::query_scalar("SELECT head FROM log.epochs WHERE epoch = $1")
        .bind(epoch)
        .fetch_one(connection)
        .await?;
    Ok(read::from_db(head))
}

/// Publishes what follows a position, for ever; ends with the first failure.
async fn relay_from(
    log: &EventLog,
    connection: &mut PgConnection,
    publisher: &mut Publisher,
    head: &mut watch::Receiver<Position>,
    epoch: Uuid,
    mut position: Position,
) -> Result<(), RelayError> {
    let mut epoch_seen = Instant::now();
    loop {
        let events = next(log, connection, position).await?;
        if events.is_empty() {
            // The lease goes with its connection: an idle relay asks whether it still has it.
            if timeout(POLL, head.wait_for(|head| *head > position)).await.is_err() {
                sqlx::query("SELECT 1").execute(&mut *connection).await?;
            }
            continue;
        }
        // A restore ends this connection; an epoch that an operator begins by hand is seen soon.
        if epoch_seen.elapsed() > POLL {
            if read::epoch(connection).await? != epoch {
                return Ok(());
            }
            epoch_seen = Instant::now();
        }
        publisher.publish(&events, epoch).await?;
        position += events.len() as u64;
        metrics::counter!("agora_relay_published").increment(events.len() as u64);
        metrics::gauge!("agora_relay_position").set(position as f64);
    }
}

/// The next events: from this process's memory, else from the log.
async fn next(
    log: &EventLog,
    connection: &mut PgConnection,
    position: Position,
) -> Result<Vec<Arc<RecordedEvent>>, sqlx::Error> {
    let recent = log.recent().after(position, CHUNK);
    if !recent.is_empty() {
        return Ok(recent);
    }
    let events = read::range(connection, position, CHUNK).await?;
    Ok(events.into_iter().map(Arc::new).collect())
}
