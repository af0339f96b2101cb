//! `log.append` and its batches: positions, expected sequences, guards.

use crate::common::*;
use agora_event_store::{AppendError, Appended, Guard, Unit, testing::TestDatabase};

#[tokio::test]
async fn positions_are_dense_from_one_and_times_never_go_back() {
    let (database, log) = database_and_log().await;
    for n in 0..5 {
        let outcome = log.append(lone_unit()).await;
        assert_eq!(position(&outcome), n + 1);
    }
    let three = Unit {
        events: vec![event(&stream("a"), 1), event(&stream("b"), 1), event(&stream("a"), 2)],
        ..Unit::default()
    };
    assert_eq!(position(&log.append(three).await), 6);
    assert_eq!(position(&log.append(lone_unit()).await), 9);
    let events = all(&database).await;
    assert_eq!(events.len(), 9);
    assert_dense(&events);
    assert!(events.is_sorted_by_key(|event| event.recorded_at));
    assert_eq!(*log.head().borrow(), 9);
}

#[tokio::test]
async fn units_of_one_batch_succeed_or_fail_alone() {
    let (database, log) = database_and_log().await;
    position(&log.append(unit("old", 1)).await);
    let units = (0..256)
        .map(|n| match n % 3 {
            // The stream is at 1: these come too late, too early, and in time.
            0 if n == 0 => unit("old", 2),
            0 => unit(&format!("new-{n}"), 1),
            1 => unit(&format!("new-{n}"), 2),
            _ => Unit {
                events: vec![
                    event(&stream(&format!("x-{n}")), 1),
                    event(&stream(&format!("y-{n}")), 1),
                ],
                ..Unit::default()
            },
        })
        .collect();
    let outcomes = append_together(&database, &log, units).await;
    let mut expected = 3;
    let mut batches = std::collections::BTreeSet::new();
    for (n, outcome) in outcomes.iter().enumerate() {
        if n % 3 == 1 {
            assert_eq!(outcome, &Err(AppendError::Moved), "unit {n}");
            continue;
        }
        let Ok(Appended::Now(placed)) = outcome else { panic!("unit {n}: {outcome:?}") };
        assert_eq!(placed.first_position, expected, "unit {n}");
        expected += if n % 3 == 2 { 2 } else { 1 };
        batches.insert(placed.recorded_at);
    }
    assert_eq!(batches.len(), 1, "they were written by one call");
    let events = all(&database).await;
    assert_eq!(events.len() as u64, expected - 1);
    assert_dense(&events);
}

#[tokio::test]
async fn esx_03_a_stale_expected_sequence_appends_nothing() {
    let (database, log) = database_and_log().await;
    position(&log.append(unit("a", 1)).await);
    position(&log.append(unit("a", 2)).await);
    for stale in [1, 2, 4, 9] {
        assert_eq!(log.append(unit("a", stale)).await, Err(AppendError::Moved), "{stale}");
    }
    // One stale stream fails the unit's other streams with it.
    let mixed =
        Unit { events: vec![event(&stream("b"), 1), event(&stream("a"), 2)], ..Unit::default() };
    assert_eq!(log.append(mixed).await, Err(AppendError::Moved));
    assert_eq!(all(&database).await.len(), 2);
    assert_eq!(position(&log.append(unit("a", 3)).await), 3);
}

#[tokio::test]
async fn two_units_on_one_stream_in_one_batch_go_one_after_the_other() {
    let (database, log) = database_and_log().await;
    let units = vec![unit("a", 1), unit("b", 1), unit("a", 1), unit("a", 2), unit("c", 1)];
    let outcomes = append_together(&database, &log, units).await;
    // The second `a` was decided on an empty stream and is refused; the third was decided on the
    // first and is accepted, in a batch of its own after those that did not have to wait.
    assert_eq!(outcomes[2], Err(AppendError::Moved));
    assert_eq!(
        [0, 1, 4, 3].map(|n| position(&outcomes[n])),
        [2, 3, 4, 5],
        "who waits does not hold up who need not"
    );
    assert_dense(&all(&database).await);
}

#[tokio::test]
async fn a_guard_on_what_the_batch_changes_waits_and_then_fails() {
    let (database, log) = database_and_log().await;
    position(&log.append(unit("post", 1)).await);
    let known = *log.head().borrow();
    let vote = Unit { guards: vec![guard("post", known)], ..lone_unit() };
    let outcomes = append_together(&database, &log, vec![unit("post", 2), vote]).await;
    position(&outcomes[0]);
    assert_eq!(outcomes[1], Err(AppendError::Moved));

    // The other way round the guard held when the unit was written.
    let known = *log.head().borrow();
    let vote = Unit { guards: vec![guard("post", known)], ..lone_unit() };
    let outcomes = append_together(&database, &log, vec![vote, unit("post", 3)]).await;
    assert!(position(&outcomes[0]) < position(&outcomes[1]));
}

#[tokio::test]
async fn a_guard_that_another_instance_moved_fails() {
    let (database, log) = database_and_log().await;
    let other = database.log().await;
    position(&log.append(unit("post", 1)).await);
    let known = *log.head().borrow();
    position(&other.append(unit("post", 2)).await);
    let vote = || Unit { guards: vec![guard("post", known)], ..lone_unit() };
    assert_eq!(log.append(vote()).await, Err(AppendError::Moved));
    // The refusal has taught it what the other wrote: now it is refused without the database.
    assert_eq!(*log.head().borrow(), 2);
    let held = HeldHead::take(&database).await;
    assert_eq!(log.append(vote()).await, Err(AppendError::Moved));
    held.let_go().await;
    // What others wrote to other streams moves nothing.
    position(&other.append(unit("elsewhere", 1)).await);
    let vote = Unit { guards: vec![guard("post", 2)], ..lone_unit() };
    assert_eq!(position(&log.append(vote).await), 4);
    assert_eq!(all(&database).await.len(), 4);
}

/// The cache remembers the streams of the last 32,768 changes; older guards the database checks.
#[tokio::test]
async fn a_guard_older_than_the_window_of_changes_is_checked_in_the_database() {
    let (_database, log) = database_and_log().await;
    position(&log.append(unit("moved", 1)).await);
    position(&log.append(unit("still", 1)).await);
    let known = *log.head().borrow();
    position(&log.append(unit("moved", 2)).await);
    let mut written = 3;
    while written < 33_100 {
        let events: Vec<_> = (0..1_100).map(|_| event(&stream(&id().to_string()), 1)).collect();
        written += events.len();
        position(&log.append(Unit { events, ..Unit::default() }).await);
    }
    let guarded = |stream| Unit { guards: vec![guard(stream, known)], ..lone_unit() };
    assert_eq!(log.append(guarded("moved")).await, Err(AppendError::Moved));
    assert_eq!(position(&log.append(guarded("still")).await), written as u64 + 1);
}

#[tokio::test]
async fn a_unit_without_events_only_verifies_its_guards() {
    let (database, log) = database_and_log().await;
    let other = database.log().await;
    position(&log.append(unit("post", 1)).await);
    let check = |known| Unit { guards: vec![guard("post", known)], ..Unit::default() };
    assert_eq!(position(&log.append(check(1)).await), 1, "the head under which it held");
    position(&other.append(unit("post", 2)).await);
    assert_eq!(log.append(check(1)).await, Err(AppendError::Moved));
    assert_eq!(position(&log.append(check(2)).await), 2);
    assert_eq!(all(&database).await.len(), 2);
}

#[tokio::test]
async fn units_that_may_be_written_already_are_answered_before() {
    let (database, log) = database_and_log().await;
    let cause = || {
        let mut unit = unit("a", 1);
        unit.events[0].event_id = uuid::Uuid::from_u128(7);
        unit.may_be_written = true;
        unit
    };
    assert_eq!(position(&log.append(cause()).await), 1);
    position(&log.append(lone_unit()).await);
    assert_eq!(log.append(cause()).await, Ok(Appended::Before(1)));
    // Also by another instance, and when two come in one batch.
    assert_eq!(database.log().await.append(cause()).await, Ok(Appended::Before(1)));
    let outcomes = append_together(&database, &log, vec![cause(), cause(), lone_unit()]).await;
    assert_eq!(outcomes[..2], [Ok(Appended::Before(1)), Ok(Appended::Before(1))]);
    position(&outcomes[2]);
    // An id that comes back without a warning is found as well.
    let unmarked = Unit { may_be_written: false, ..cause() };
    let unmarked = Unit { events: unmarked.events, ..Unit::default() };
    let elsewhere = Unit {
        events: vec![agora_event_store::unit::NewEvent {
            event_id: uuid::Uuid::from_u128(7),
            ..event(&stream("elsewhere"), 1)
        }],
        ..Unit::default()
    };
    assert_eq!(log.append(unmarked).await, Err(AppendError::Moved));
    assert_eq!(log.append(elsewhere).await, Ok(Appended::Before(1)));
    assert_eq!(all(&database).await.len(), 4);
}

/// `StreamName::key` and the function's own computation must agree, or guards would be blind.
#[tokio::test]
async fn guards_are_keyed_alike_in_rust_and_in_the_database() {
    let (database, log) = database_and_log().await;
    let other = TestDatabase::log(&database).await;
    for name in ["a", "Å/ø", "0190f4a0-0000-7000-8000-000000000000:member:1", "with 'quotes'"] {
        let known = *log.head().borrow();
        position(&other.append(unit(name, 1)).await);
        let unit = Unit { guards: vec![Guard { key: stream(name).key(), known }], ..lone_unit() };
        assert_eq!(log.append(unit).await, Err(AppendError::Moved), "{name}");
    }
}
