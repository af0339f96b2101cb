//! The entry hash: fixed by golden vectors, computed alike by Rust, Postgres and an outsider.

use std::{path::Path, process::Stdio};

use crate::common::*;
use agora_event_store::{
    EventLog, RecordedEvent, StreamName, Unit, read::rfc3339_micros, testing::TestDatabase,
    unit::NewEvent,
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

/// One vector of tests/golden/entry_hash.json. The file is never changed, only added to.
#[derive(Deserialize)]
struct Vector {
    name: String,
    event_id: Uuid,
    aggregate_type: String,
    aggregate_id: String,
    sequence: u64,
    event_type: String,
    event_version: String,
    payload: String,
    metadata: String,
    recorded_at: DateTime<Utc>,
    entry_hash: String,
}

impl Vector {
    fn event(&self) -> RecordedEvent {
        RecordedEvent {
            position: 1,
            event_id: self.event_id,
            aggregate_type: self.aggregate_type.clone(),
            aggregate_id: self.aggregate_id.clone(),
            sequence: self.sequence,
            event_type: self.event_type.clone(),
            event_version: self.event_version.clone(),
            payload: self.payload.clone(),
            metadata: self.metadata.clone(),
            recorded_at: self.recorded_at,
        }
    }
}

fn vectors() -> Vec<Vector> {
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("../golden/entry_hash.json")).unwrap();
    assert!(vectors.len() >= 7);
    vectors
}

/// Runs the second implementation on a JSON array of events.
async fn outsider(input: &str) -> (bool, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/entry_hash.py");
    let mut child = tokio::process::Command::new("python3")
        .arg(script)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed: deploy/test sees to it");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn golden_vectors_hold_in_rust() {
    for vector in vectors() {
        assert_eq!(hex::encode(vector.event().entry_hash()), vector.entry_hash, "{}", vector.name);
    }
}

#[tokio::test]
async fn golden_vectors_hold_in_python() {
    let (fits, said) = outsider(include_str!("../golden/entry_hash.json")).await;
    assert!(fits, "{said}");
    assert_eq!(said.trim(), format!("{} entry hashes fit", vectors().len()));
}

#[tokio::test]
async fn golden_vectors_hold_in_postgres() {
    let database = TestDatabase::new().await;
    for vector in vectors() {
        let hash: Vec<u8> = sqlx::query_scalar(
            "SELECT log.entry_hash($1, $2, $3, $4, $5, $6, $7, $8, log.rfc3339_micros($9))",
        )
        .bind(vector.event_id)
        .bind(&vector.aggregate_type)
        .bind(&vector.aggregate_id)
        .bind(i64::try_from(vector.sequence).unwrap())
        .bind(&vector.event_type)
        .bind(&vector.event_version)
        .bind(&vector.payload)
        .bind(&vector.metadata)
        .bind(vector.recorded_at)
        .fetch_one(&database.pool)
        .await
        .unwrap();
        assert_eq!(hex::encode(hash), vector.entry_hash, "{}", vector.name);
    }
}

/// The vectors' texts through the log itself, as sequence 1 of streams of their own.
async fn append_vectors(log: &EventLog) {
    for vector in vectors() {
        let event = NewEvent {
            event_id: vector.event_id,
            stream: StreamName::new(vector.aggregate_type.leak(), vector.aggregate_id),
            sequence: 1,
            event_type: vector.event_type.leak(),
            event_version: vector.event_version.leak(),
            payload: vector.payload,
            metadata: vector.metadata,
        };
        position(&log.append(Unit { events: vec![event], ..Unit::default() }).await);
    }
}

async fn stored_hashes(database: &TestDatabase) -> Vec<Vec<u8>> {
    sqlx::query_scalar("SELECT entry_hash FROM log.events ORDER BY position")
        .fetch_all(&database.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_the_log_stores_is_hashed_alike_by_all_three() {
    let (database, log) = database_and_log().await;
    append_vectors(&log).await;
    let events = all(&database).await;
    let hashes = stored_hashes(&database).await;
    let mut rows = Vec::new();
    for (event, hash) in events.iter().zip(&hashes) {
        assert_eq!(event.entry_hash().as_slice(), hash, "position {}", event.position);
        rows.push(serde_json::json!({
            "event_id": event.event_id,
            "aggregate_type": event.aggregate_type,
            "aggregate_id": event.aggregate_id,
            "sequence": event.sequence,
            "event_type": event.event_type,
            "event_version": event.event_version,
            "payload": event.payload,
            "metadata": event.metadata,
            "recorded_at": rfc3339_micros(event.recorded_at),
            "entry_hash": hex::encode(hash),
        }));
    }
    for (event, vector) in events.iter().zip(vectors()) {
        assert_eq!((&event.payload, &event.metadata), (&vector.payload, &vector.metadata));
    }
    let (fits, said) = outsider(&serde_json::to_string(&rows).unwrap()).await;
    assert!(fits, "{said}");
    // The outsider does look: one letter is enough.
    rows[0]["event_type"] = "PostVoteCasT".into();
    let (fits, said) = outsider(&serde_json::to_string(&rows).unwrap()).await;
    assert!(!fits && said.contains("event 0"), "{said}");
}

/// What the log tells this process's own relay must be what it stored.
#[tokio::test]
async fn events_in_memory_have_the_hash_of_those_in_the_table() {
    let (database, log) = database_and_log().await;
    append_vectors(&log).await;
    let recent = log.recent().after(0, 100);
    let hashes = stored_hashes(&database).await;
    assert_eq!(recent.len(), hashes.len());
    for (event, hash) in recent.iter().zip(&hashes) {
        assert_eq!(event.entry_hash().as_slice(), hash, "position {}", event.position);
    }
}
