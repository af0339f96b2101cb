//! From the log to JetStream, through lost brokers, forged messages and restored logs.

use std::{sync::Arc, time::Duration};

use crate::common::*;
use agora_event_store::{
    EventLog, RecordedEvent, read,
    read::rfc3339_micros,
    relay::{self, RelayConfig},
    testing::{TestDatabase, broker, eventually},
};
use async_nats::{
    HeaderMap,
    jetstream::{self, message::StreamMessage, stream},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A log with a stream of its own on the test broker.
struct Stage {
    database: Arc<TestDatabase>,
    log: EventLog,
    client: async_nats::Client,
    jetstream: jetstream::Context,
    stream: String,
    prefix: String,
}

struct Relay {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Relay {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

impl Stage {
    async fn set() -> Self {
        let (database, log) = database_and_log().await;
        let client = broker().await;
        let jetstream = jetstream::new(client.clone());
        let name = id().simple().to_string();
        let stage = Self {
            database,
            log,
            client,
            jetstream,
            stream: format!("RELAY_{name}"),
            prefix: format!("relay_{name}"),
        };
        stage.make_stream().await;
        stage
    }

    async fn make_stream(&self) {
        ensure(self.jetstream.clone(), self.stream.clone(), self.prefix.clone()).await.unwrap();
    }

    /// Runs a relay for an instance.
    fn relay(&self, log: &EventLog) -> Relay {
        let config = RelayConfig {
            connect: self.database.connect_as("agora_writer"),
            client: self.client.clone(),
            stream: self.stream.clone(),
            subject_prefix: self.prefix.clone(),
        };
        let (jetstream, stream, prefix) =
            (self.jetstream.clone(), self.stream.clone(), self.prefix.clone());
        let make = move || ensure(jetstream.clone(), stream.clone(), prefix.clone());
        let stop = CancellationToken::new();
        let task = tokio::spawn(relay::run(log.clone(), config, make, stop.clone()));
        Relay { stop, task }
    }

    async fn append(&self, count: usize) {
        for _ in 0..count {
            position(&self.log.append(lone_unit()).await);
        }
    }

    /// Everything in the stream, in its order.
    async fn messages(&self) -> Vec<StreamMessage> {
        let Ok(stream) = self.jetstream.get_stream(&self.stream).await else { return Vec::new() };
        let state = stream.get_info().await.unwrap().state;
        let mut messages = Vec::new();
        if state.messages > 0 {
            for sequence in state.first_sequence..=state.last_sequence {
                messages.push(stream.get_raw_message(sequence).await.unwrap());
            }
        }
        messages
    }

    /// The positions in the stream, 0 for what has none.
    async fn positions(&self) -> Vec<u64> {
        let messages = self.messages().await;
        messages.iter().map(|message| number(&message.headers, "agora-position")).collect()
    }

    async fn arrives(&self, expected: &[u64]) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        loop {
            let positions = self.positions().await;
            if positions == expected {
                return;
            }
            let late = tokio::time::Instant::now() >= deadline;
            assert!(!late, "in the stream: {positions:?}, expected: {expected:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn epoch(&self) -> Uuid {
        let mut connection = self.database.pool.acquire().await.unwrap();
        read::epoch(&mut connection).await.unwrap()
    }

    async fn publish(&self, headers: HeaderMap) {
        self.jetstream
            .publish_with_headers(format!("{}.tally.Forged", self.prefix), headers, "{}".into())
            .await
            .unwrap()
            .await
            .unwrap();
    }

    /// Publishes what looks like an event of the log at a position that it does not have.
    async fn forge(&self, position: u64) {
        let mut event = all(&self.database).await.remove(0);
        event.position = position;
        event.event_id = id();
        self.publish(relay::headers(&event, self.epoch().await)).await;
    }

    async fn strike(self, relays: impl IntoIterator<Item = Relay>) {
        for relay in relays {
            relay.stop().await;
        }
        let _ = self.jetstream.delete_stream(&self.stream).await;
    }
}

async fn ensure(jetstream: jetstream::Context, name: String, prefix: String) -> Result<(), String> {
    let config = stream::Config {
        name,
        subjects: vec![format!("{prefix}.>")],
        storage: stream::StorageType::Memory,
        ..stream::Config::default()
    };
    let made = jetstream.get_or_create_stream(config).await;
    made.map(|_| ()).map_err(|error| error.to_string())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.as_str())
}

fn number(headers: &HeaderMap, name: &str) -> u64 {
    text(headers, name).parse().unwrap_or(0)
}

fn assert_message(message: &StreamMessage, event: &RecordedEvent, epoch: Uuid, prefix: &str) {
    let headers = &message.headers;
    for (name, expected) in [
        ("Nats-Msg-Id", event.event_id.to_string()),
        ("ce-specversion", "1.0".into()),
        ("ce-id", event.event_id.to_string()),
        ("ce-type", event.event_type.clone()),
        ("ce-source", format!("agora/log/{epoch}")),
        ("ce-subject", format!("{}/{}", event.aggregate_type, event.aggregate_id)),
        ("ce-time", rfc3339_micros(event.recorded_at)),
        ("agora-position", event.position.to_string()),
        ("agora-epoch", epoch.to_string()),
        ("agora-sequence", event.sequence.to_string()),
        ("agora-version", event.event_version.clone()),
        ("agora-metadata", event.metadata.clone()),
    ] {
        assert_eq!(text(headers, name), expected, "{name}");
    }
    assert_eq!(
        message.subject.as_str(),
        format!("{prefix}.{}.{}", event.aggregate_type, event.event_type)
    );
    assert_eq!(message.payload, event.payload.as_bytes());
}

#[tokio::test]
async fn events_arrive_in_order_each_with_its_headers() {
    let stage = Stage::set().await;
    // The stream is empty, so what is in the log already is not sent.
    stage.append(3).await;
    let relay = stage.relay(&stage.log);
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.append(50).await;
    // More than one chunk, from another instance: read back from the log.
    let other = stage.database.log().await;
    let events: Vec<_> = (0..1_500).map(|_| event(&stream(&id().to_string()), 1)).collect();
    position(&other.append(agora_event_store::Unit { events, ..Default::default() }).await);
    stage.arrives(&(4..=1_553).collect::<Vec<_>>()).await;
    let epoch = stage.epoch().await;
    let events = all(&stage.database).await;
    for (message, event) in stage.messages().await.iter().zip(&events[3..]) {
        assert_message(message, event, epoch, &stage.prefix);
    }
    stage.strike([relay]).await;
}

#[tokio::test]
async fn a_relay_that_comes_back_goes_on_where_the_stream_ends() {
    let stage = Stage::set().await;
    let relay = stage.relay(&stage.log);
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.append(5).await;
    stage.arrives(&[1, 2, 3, 4, 5]).await;
    relay.stop().await;
    stage.append(5).await;
    let relay = stage.relay(&stage.log);
    stage.arrives(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).await;
    stage.strike([relay]).await;
}

#[tokio::test]
async fn a_broker_that_lost_its_storage_is_served_from_the_head_on() {
    let stage = Stage::set().await;
    let relay = stage.relay(&stage.log);
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.append(5).await;
    stage.arrives(&[1, 2, 3, 4, 5]).await;
    stage.jetstream.delete_stream(&stage.stream).await.unwrap();
    // The loss shows when the next event is sent; whoever reads fills the hole from the log.
    stage.append(1).await;
    eventually("the stream is there again", || async {
        stage.jetstream.get_stream(&stage.stream).await.is_ok()
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.append(3).await;
    eventually("events arrive", || async { stage.positions().await.len() >= 3 }).await;
    let positions = stage.positions().await;
    assert_eq!(positions.last(), Some(&9));
    assert!(positions.windows(2).all(|pair| pair[1] == pair[0] + 1), "{positions:?}");
    stage.strike([relay]).await;
}

#[tokio::test]
async fn of_two_instances_one_relays_and_the_other_takes_over() {
    let stage = Stage::set().await;
    let other = stage.database.log().await;
    let first = stage.relay(&stage.log);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let second = stage.relay(&other);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let leases: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
         AND (classid::bigint << 32 | objid::bigint) = 491327352185
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .fetch_one(&stage.database.pool)
    .await
    .unwrap();
    assert_eq!(leases, 1);
    stage.append(10).await;
    stage.arrives(&(1..=10).collect::<Vec<_>>()).await;
    first.stop().await;
    for _ in 0..10 {
        position(&other.append(lone_unit()).await);
    }
    stage.arrives(&(1..=20).collect::<Vec<_>>()).await;
    stage.strike([second]).await;
}

/// A lease that is lost with its connection is taken again.
#[tokio::test]
async fn a_relay_whose_connection_is_cut_begins_anew() {
    let stage = Stage::set().await;
    let relay = stage.relay(&stage.log);
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.append(3).await;
    stage.arrives(&[1, 2, 3]).await;
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_locks
         WHERE locktype = 'advisory' AND (classid::bigint << 32 | objid::bigint) = 491327352185
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .execute(&stage.database.pool)
    .await
    .unwrap();
    stage.append(3).await;
    stage.arrives(&[1, 2, 3, 4, 5, 6]).await;
    stage.strike([relay]).await;
}

/// The broker remembers what a restored log does not hold: its messages are of a lost history.
#[tokio::test]
async fn a_log_restored_to_an_older_state_begins_a_new_epoch() {
    let stage = Stage::set().await;
    let relay = stage.relay(&stage.log);
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.append(6).await;
    stage.arrives(&[1, 2, 3, 4, 5, 6]).await;
    relay.stop().await;
    let before = stage.epoch().await;
    let mut connection = stage.database.pool.acquire().await.unwrap();
    for statement in [
        "ALTER TABLE log.events DISABLE TRIGGER events_immutable",
        "DELETE FROM log.events WHERE position > 4",
        "ALTER TABLE log.events ENABLE ALWAYS TRIGGER events_immutable",
    ] {
        sqlx::query(statement).execute(&mut *connection).await.unwrap();
    }
    drop(connection);
    let restored = stage.database.log().await;
    let relay = stage.relay(&restored);
    eventually("a new epoch begins", || async { stage.epoch().await != before }).await;
    position(&restored.append(lone_unit()).await);
    stage.arrives(&[1, 2, 3, 4, 5, 6, 5]).await;
    let messages = stage.messages().await;
    let epoch = stage.epoch().await;
    assert_eq!(text(&messages[5].headers, "agora-epoch"), before.to_string());
    assert_eq!(text(&messages[6].headers, "agora-epoch"), epoch.to_string());
    relay.stop().await;
    // Begun once: the next relay finds its own message of the new epoch.
    let relay = stage.relay(&restored);
    position(&restored.append(lone_unit()).await);
    stage.arrives(&[1, 2, 3, 4, 5, 6, 5, 6]).await;
    assert_eq!(stage.epoch().await, epoch);
    stage.strike([relay]).await;
}

/// As `ledger new-epoch` begins one.
#[tokio::test]
async fn an_epoch_that_an_operator_begins_is_taken_up() {
    let stage = Stage::set().await;
    let relay = stage.relay(&stage.log);
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.append(3).await;
    stage.arrives(&[1, 2, 3]).await;
    let before = stage.epoch().await;
    let begun: Uuid = sqlx::query_scalar("SELECT log.begin_epoch($1, 'a test')")
        .bind(before)
        .fetch_one(&stage.database.pool)
        .await
        .unwrap();
    assert_ne!(begun, before);
    // Who names an epoch that is past begins none.
    let again: Uuid = sqlx::query_scalar("SELECT log.begin_epoch($1, 'a test')")
        .bind(before)
        .fetch_one(&stage.database.pool)
        .await
        .unwrap();
    assert_eq!(again, begun);
    tokio::time::sleep(Duration::from_millis(700)).await;
    stage.append(3).await;
    eventually("the new epoch is on the broker", || async {
        let messages = stage.messages().await;
        messages.last().is_some_and(|last| {
            number(&last.headers, "agora-position") == 6
                && text(&last.headers, "agora-epoch") == begun.to_string()
        })
    })
    .await;
    stage.strike([relay]).await;
}

/// Who can publish but has no master key moves no cursor and begins no epoch.
#[tokio::test]
async fn messages_that_are_published_by_hand_neither_stop_the_relay_nor_begin_an_epoch() {
    let stage = Stage::set().await;
    let relay = stage.relay(&stage.log);
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.append(3).await;
    stage.arrives(&[1, 2, 3]).await;
    relay.stop().await;
    let epoch = stage.epoch().await;
    // No headers; a position far ahead; one that the log holds, with another event; and one whose
    // MAC was copied from a message of the relay's.
    stage.publish(HeaderMap::new()).await;
    stage.forge(1_000_000).await;
    stage.forge(2).await;
    let mut copied = stage.messages().await[2].headers.clone();
    copied.insert("Nats-Msg-Id", "another");
    copied.insert("agora-position", "77");
    stage.publish(copied).await;
    stage.append(3).await;
    let relay = stage.relay(&stage.log);
    stage.arrives(&[1, 2, 3, 0, 1_000_000, 2, 77, 4, 5, 6]).await;
    assert_eq!(stage.epoch().await, epoch, "the log was not restored");
    // While it runs as well.
    stage.forge(2_000_000).await;
    stage.append(1).await;
    eventually("the next event arrives", || async { stage.positions().await.last() == Some(&7) })
        .await;
    assert_eq!(stage.epoch().await, epoch);
    stage.strike([relay]).await;
}
