//! A connection that dies leaves every unit written once or not at all, and says so.

use std::time::{Duration, Instant};

use crate::common::{
    proxy::{Cut, Proxy},
    *,
};
use agora_event_store::{AppendError, Appended, EventLog, Guard, Unit, testing::TestDatabase};

async fn behind_a_proxy(patience: Duration) -> (TestDatabase, Proxy, EventLog) {
    let database = TestDatabase::new().await;
    let proxy = Proxy::before(&database.connect_as("agora_writer")).await;
    let leads = proxy.clone();
    let log = open(&database, |mut config| {
        config.connect = leads.leads(config.connect);
        config.patience = patience;
        config
    })
    .await;
    (database, proxy, log)
}

const PATIENT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_answer_lost_after_the_commit_is_found_again_by_the_event_ids() {
    let (database, proxy, log) = behind_a_proxy(PATIENT).await;
    position(&log.append(unit("a", 1)).await);
    for round in 0..5 {
        proxy.cut(Cut::AfterTheCommit);
        let units: Vec<_> =
            (0..20).map(|n| if n == 7 { unit("never", 9) } else { lone_unit() }).collect();
        let tasks: Vec<_> = units.into_iter().map(|unit| spawn(&log, unit)).collect();
        let mut positions = Vec::new();
        for (n, task) in tasks.into_iter().enumerate() {
            match (n, task.await.unwrap()) {
                (7, outcome) => assert_eq!(outcome, Err(AppendError::Moved)),
                // What the lost call wrote, and what came in a batch after it.
                (_, Ok(Appended::Before(position))) => positions.push(position),
                (_, outcome) => positions.push(position(&outcome)),
            }
        }
        assert_eq!(proxy.cuts(), round + 1, "the connection did die");
        positions.sort_unstable();
        positions.dedup();
        assert_eq!(positions.len(), 19, "each was answered with its own place");
    }
    let events = all(&database).await;
    assert_eq!(events.len(), 1 + 5 * 19, "each is in the log once");
    assert_dense(&events);
    assert_eq!(*log.head().borrow(), events.len() as u64);
}

#[tokio::test]
async fn a_call_that_never_arrived_is_sent_again() {
    let (database, proxy, log) = behind_a_proxy(PATIENT).await;
    position(&log.append(unit("a", 1)).await);
    for n in 1..=5 {
        proxy.cut(Cut::BeforeTheQuery);
        assert_eq!(position(&log.append(lone_unit()).await), n + 1);
        assert_eq!(proxy.cuts() as u64, n);
    }
    assert_dense(&all(&database).await);
}

/// A lost answer of a command with a receipt: the retry finds its own event before its own receipt.
#[tokio::test]
async fn a_lost_answer_is_not_taken_for_a_used_key() {
    let (_database, proxy, log) = behind_a_proxy(PATIENT).await;
    position(&log.append(unit("a", 1)).await);
    proxy.cut(Cut::AfterTheCommit);
    let mut unit = lone_unit();
    unit.receipt = Some(receipt("k", 1, "reply"));
    assert_eq!(log.append(unit).await, Ok(Appended::Before(2)));
}

#[tokio::test]
async fn a_database_that_is_away_too_long_is_answered_so_and_later_works_again() {
    let (database, proxy, log) = behind_a_proxy(Duration::from_millis(400)).await;
    position(&log.append(unit("a", 1)).await);
    proxy.go_away();
    for _ in 0..2 {
        let begun = Instant::now();
        let outcome = log.append(unit("a", 2)).await;
        assert!(
            matches!(outcome, Err(AppendError::Unknown | AppendError::Unavailable)),
            "{outcome:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(3), "after {:?}", begun.elapsed());
    }
    proxy.come_back();
    assert_eq!(position(&log.append(unit("a", 2)).await), 2);
    assert_dense(&all(&database).await);
}

#[tokio::test]
async fn a_database_that_is_away_for_a_moment_is_waited_for() {
    let (database, proxy, log) = behind_a_proxy(PATIENT).await;
    position(&log.append(unit("a", 1)).await);
    proxy.go_away();
    let waiting: Vec<_> = (0..30).map(|_| spawn(&log, lone_unit())).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.come_back();
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    assert_eq!(all(&database).await.len(), 31);
}

/// A server that neither answers nor closes the connection: the call is given up and sent again.
#[tokio::test]
async fn a_call_that_hangs_is_given_up_and_written_once() {
    let (database, _proxy, log) = behind_a_proxy(Duration::from_millis(500)).await;
    position(&log.append(unit("a", 1)).await);
    let held = HeldHead::take(&database).await;
    let hung = spawn(&log, unit("a", 2));
    tokio::time::sleep(Duration::from_millis(700)).await;
    held.let_go().await;
    let outcome = hung.await.unwrap();
    // The first call may have been waiting for the lock and written, or the second wrote.
    assert!(matches!(outcome, Ok(Appended::Now(_) | Appended::Before(2))), "{outcome:?}");
    assert_eq!(position(&log.append(unit("a", 3)).await), 3);
    assert_dense(&all(&database).await);
}

/// Who reconnects to a log that lost its newest events must not trust what it knew of them.
#[tokio::test]
async fn a_restored_log_is_noticed_and_what_was_known_is_decided_anew() {
    let (database, proxy, log) = behind_a_proxy(PATIENT).await;
    for n in 1..=3 {
        position(&log.append(unit("a", n)).await);
    }
    let known = *log.head().borrow();
    // A restore to the state before the last two, as an older copy would have it.
    let mut connection = database.pool.acquire().await.unwrap();
    for statement in [
        "ALTER TABLE log.events DISABLE TRIGGER events_immutable",
        "DELETE FROM log.events WHERE position > 1",
        "ALTER TABLE log.events ENABLE ALWAYS TRIGGER events_immutable",
    ] {
        sqlx::query(statement).execute(&mut *connection).await.unwrap();
    }
    proxy.cut(Cut::BeforeTheQuery);
    assert_eq!(log.append(unit("a", 4)).await, Err(AppendError::Moved));
    assert_eq!(*log.head().borrow(), 1);
    let mut guarded = lone_unit();
    guarded.guards = vec![Guard { key: stream("b").key(), known }];
    assert_eq!(log.append(guarded).await, Err(AppendError::Moved), "known from a lost history");
    assert_eq!(position(&log.append(unit("a", 2)).await), 2);
}

/// The other history may have grown past what was known of this one: positions alone do not tell.
#[tokio::test]
async fn what_was_known_of_a_lost_history_is_refused_though_the_log_has_grown_past_it() {
    let (database, proxy, log) = behind_a_proxy(PATIENT).await;
    for n in 1..=3 {
        position(&log.append(unit("a", n)).await);
    }
    let (known, history) = (*log.head().borrow(), log.history());
    proxy.go_away();
    let mut connection = database.pool.acquire().await.unwrap();
    for statement in [
        "ALTER TABLE log.events DISABLE TRIGGER events_immutable",
        "DELETE FROM log.events WHERE position > 1",
        "ALTER TABLE log.events ENABLE ALWAYS TRIGGER events_immutable",
    ] {
        sqlx::query(statement).execute(&mut *connection).await.unwrap();
    }
    // Another instance goes on where the restored log ends; its second event is on the guarded stream.
    let other = database.log().await;
    for name in ["b", "guarded", "c", "d"] {
        position(&other.append(unit(name, 1)).await);
    }
    proxy.come_back();
    log.catch_up().await;
    assert_eq!(*log.head().borrow(), 5);
    let guarded = |history| Unit {
        guards: vec![Guard { key: stream("guarded").key(), known }],
        history: Some(history),
        ..lone_unit()
    };
    assert_eq!(log.append(guarded(history)).await, Err(AppendError::Moved));
    position(&log.append(guarded(log.history())).await);
}
