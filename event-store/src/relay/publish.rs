//! Publishing with acknowledgements: a chunk of messages goes out at once, and all of its
//! acknowledgements are awaited before the next.

use std::{sync::Arc, time::Duration};

use async_nats::{Client, Subscriber};
use futures::StreamExt;
use tokio::time::timeout;
use uuid::Uuid;

use super::{RelayConfig, RelayError, headers};
use crate::RecordedEvent;

/// How long a chunk's acknowledgements may take together.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Publisher {
    client: Client,
    subject_prefix: String,
    inbox: String,
    acknowledgements: Subscriber,
    /// Tells a chunk's acknowledgements from late ones of a chunk before it.
    chunk: u64,
}

impl Publisher {
    pub(super) async fn new(config: &RelayConfig) -> Result<Self, RelayError> {
        let inbox = config.client.new_inbox();
        let acknowledgements =
            config.client.subscribe(format!("{inbox}.*.*")).await.map_err(RelayError::broker)?;
        Ok(Self {
            client: config.client.clone(),
            subject_prefix: config.subject_prefix.clone(),
            inbox,
            acknowledgements,
            chunk: 0,
        })
    }

    pub(super) async fn publish(
        &mut self,
        events: &[Arc<RecordedEvent>],
        epoch: Uuid,
    ) -> Result<(), RelayError> {
        self.chunk += 1;
        for (index, event) in events.iter().enumerate() {
            let subject =
                format!("{}.{}.{}", self.subject_prefix, event.aggregate_type, event.event_type);
            let reply = format!("{}.{}.{index}", self.inbox, self.chunk);
            let payload = event.payload.clone().into();
            self.client
                .publish_with_reply_and_headers(subject, reply, headers(event, epoch), payload)
                .await
                .map_err(RelayError::broker)?;
        }
        timeout(PATIENCE, self.acknowledged(events.len()))
            .await
            .map_err(|_| RelayError::broker("the broker did not acknowledge in time"))?
    }

    async fn acknowledged(&mut self, count: usize) -> Result<(), RelayError> {
        let mut missing = vec![true; count];
        let mut left = count;
        while left > 0 {
            let Some(message) = self.acknowledgements.next().await else {
                return Err(RelayError::broker("the subscription to acknowledgements ended"));
            };
            let Some(index) = self.index_of(&message.subject) else { continue };
            let accepted = message.status.is_none()
                && memchr::memmem::find(&message.payload, b"\"seq\"").is_some()
                && memchr::memmem::find(&message.payload, b"\"error\"").is_none();
            if !accepted {
                let said = String::from_utf8_lossy(&message.payload).into_owned();
                return Err(RelayError::broker(format!("the broker refused a message: {said}")));
            }
            if missing.get(index).copied().unwrap_or(false) {
                missing[index] = false;
                left -= 1;
            }
        }
        Ok(())
    }

    /// Which message of the present chunk a reply belongs to.
    fn index_of(&self, subject: &str) -> Option<usize> {
        let (chunk, index) =
            subject.strip_prefix(&self.inbox)?.strip_prefix('.')?.split_once('.')?;
        (chunk.parse() == Ok(self.chunk)).then(|| index.parse().ok()).flatten()
    }
}
