//! A log that a test writes by hand, and the means to project it.

use std::{collections::HashMap, sync::Arc};

use agora_event_store::{
    Opener, Position, RecordedEvent,
    read::to_db,
    relay,
    testing::{NATS_URL, TestDatabase},
};
use agora_projectors::{
    databases::Databases,
    projections,
    rebuild::verify::{ContentHash, content_hash},
    runner::{
        Runner,
        applier::{Applier, Origin, Outcome},
    },
};
use agora_service::{clock::new_id, config::NatsArgs, nats};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgConnection};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// An event before it has a place in the log.
#[derive(Clone, Debug)]
pub struct Fact {
    pub stream: (&'static str, String),
    pub event_type: &'static str,
    pub payload: Value,
    pub metadata: Value,
}

pub fn fact(
    aggregate_type: &'static str,
    id: impl ToString,
    event_type: &'static str,
    fields: Value,
) -> Fact {
    Fact {
        stream: (aggregate_type, id.to_string()),
        event_type,
        payload: json!({ event_type: fields }),
        metadata: json!({ "actor": format!("system:{}", Uuid::nil()), "command_name": "test" }),
    }
}

impl Fact {
    pub fn by(mut self, actor: &str) -> Self {
        self.metadata["actor"] = actor.into();
        self
    }

    pub fn with_ip(mut self, sealed: &str) -> Self {
        self.metadata["ip"] = sealed.into();
        self
    }
}

pub struct Scene {
    pub db: TestDatabase,
    sequences: HashMap<(&'static str, String), u64>,
    head: Position,
}

impl Scene {
    pub async fn new() -> Self {
        Self { db: TestDatabase::new().await, sequences: HashMap::new(), head: 0 }
    }

    pub fn connect(&self) -> Databases {
        let log = self.db.connect_as("agora_projector");
        Databases { log, opener: Opener::new(self.db.vault()) }
    }

    /// When the event at a position was recorded.
    pub fn at(position: Position) -> DateTime<Utc> {
        let begin = DateTime::from_timestamp_micros(1_790_000_000_000_000).expect("in range");
        begin + TimeDelta::milliseconds(to_db(position))
    }

    /// Writes facts at the end of the log; returns them as they stand there.
    pub async fn append(&mut self, facts: impl IntoIterator<Item = Fact>) -> Vec<RecordedEvent> {
        let mut events = Vec::new();
        for fact in facts {
            self.head += 1;
            let sequence = self.sequences.entry(fact.stream.clone()).or_default();
            *sequence += 1;
            events.push(RecordedEvent {
                position: self.head,
                event_id: Uuid::from_u128(
                    0x018f_0000_0000_7000_8000_0000_0000_0000 + u128::from(self.head),
                ),
                aggregate_type: fact.stream.0.to_owned(),
                aggregate_id: fact.stream.1,
                sequence: *sequence,
                event_type: fact.event_type.to_owned(),
                event_version: "1".to_owned(),
                payload: fact.payload.to_string(),
                metadata: fact.metadata.to_string(),
                recorded_at: Self::at(self.head),
            });
        }
        write(&self.db, &events).await;
        events
    }

    pub fn head(&self) -> Position {
        self.head
    }

    pub async fn connection(&self) -> PgConnection {
        agora_projectors::checkpoints::live(self.connect().log)
            .connect()
            .await
            .expect("a connection")
    }

    pub async fn applier(&self) -> Applier {
        Applier::open(self.connection().await, self.connect().opener)
            .await
            .expect("the applier opens")
    }

    /// Applies everything that is not applied yet, in batches of a size.
    pub async fn project_in(&self, size: usize) {
        let mut applier = self.applier().await;
        loop {
            let events = applier.read_log(size).await.expect("the log can be read");
            if events.is_empty() {
                break;
            }
            let outcome = applier.apply(&events, Origin::Log).await.expect("it applies");
            assert_eq!(outcome, Outcome::Applied);
        }
        while applier.has_laggards() {
            applier.catch_up_step().await.expect("laggards catch up");
        }
        applier.flush().await.expect("checkpoints can be written");
        applier.close().await;
    }

    pub async fn project(&self) {
        self.project_in(1_000).await;
    }

    /// The rows of a query on the read tables, as JSON.
    pub async fn rows(&self, query: &str) -> Vec<Value> {
        let statement = format!("SELECT to_jsonb(q)::text FROM ({query}) q");
        let rows: Vec<String> = sqlx::query_scalar(&statement)
            .fetch_all(&mut self.connection().await)
            .await
            .expect("the query runs");
        rows.iter().map(|row| serde_json::from_str(row).expect("JSON")).collect()
    }

    pub async fn row(&self, query: &str) -> Value {
        let mut rows = self.rows(query).await;
        assert_eq!(rows.len(), 1, "{query}");
        rows.remove(0)
    }

    /// The content of every read table.
    pub async fn content(&self) -> Vec<(&'static str, ContentHash)> {
        let mut connection = self.connection().await;
        let mut content = Vec::new();
        for table in projections::ALL.iter().flat_map(|projection| projection.tables) {
            let hash = content_hash(table, &mut connection).await.expect("the table is there");
            content.push((*table, hash));
        }
        content
    }

    /// -1 before the projection is registered.
    pub async fn served(&self, projection: &str) -> i64 {
        sqlx::query_scalar("SELECT coalesce(read.served_position($1), -1)")
            .bind(projection)
            .fetch_one(&self.db.pool)
            .await
            .expect("the function answers")
    }

    pub async fn epoch(&self) -> Uuid {
        sqlx::query_scalar("SELECT epoch FROM log.epochs ORDER BY number DESC LIMIT 1")
            .fetch_one(&self.db.pool)
            .await
            .expect("there is an epoch")
    }
}

/// Writes events into the log as the append function would.
pub async fn write(db: &TestDatabase, events: &[RecordedEvent]) {
    let all = || events.iter();
    sqlx::query(
        "INSERT INTO log.events SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[],
             $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[]::json[],
             $9::text[]::json[], $10::timestamptz[], $11::bytea[])",
    )
    .bind(all().map(|event| to_db(event.position)).collect::<Vec<_>>())
    .bind(all().map(|event| event.event_id).collect::<Vec<_>>())
    .bind(all().map(|event| event.aggregate_type.as_str()).collect::<Vec<_>>())
    .bind(all().map(|event| event.aggregate_id.as_str()).collect::<Vec<_>>())
    .bind(all().map(|event| to_db(event.sequence)).collect::<Vec<_>>())
    .bind(all().map(|event| event.event_type.as_str()).collect::<Vec<_>>())
    .bind(all().map(|event| event.event_version.as_str()).collect::<Vec<_>>())
    .bind(all().map(|event| event.payload.as_str()).collect::<Vec<_>>())
    .bind(all().map(|event| event.metadata.as_str()).collect::<Vec<_>>())
    .bind(all().map(|event| event.recorded_at).collect::<Vec<_>>())
    .bind(all().map(|event| event.entry_hash().to_vec()).collect::<Vec<_>>())
    .execute(&db.pool)
    .await
    .expect("the log can be written");
}

pub fn time(position: Position) -> Value {
    let text = Scene::at(position).format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
    let short = text.trim_end_matches('0').trim_end_matches('.');
    Value::from(format!("{short}+00:00"))
}

/// A broker with a stream of the test's own.
pub struct Broker {
    pub args: NatsArgs,
    pub client: async_nats::Client,
}

impl Broker {
    pub async fn new() -> Self {
        let name = format!("T{}", new_id().simple());
        let args = NatsArgs {
            nats_url: std::env::var(NATS_URL).expect("deploy/test sets it"),
            nats_credentials: None,
            nats_stream: name.clone(),
            nats_subjects: name,
            nats_replicas: 1,
        };
        let client = nats::connect(&args, "test").await.expect("the broker answers");
        let broker = Self { args, client };
        broker.make_stream().await;
        broker
    }

    pub async fn make_stream(&self) {
        let jetstream = async_nats::jetstream::new(self.client.clone());
        nats::ensure_stream(&jetstream, &self.args.nats_stream, &self.args.nats_subjects, 1)
            .await
            .expect("the stream can be made");
    }

    pub async fn lose_storage(&self) {
        let jetstream = async_nats::jetstream::new(self.client.clone());
        jetstream.delete_stream(&self.args.nats_stream).await.expect("the stream is there");
    }

    /// As the relay publishes, but that a message may come twice.
    pub async fn publish<'e>(
        &self,
        events: impl IntoIterator<Item = &'e RecordedEvent>,
        epoch: Uuid,
    ) {
        for event in events {
            let mut headers = relay::headers(event, epoch);
            headers.insert("Nats-Msg-Id", new_id().to_string());
            let subject = format!("{}.{}.x", self.args.nats_subjects, event.aggregate_type);
            self.client
                .publish_with_headers(subject, headers, event.payload.clone().into())
                .await
                .expect("published");
        }
        self.client.flush().await.expect("flushed");
    }

    /// Starts a projector process's worth of work.
    pub fn start(&self, databases: Databases) -> Running {
        let runner = Arc::new(Runner::new(databases, self.client.clone(), self.args.clone()));
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let (runner, stop) = (Arc::clone(&runner), stop.clone());
            async move { runner.run(&stop).await }
        });
        Running { runner, stop, task }
    }
}

pub struct Running {
    pub runner: Arc<Runner>,
    pub stop: CancellationToken,
    pub task: JoinHandle<()>,
}

impl Running {
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("it ends well");
    }
}
