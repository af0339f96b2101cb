//! Publishing with one acknowledgement for a chunk of messages.
//!
//! The broker stores the messages of one connection in their order, so the stream's sequence in the
//! last one's acknowledgement counts them all: had it dropped one, the sequence would be lower. An
//! acknowledgement for each message would cost the broker as much as the message.

use std::{sync::Arc, time::Duration};

use async_nats::{Client, Subscriber};
use futures::StreamExt;
use tokio::time::timeout;
use uuid::Uuid;

use super::{RelayConfig, RelayError, message::Seal};
use crate::RecordedEvent;

/// How long a chunk's acknowledgement may take.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Publisher {
    client: Client,
    subject_prefix: String,
    seal: Arc<Seal>,
    inbox: String,
    acknowledgements: Subscriber,
    /// Tells a chunk's acknowledgement from a late one of a chunk before it.
    chunk: u64,
    /// The stream's last sequence, as far as is known.
    stored: u64,
}

#[derive(serde::Deserialize)]
struct Acknowledgement {
    seq: Option<u64>,
    error: Option<serde_json::Value>,
}

impl Publisher {
    pub(super) async fn new(config: &RelayConfig, seal: Arc<Seal>) -> Result<Self, RelayError> {
        let inbox = config.client.new_inbox();
        let acknowledgements =
            config.client.subscribe(format!("{inbox}.*")).await.map_err(RelayError::broker)?;
        Ok(Self {
            client: config.client.clone(),
            subject_prefix: config.subject_prefix.clone(),
            seal,
            inbox,
            acknowledgements,
            chunk: 0,
            stored: 0,
        })
    }

    /// The stream's last sequence is this: it may have been made anew, or others wrote to it.
    pub(super) fn begin(&mut self, stored: u64) {
        self.stored = stored;
    }

    pub(super) async fn publish(
        &mut self,
        events: &[Arc<RecordedEvent>],
        epoch: Uuid,
    ) -> Result<(), RelayError> {
        self.chunk += 1;
        let reply = format!("{}.{}", self.inbox, self.chunk);
        for (index, event) in (1..).zip(events) {
            let subject =
                format!("{}.{}.{}", self.subject_prefix, event.aggregate_type, event.event_type);
            let headers = self.seal.headers(event, epoch);
            let payload = event.payload.clone().into();
            let sent = if index == events.len() {
                let reply = reply.clone();
                self.client.publish_with_reply_and_headers(subject, reply, headers, payload).await
            } else {
                self.client.publish_with_headers(subject, headers, payload).await
            };
            sent.map_err(RelayError::broker)?;
        }
        let stored = timeout(PATIENCE, self.acknowledged(&reply))
            .await
            .map_err(|_| RelayError::broker("the broker did not acknowledge in time"))??;
        if stored < self.stored + events.len() as u64 {
            // The cursor is read anew, and what is missing goes out again.
            return Err(RelayError::broker("the broker stored fewer messages than were sent"));
        }
        self.stored = stored;
        Ok(())
    }

    /// Waits for the acknowledgement; gives the stream's sequence of the acknowledged message.
    async fn acknowledged(&mut self, reply: &str) -> Result<u64, RelayError> {
        loop {
            let Some(message) = self.acknowledgements.next().await else {
                return Err(RelayError::broker("the subscription to acknowledgements ended"));
            };
            if message.subject.as_str() != reply {
                continue;
            }
            let said: Option<Acknowledgement> = serde_json::from_slice(&message.payload).ok();
            return match said {
                Some(Acknowledgement { seq: Some(sequence), error: None }) => Ok(sequence),
                _ => Err(RelayError::broker("the broker refused a message")),
            };
        }
    }
}
