//! The broker's side: a consumer of the stream, made again whenever it is lost.
//!
//! The consumer is ephemeral and starts with new messages; what came before, and whatever the broker
//! loses, the runner reads from the log.

use std::time::Duration;

use agora_event_store::{Position, relay::APPENDED};
use agora_service::{config::NatsArgs, nats};
use async_nats::{
    Client,
    connection::State,
    jetstream::{self, consumer, message::Acker},
};
use futures::StreamExt;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tracing::{debug, info, warn};

use crate::message::Claimed;

/// Projectors tell here how far they are: the position that every running projection has seen.
pub const PROJECTED: &str = "agora.projected";

/// Messages that wait in the process; more wait at the broker.
const WAITING_MAX: usize = 4_096;
/// The server forgets a consumer that nobody pulls from for so long.
const INACTIVE_THRESHOLD: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_millis(250);

/// A message with its acknowledgement, which covers all before it.
pub(super) struct Incoming {
    /// `None`: none of ours; only to be acknowledged.
    pub(super) claimed: Option<Claimed>,
    acker: Acker,
}

impl Incoming {
    /// Tells the broker to go on. Where it is away, it will send again, and that changes nothing.
    pub(super) async fn ack(self) {
        let acked = tokio::time::timeout(Duration::from_millis(100), self.acker.ack()).await;
        if !matches!(acked, Ok(Ok(()))) {
            debug!("a batch was not acknowledged: the broker will send it again");
        }
    }
}

/// What the broker brings. Dropping it ends its tasks.
pub(super) struct Source {
    client: Client,
    pub(super) messages: mpsc::Receiver<Incoming>,
    /// Whether a consumer is there.
    pub(super) attached: watch::Receiver<bool>,
    pub(super) appended: watch::Receiver<Position>,
    _tasks: JoinSet<()>,
}

impl Source {
    pub(super) fn start(client: &Client, args: &NatsArgs) -> Self {
        let (message_sender, messages) = mpsc::channel(WAITING_MAX);
        let (attached_sender, attached) = watch::channel(false);
        let (appended_sender, appended) = watch::channel(0);
        let mut tasks = JoinSet::new();
        tasks.spawn(consume_for_ever(
            client.clone(),
            args.clone(),
            message_sender,
            attached_sender,
        ));
        tasks.spawn(listen(client.clone(), appended_sender));
        Self { client: client.clone(), messages, attached, appended, _tasks: tasks }
    }

    /// Whether what is appended comes by the broker.
    pub(super) fn follows(&self) -> bool {
        *self.attached.borrow() && self.client.connection_state() == State::Connected
    }

    /// Wakes the reads that wait for a position.
    pub(super) async fn tell_projected(&self, position: Position) {
        if self.client.connection_state() != State::Connected {
            return;
        }
        let told = self.client.publish(PROJECTED, position.to_string().into());
        // Whoever misses this polls; the projections do not wait for the broker.
        let _missed = tokio::time::timeout(Duration::from_millis(50), told).await;
    }
}

async fn consume_for_ever(
    client: Client,
    args: NatsArgs,
    messages: mpsc::Sender<Incoming>,
    attached: watch::Sender<bool>,
) {
    let mut quiet = false;
    loop {
        if client.connection_state() == State::Connected {
            match consume(&client, &args, &messages, &attached).await {
                Ok(()) => return,
                Err(reason) if !quiet => {
                    quiet = true;
                    warn!(reason, "no consumer at the broker: projecting from the log meanwhile");
                }
                Err(_) => {}
            }
            if attached.send_replace(false) {
                quiet = false;
                metrics::counter!("agora_projector_consumers_lost_total").increment(1);
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Passes messages on until the consumer is lost, or nobody wants them any more (`Ok`).
async fn consume(
    client: &Client,
    args: &NatsArgs,
    messages: &mpsc::Sender<Incoming>,
    attached: &watch::Sender<bool>,
) -> Result<(), String> {
    let jetstream = jetstream::new(client.clone());
    let stream =
        nats::ensure_stream(&jetstream, &args.nats_stream, &args.nats_subjects, args.nats_replicas)
            .await
            .map_err(|error| error.to_string())?;
    let consumer = stream
        .create_consumer(consumer::pull::Config {
            description: Some("Agora projectors".to_owned()),
            deliver_policy: consumer::DeliverPolicy::New,
            ack_policy: consumer::AckPolicy::All,
            ack_wait: Duration::from_secs(30),
            max_ack_pending: 4 * i64::try_from(WAITING_MAX).unwrap_or(i64::MAX),
            inactive_threshold: INACTIVE_THRESHOLD,
            memory_storage: true,
            num_replicas: 1,
            ..Default::default()
        })
        .await
        .map_err(|error| error.to_string())?;
    let mut incoming = consumer
        .stream()
        .max_messages_per_batch(WAITING_MAX)
        .expires(Duration::from_secs(10))
        .heartbeat(Duration::from_secs(1))
        .messages()
        .await
        .map_err(|error| error.to_string())?;
    info!(stream = args.nats_stream, "following the stream");
    attached.send_replace(true);
    while let Some(message) = incoming.next().await {
        let (message, acker) = message.map_err(|error| error.to_string())?.split();
        let claimed = match Claimed::parse(&message) {
            Ok(claimed) => Some(claimed),
            Err(reason) => {
                metrics::counter!("agora_projector_messages_refused_total", "why" => "malformed")
                    .increment(1);
                warn!(%reason, subject = %message.subject, "a message of the stream is no event");
                None
            }
        };
        if messages.send(Incoming { claimed, acker }).await.is_err() {
            return Ok(());
        }
    }
    Err("the consumer ended".to_owned())
}

async fn listen(client: Client, appended: watch::Sender<Position>) {
    loop {
        if let Ok(mut messages) = client.subscribe(APPENDED).await {
            while let Some(message) = messages.next().await {
                let told = std::str::from_utf8(&message.payload).ok().and_then(|n| n.parse().ok());
                appended.send_replace(told.unwrap_or(0));
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}
