//! The append function must not slow down as the log grows, also where nobody has analysed it.

use std::time::{Duration, Instant};

use crate::common::*;
use agora_event_store::{
    EventLog, Guard, Unit,
    read::{self, EventFilter},
    testing::TestDatabase,
};
use sqlx::PgPool;

const BULK: i64 = 200_000;
const BATCH: usize = 256;

/// Times that the tables of the log were read from end to end.
async fn sequential_scans(pool: &PgPool) -> i64 {
    // Counters reach the statistics when their backends are idle for a moment.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    sqlx::query_scalar(
        "SELECT sum(seq_scan)::bigint FROM pg_stat_all_tables
         WHERE schemaname = 'log' AND relname IN ('events', 'claims', 'receipts')",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

/// Many events that nobody analyses.
async fn bulk(database: &TestDatabase) {
    for statement in [
        "ALTER TABLE log.events SET (autovacuum_enabled = false)".to_owned(),
        format!(
            "INSERT INTO log.events
             SELECT h.head + n, gen_random_uuid(), 'tally', gen_random_uuid()::text, 1, 'Tallied',
                    '1', '{{\"Tallied\":{{\"to\":1}}}}', '{{}}', clock_timestamp(), sha256('x')
             FROM generate_series(1, {BULK}) AS n,
                  (SELECT max(position) AS head FROM log.events) AS h"
        ),
    ] {
        sqlx::query(&statement).execute(&database.pool).await.unwrap();
    }
}

/// Everything that a unit can ask of the function.
fn full_unit(known: u64) -> Unit {
    let name = id().to_string();
    let mut unit = unit(&name, 1);
    unit.guards = (0..4).map(|n| Guard { key: stream(&format!("g{n}")).key(), known }).collect();
    unit.takes.push(agora_event_store::unit::Claim {
        scope: "name",
        key: name.clone(),
        aggregate_id: name.clone(),
    });
    unit.releases
        .push(agora_event_store::unit::Release { scope: "email", aggregate_id: name.clone() });
    unit.receipt = Some(receipt(&name, 1, "{}"));
    unit.may_be_written = true;
    unit
}

/// The median time of a full batch; each batch follows an event of another instance, so that guards
/// are looked up as well.
async fn batch_time(database: &TestDatabase, log: &EventLog, other: &EventLog) -> Duration {
    let mut times = Vec::new();
    for _ in 0..9 {
        let known = *log.head().borrow();
        position(&other.append(lone_unit()).await);
        let held = HeldHead::take(database).await;
        let plug = spawn(log, lone_unit());
        tokio::time::sleep(Duration::from_millis(30)).await;
        let tasks: Vec<_> = (0..BATCH).map(|_| spawn(log, full_unit(known))).collect();
        tokio::time::sleep(Duration::from_millis(30)).await;
        let begun = Instant::now();
        held.let_go().await;
        plug.await.unwrap().unwrap();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
async fn appends_use_indexes_and_stay_fast_after_a_bulk_that_nobody_analysed() {
    let (database, log) = database_and_log().await;
    let other = database.log().await;
    // The plans are made, and cached, while the log is empty: the worst that can happen to them.
    let empty = batch_time(&database, &log, &other).await;
    bulk(&database).await;
    for statement in [
        "INSERT INTO log.claims SELECT 'name', n::text, n::text FROM generate_series(1, 50000) n",
        "INSERT INTO log.receipts SELECT 'p', n::text, '', '', 1, clock_timestamp()
         FROM generate_series(1, 50000) n",
    ] {
        sqlx::query(statement).execute(&database.pool).await.unwrap();
    }
    log.catch_up().await;
    other.catch_up().await;
    let before = sequential_scans(&database.pool).await;
    let full = batch_time(&database, &log, &other).await;
    // A new connection makes its plans now.
    let late = database.log().await;
    let anew = batch_time(&database, &late, &other).await;
    assert_eq!(sequential_scans(&database.pool).await, before, "no table was read from end to end");
    for (what, time) in [("cached plans", full), ("new plans", anew)] {
        let limit = empty * 5 + Duration::from_millis(10);
        assert!(time < limit, "{what}: {time:?} for {BATCH} units, {empty:?} on an empty log");
    }
}

#[tokio::test]
async fn one_stream_is_read_without_looking_through_the_log() {
    let (database, log) = database_and_log().await;
    for sequence in 1..=3 {
        position(&log.append(unit("wanted", sequence)).await);
    }
    bulk(&database).await;
    let filter = EventFilter {
        aggregate_type: Some("tally".to_owned()),
        aggregate_id: Some("wanted".to_owned()),
        ..EventFilter::default()
    };
    let mut tx = database.pool.begin().await.unwrap();
    assert_eq!(read::stream(&mut tx, "tally", "wanted").await.unwrap().len(), 3);
    let up_to = read::head(&mut tx).await.unwrap();
    assert_eq!(read::filtered(&mut tx, 0, up_to, 1_000, &filter).await.unwrap().len(), 3);
    let (scans, rows): (i64, i64) = sqlx::query_as(
        "SELECT seq_scan, coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
         WHERE schemaname = 'log' AND relname = 'events'",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert!(scans == 0 && rows < 20, "{scans} scans from end to end, {rows} rows by index");
}
