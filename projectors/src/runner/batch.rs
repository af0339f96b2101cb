//! What the broker brought, before any of it is believed.

use agora_event_store::{Position, RecordedEvent};
use sqlx::Error;
use tokio_util::sync::CancellationToken;

use super::{
    Follower,
    applier::{Origin, Outcome},
    source::Incoming,
    within,
};
use crate::message::{self, Claimed};

impl Follower<'_> {
    /// Applies a batch of messages. Those that are old, of another epoch or no events at all are
    /// left; where one is missing, or what they say is not what the log says, the log is read.
    pub(super) async fn take(
        &mut self,
        messages: &mut Vec<Incoming>,
        shutdown: &CancellationToken,
    ) -> Result<(), Error> {
        let mut claimed = Vec::with_capacity(messages.len());
        let mut last = None;
        for mut incoming in messages.drain(..) {
            claimed.extend(incoming.claimed.take());
            last = Some(incoming);
        }
        if claimed.iter().any(|claimed| claimed.epoch != self.applier.epoch()) {
            // Theirs may be the newer.
            self.check_history().await?;
        }
        let count = claimed.len();
        claimed.retain(|claimed| claimed.epoch == self.applier.epoch());
        refused("epoch", count - claimed.len());
        self.take_claimed(claimed, shutdown).await?;
        if let Some(last) = last {
            last.ack().await;
        }
        Ok(())
    }

    async fn take_claimed(
        &mut self,
        mut claimed: Vec<Claimed>,
        shutdown: &CancellationToken,
    ) -> Result<(), Error> {
        let from = self.applier.position();
        claimed.retain(|claimed| claimed.event.position > from);
        claimed.sort_by_key(|claimed| claimed.event.position);
        claimed.dedup_by_key(|claimed| claimed.event.position);
        let Some(to) = claimed.last().map(|claimed| claimed.event.position) else {
            return Ok(());
        };
        if !dense(from, &claimed) {
            refused("hole", 1);
            return self.fill(to, shutdown).await;
        }
        let digest = message::digest(claimed.iter());
        let events: Vec<RecordedEvent> = claimed.into_iter().map(|claimed| claimed.event).collect();
        let outcome = within(self.applier.apply(&events, Origin::Broker { digest })).await?;
        self.settle(outcome, events.len(), "broker").await?;
        match outcome {
            Outcome::Applied => {
                self.fresh = true;
                Ok(())
            }
            Outcome::Differs => {
                refused("forged", 1);
                tracing::warn!(
                    from,
                    to,
                    "messages of the stream are not what the log holds: reading the log instead"
                );
                self.fill(to, shutdown).await
            }
            Outcome::Moved => self.fill(to, shutdown).await,
        }
    }
}

/// Whether the messages are exactly those that come next.
fn dense(from: Position, claimed: &[Claimed]) -> bool {
    claimed.iter().zip(from + 1..).all(|(claimed, next)| claimed.event.position == next)
}

fn refused(why: &'static str, count: usize) {
    if count > 0 {
        metrics::counter!("agora_projector_messages_refused_total", "why" => why)
            .increment(u64::try_from(count).unwrap_or(u64::MAX));
    }
}
