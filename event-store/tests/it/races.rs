//! What other stores get wrong under writers at once: the first decision on a stream,
//! and following the log while it is written.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::common::*;
use agora_event_store::{AppendError, Appended, EventLog, Unit, read, testing::TestDatabase};

/// Rounds of the race; `AGORA_RACE_ROUNDS=10000` for the full length.
const RACE_ROUNDS: usize = 2_000;
const CONTENDERS: usize = 16;

fn rounds() -> usize {
    std::env::var("AGORA_RACE_ROUNDS").map_or(RACE_ROUNDS, |rounds| rounds.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_16_equal_decisions_on_a_new_stream_exactly_one_is_accepted() {
    let (database, log) = database_and_log().await;
    let logs = [log, database.log().await];
    let rounds = rounds();
    for round in 0..rounds {
        let name = format!("race-{round}");
        let tasks: Vec<_> =
            (0..CONTENDERS).map(|n| spawn(&logs[n % logs.len()], unit(&name, 1))).collect();
        let mut accepted = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(Appended::Now(_)) => accepted += 1,
                Err(AppendError::Moved) => {}
                other => panic!("round {round}: {other:?}"),
            }
        }
        assert_eq!(accepted, 1, "round {round}");
    }
    let events = all(&database).await;
    assert_eq!(events.len(), rounds);
    assert_dense(&events);
}

/// A decision that takes its key only while nobody has changed what it read: a counter that is read,
/// raised and written by many loses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn decisions_on_one_stream_by_two_instances_lose_nothing() {
    const EACH: u64 = 40;
    let (database, log) = database_and_log().await;
    let logs = [log, database.log().await];
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let log = logs[n % 2].clone();
            tokio::spawn(async move {
                let (mut written, mut next) = (0, 1);
                while written < EACH {
                    match log.append(unit("counter", next)).await {
                        Ok(_) => written += 1,
                        Err(AppendError::Moved) => {}
                        Err(error) => panic!("{error}"),
                    }
                    let mut connection = log.pool().acquire().await.unwrap();
                    next = read::stream(&mut connection, "tally", "counter").await.unwrap().len()
                        as u64
                        + 1;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let events = all(&database).await;
    assert_eq!(events.len() as u64, 8 * EACH);
    for (event, sequence) in events.iter().zip(1..) {
        assert_eq!(event.sequence, sequence);
    }
}

/// Reads on from where it stands, one millisecond after the other, until it has seen so many.
async fn follow(database: Arc<TestDatabase>, stop: Arc<AtomicBool>) -> Vec<uuid::Uuid> {
    let mut connection = database.pool.acquire().await.unwrap();
    let (mut position, mut seen) = (0, Vec::new());
    loop {
        let is_last = stop.load(Ordering::SeqCst);
        let events = read::range(&mut connection, position, 1_000).await.unwrap();
        for event in &events {
            assert_eq!(event.position, position + 1, "the next position, and no other");
            position = event.position;
            seen.push(event.event_id);
        }
        if events.is_empty() {
            if is_last {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_follower_under_32_writers_sees_every_event_once_and_in_order() {
    let (database, log) = database_and_log().await;
    let logs = [log, database.log().await];
    let stop = Arc::new(AtomicBool::new(false));
    let followers: Vec<_> =
        (0..2).map(|_| tokio::spawn(follow(Arc::clone(&database), Arc::clone(&stop)))).collect();
    let writing = Arc::new(AtomicBool::new(true));
    let writers: Vec<_> = (0..32)
        .map(|n| tokio::spawn(write(logs[n % 2].clone(), n, Arc::clone(&writing))))
        .collect();
    tokio::time::sleep(Duration::from_secs(5)).await;
    writing.store(false, Ordering::SeqCst);
    let mut written = Vec::new();
    for writer in writers {
        written.extend(writer.await.unwrap());
    }
    stop.store(true, Ordering::SeqCst);
    // In the order of positions, which is what the followers must have seen.
    written.sort_unstable();
    let expected: Vec<uuid::Uuid> = written.into_iter().map(|(_, event_id)| event_id).collect();
    assert!(expected.len() > 1_000, "{} events in 5 s", expected.len());
    for follower in followers {
        assert!(follower.await.unwrap() == expected, "every event once, in order");
    }
}

/// Units of one to three events, a third of them refused; gives what was accepted and where.
async fn write(log: EventLog, writer: usize, writing: Arc<AtomicBool>) -> Vec<(u64, uuid::Uuid)> {
    let mut accepted = Vec::new();
    let mut number = 0;
    while writing.load(Ordering::SeqCst) {
        number += 1;
        let stream = stream(&format!("{writer}-{number}"));
        let first = if number % 3 == 0 { 2 } else { 1 };
        let events: Vec<_> = (0..=number % 3).map(|n| event(&stream, first + n)).collect();
        let ids: Vec<_> = events.iter().map(|event| event.event_id).collect();
        match log.append(Unit { events, ..Unit::default() }).await {
            Ok(Appended::Now(placed)) => accepted.extend((placed.first_position..).zip(ids)),
            Err(AppendError::Moved) if first == 2 => {}
            other => panic!("{other:?}"),
        }
    }
    accepted
}
