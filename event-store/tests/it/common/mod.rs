//! What the store's tests share: plain units, batches that are certain, and a way to count.

pub mod posts;
pub mod proxy;

use std::{sync::Arc, time::Duration};

use agora_event_store::{
    AppendError, Appended, EventLog, Guard, LogConfig, Position, Receipt, RecordedEvent,
    StreamName, Unit, read, testing::TestDatabase, unit::NewEvent,
};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// The advisory lock under which `log.append` works.
const HEAD_LOCK: i64 = 418_347_184_737;

pub fn id() -> Uuid {
    Uuid::now_v7()
}

pub fn stream(id: &str) -> StreamName {
    StreamName::new("tally", id)
}

/// An event without personal data.
pub fn event(stream: &StreamName, sequence: u64) -> NewEvent {
    NewEvent {
        event_id: id(),
        stream: stream.clone(),
        sequence,
        event_type: "Tallied",
        event_version: "1",
        payload: format!(r#"{{"Tallied":{{"to":{sequence}}}}}"#),
        metadata: r#"{"actor":"system:00000000-0000-0000-0000-000000000000"}"#.into(),
    }
}

/// A unit of one event.
pub fn unit(stream_id: &str, sequence: u64) -> Unit {
    Unit { events: vec![event(&stream(stream_id), sequence)], ..Unit::default() }
}

/// A unit of one event on a stream that nobody else has.
pub fn lone_unit() -> Unit {
    unit(&id().to_string(), 1)
}

pub fn guard(stream_id: &str, known: Position) -> Guard {
    Guard { key: stream(stream_id).key(), known }
}

pub fn receipt(key: &str, request: u8, reply: &str) -> Receipt {
    Receipt {
        principal: "member:1".into(),
        idempotency_key: key.into(),
        request_hmac: [request; 32],
        reply: reply.into(),
    }
}

/// The first position of a unit that was written now.
#[track_caller]
pub fn position(outcome: &Result<Appended, AppendError>) -> Position {
    match outcome {
        Ok(Appended::Now(placed)) => placed.first_position,
        other => panic!("not written now: {other:?}"),
    }
}

/// A second instance, or one with a configuration of its own.
pub async fn open(
    database: &TestDatabase,
    configure: impl FnOnce(LogConfig) -> LogConfig,
) -> EventLog {
    let config = LogConfig::new(database.connect_as("agora_writer"), database.vault());
    EventLog::open(configure(config)).await.unwrap()
}

/// Everything in the log.
pub async fn all(database: &TestDatabase) -> Vec<RecordedEvent> {
    let mut connection = database.pool.acquire().await.unwrap();
    read::range(&mut connection, 0, usize::MAX).await.unwrap()
}

pub fn assert_dense(events: &[RecordedEvent]) {
    for (event, position) in events.iter().zip(1..) {
        assert_eq!(event.position, position, "positions are dense");
    }
}

/// The head lock, held by somebody else: appends wait until it is let go.
pub struct HeldHead {
    connection: PgConnection,
}

impl HeldHead {
    pub async fn take(database: &TestDatabase) -> Self {
        let mut connection = PgConnection::connect(&database.url).await.unwrap();
        sqlx::query("SELECT pg_advisory_lock($1)")
            .bind(HEAD_LOCK)
            .execute(&mut connection)
            .await
            .unwrap();
        Self { connection }
    }

    pub async fn let_go(self) {
        self.connection.close().await.unwrap();
    }
}

type Outcomes = Vec<Result<Appended, AppendError>>;

/// Appends units in one batch, in their order: a plug waits for the head lock while they gather.
pub async fn append_together(
    database: &TestDatabase,
    log: &EventLog,
    units: Vec<Unit>,
) -> Outcomes {
    let held = HeldHead::take(database).await;
    let plug = spawn(log, lone_unit());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut tasks = Vec::with_capacity(units.len());
    for unit in units {
        tasks.push(spawn(log, unit));
        // On the tests' one thread each task has queued its unit before the next is made.
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    held.let_go().await;
    plug.await.unwrap().unwrap();
    let mut outcomes = Vec::with_capacity(tasks.len());
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

pub fn spawn(log: &EventLog, unit: Unit) -> JoinHandle<Result<Appended, AppendError>> {
    let log = log.clone();
    tokio::spawn(async move { log.append(unit).await })
}

/// A database with a log on it.
pub async fn database_and_log() -> (Arc<TestDatabase>, EventLog) {
    let database = TestDatabase::new().await;
    let log = database.log().await;
    (Arc::new(database), log)
}
