//! Read your writes: a read waits until what it serves has reached a position (ESX-07).

use std::time::Duration;

use agora_event_store::Position;
use async_nats::Client;
use futures::StreamExt;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{error::ReadError, request::Freshness};

/// Projectors publish the position that all their projections have reached, after each commit.
pub const SUBJECT: &str = "agora.projected";

/// The first and the longest pause between two looks while nothing wakes a waiting read.
const POLL_FIRST: Duration = Duration::from_millis(10);
const POLL_LONGEST: Duration = Duration::from_millis(100);

/// The newest word from the projectors. A hint only: what counts is read from the database.
#[derive(Clone)]
pub struct Projected(watch::Sender<Position>);

impl Default for Projected {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Projected {
    /// The newest word; 0 before the first.
    pub fn reached(&self) -> Position {
        *self.0.borrow()
    }

    /// Each new word, from now on.
    pub(crate) fn news(&self) -> watch::Receiver<Position> {
        self.0.subscribe()
    }

    /// Listens until shutdown. Without NATS, reads that wait look by themselves, a little slower.
    pub async fn listen(self, client: Client, shutdown: CancellationToken) {
        let mut messages = match client.subscribe(SUBJECT).await {
            Ok(messages) => messages,
            Err(error) => {
                warn!(%error, "no news from the projectors: reads that wait will poll");
                return;
            }
        };
        loop {
            let message = tokio::select! {
                () = shutdown.cancelled() => return,
                message = messages.next() => message,
            };
            let Some(message) = message else { return };
            let position = std::str::from_utf8(&message.payload).ok().and_then(|t| t.parse().ok());
            if let Some(position) = position {
                self.0.send_replace(position);
            }
        }
    }
}

/// Asks until the answer has reached the position that is wanted, or the time is over.
///
/// `query` returns its rows with the position that they reflect, both from one snapshot. The first
/// try is made at once: mostly the data is there already.
///
/// # Errors
/// 503 where the position is not reached in time: never older data.
pub async fn fresh<T, F>(
    projected: &Projected,
    freshness: Freshness,
    query: impl Fn() -> F,
) -> Result<(Position, T), ReadError>
where
    F: Future<Output = Result<(Position, T), ReadError>>,
{
    let Freshness { min_position, wait } = freshness;
    let deadline = Instant::now() + wait;
    // Subscribed before the first look, so that no word is missed between a look and the wait.
    let mut news = projected.0.subscribe();
    let mut pause = POLL_FIRST;
    loop {
        let (position, rows) = query().await?;
        if position >= min_position {
            if pause > POLL_FIRST {
                let waited =
                    wait.saturating_sub(deadline.saturating_duration_since(Instant::now()));
                metrics::histogram!("agora_read_wait_seconds").record(waited);
            }
            return Ok((position, rows));
        }
        if Instant::now() >= deadline {
            metrics::counter!("agora_reads_stale_total").increment(1);
            return Err(ReadError::stale(position, min_position));
        }
        let look_again = deadline.min(Instant::now() + pause);
        pause = POLL_LONGEST.min(pause * 2);
        if timeout_at(look_again, told(&mut news, min_position)).await.is_ok() {
            // Told, yet the rows may lag behind the word, on a replica: don't look in a tight loop.
            sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Waits for a new word that the position is reached.
async fn told(news: &mut watch::Receiver<Position>, wanted: Position) {
    while news.changed().await.is_ok() {
        if *news.borrow_and_update() >= wanted {
            return;
        }
    }
    std::future::pending().await
}
