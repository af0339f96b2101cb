//! Natural keys: one holder at a time, whoever comes first.

use crate::common::*;
use agora_event_store::{
    AppendError, EventLog, Unit,
    testing::TestDatabase,
    unit::{Claim, Release},
};

fn take(key: &str, holder: &str) -> Claim {
    Claim { scope: "name", key: key.into(), aggregate_id: holder.into() }
}

fn release(holder: &str) -> Release {
    Release { scope: "name", aggregate_id: holder.into() }
}

fn taking(key: &str, holder: &str) -> Unit {
    Unit { takes: vec![take(key, holder)], ..lone_unit() }
}

fn releasing(holder: &str) -> Unit {
    Unit { releases: vec![release(holder)], ..lone_unit() }
}

fn taken() -> AppendError {
    AppendError::Claimed("name".into())
}

/// Who holds what, in the order of the keys.
async fn held(database: &TestDatabase) -> Vec<(String, String)> {
    sqlx::query_as("SELECT key, aggregate_id FROM log.claims WHERE scope = 'name' ORDER BY key")
        .fetch_all(&database.pool)
        .await
        .unwrap()
}

fn holds(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, holder)| ((*key).to_owned(), (*holder).to_owned())).collect()
}

async fn started() -> (std::sync::Arc<TestDatabase>, EventLog) {
    let (database, log) = database_and_log().await;
    position(&log.append(taking("rust", "a")).await);
    (database, log)
}

#[tokio::test]
async fn a_key_that_is_taken_is_refused_and_its_unit_appends_nothing() {
    let (database, log) = started().await;
    assert_eq!(log.append(taking("rust", "b")).await, Err(taken()));
    assert_eq!(database.log().await.append(taking("rust", "b")).await, Err(taken()));
    // The same text in another scope is another key.
    let elsewhere =
        Unit { takes: vec![Claim { scope: "email", ..take("rust", "b") }], ..lone_unit() };
    position(&log.append(elsewhere).await);
    assert_eq!(all(&database).await.len(), 2);
    assert_eq!(held(&database).await, holds(&[("rust", "a")]));
}

#[tokio::test]
async fn a_key_taken_by_two_in_one_batch_goes_to_the_first() {
    let (database, log) = started().await;
    let units = vec![taking("go", "b"), taking("go", "c"), taking("zig", "d")];
    let outcomes = append_together(&database, &log, units).await;
    position(&outcomes[0]);
    assert_eq!(outcomes[1], Err(taken()));
    position(&outcomes[2]);
    assert_eq!(held(&database).await, holds(&[("go", "b"), ("rust", "a"), ("zig", "d")]));
}

#[tokio::test]
async fn a_key_taken_by_two_instances_at_once_goes_to_one() {
    let (database, log) = started().await;
    let other = database.log().await;
    for n in 0..50 {
        let key = format!("k{n}");
        let (a, b) = tokio::join!(log.append(taking(&key, "a")), other.append(taking(&key, "b")));
        assert_eq!([a, b].iter().filter(|outcome| outcome.is_ok()).count(), 1, "{key}");
    }
    assert_eq!(held(&database).await.len(), 51);
}

#[tokio::test]
async fn one_unit_exchanges_a_key_for_another_or_hands_it_on() {
    let (database, log) = started().await;
    let renamed =
        Unit { releases: vec![release("a")], takes: vec![take("oxide", "a")], ..lone_unit() };
    position(&log.append(renamed).await);
    assert_eq!(held(&database).await, holds(&[("oxide", "a")]));
    // The very key that it releases, for the same holder and for another.
    for holder in ["a", "b"] {
        let before = held(&database).await[0].1.clone();
        let handed_on = Unit {
            releases: vec![release(&before)],
            takes: vec![take("oxide", holder)],
            ..lone_unit()
        };
        position(&log.append(handed_on).await);
        assert_eq!(held(&database).await, holds(&[("oxide", holder)]));
    }
    // What somebody else holds is not freed by it.
    position(&log.append(taking("rust", "c")).await);
    let greedy =
        Unit { releases: vec![release("b")], takes: vec![take("rust", "b")], ..lone_unit() };
    assert_eq!(log.append(greedy).await, Err(taken()));
    assert_eq!(held(&database).await, holds(&[("oxide", "b"), ("rust", "c")]));
}

#[tokio::test]
async fn a_key_that_is_released_can_be_taken_by_the_next() {
    let (database, log) = started().await;
    let outcomes =
        append_together(&database, &log, vec![releasing("a"), taking("rust", "b")]).await;
    outcomes.iter().for_each(|outcome| assert!(outcome.is_ok(), "{outcome:?}"));
    assert_eq!(held(&database).await, holds(&[("rust", "b")]));
    // Take and release in one batch: the release waits for what it ends.
    let outcomes = append_together(&database, &log, vec![taking("go", "b"), releasing("b")]).await;
    outcomes.iter().for_each(|outcome| assert!(outcome.is_ok(), "{outcome:?}"));
    assert_eq!(held(&database).await, holds(&[]));
}

#[tokio::test]
async fn a_refused_unit_neither_takes_nor_releases() {
    let (database, log) = started().await;
    let stale =
        Unit { releases: vec![release("a")], takes: vec![take("go", "a")], ..unit("never", 7) };
    assert_eq!(log.append(stale).await, Err(AppendError::Moved));
    assert_eq!(held(&database).await, holds(&[("rust", "a")]));
}
