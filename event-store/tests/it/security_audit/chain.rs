//! SAL-11: what is gone or was changed shows.

use std::time::Duration;

use agora_domain::security::audit::RetentionCategory;
use agora_event_store::security_audit::chain::{self, Verdict};
use sqlx::{Connection, PgConnection};

use super::*;

/// Ten entries in three segments.
async fn written() -> (TestDatabase, Store) {
    let database = TestDatabase::new().await;
    let store = store(&database).await;
    for size in [2, 5, 3] {
        let entries: Vec<Entry> = (0..size).map(|_| entry(None)).collect();
        store.write(&entries).await.unwrap();
    }
    (database, store)
}

async fn verify(database: &TestDatabase) -> Verdict {
    let key = chain::key(database.vault().masters());
    let today = Utc::now().date_naive();
    chain::verify(&database.pool, &key, today, RetentionCategory::Operational, 0).await.unwrap()
}

/// As somebody who owns the tables, and stops at nothing.
async fn tamper(database: &TestDatabase, statement: &str) {
    let mut owner = PgConnection::connect(&database.url).await.unwrap();
    let day = Utc::now().format("%Y%m%d");
    for statement in [
        format!("ALTER TABLE log.security_audit_operational_{day} DISABLE TRIGGER USER"),
        "ALTER TABLE log.security_audit_segments DISABLE TRIGGER USER".to_owned(),
        "ALTER TABLE log.security_audit_tracks DISABLE TRIGGER USER".to_owned(),
        "ALTER TABLE log.security_audit_kinds DISABLE TRIGGER USER".to_owned(),
        statement.replace("{leaf}", &format!("log.security_audit_operational_{day}")),
    ] {
        sqlx::query(&statement).execute(&mut owner).await.unwrap();
    }
}

#[tokio::test]
async fn sal_11_a_chain_that_nobody_touched_holds_and_is_gone_through_in_parts() {
    let (database, _) = written().await;
    let verdict = verify(&database).await;
    assert_eq!((verdict.segment, verdict.entries, verdict.total), (3, 10, 10));
    assert_eq!((verdict.broken, verdict.goes_on), (None, false));
    let key = chain::key(database.vault().masters());
    let today = Utc::now().date_naive();
    let operational = RetentionCategory::Operational;
    let rest = chain::verify(&database.pool, &key, today, operational, 2).await.unwrap();
    assert_eq!((rest.entries, rest.total, rest.broken), (3, 10, None));
    let nothing =
        chain::verify(&database.pool, &key, today, RetentionCategory::Forensic, 0).await.unwrap();
    assert_eq!((nothing.segment, nothing.broken), (0, None));
}

#[tokio::test]
async fn sal_11_a_group_of_which_one_is_there_is_there_once_and_whole() {
    let database = TestDatabase::new().await;
    let store = store(&database).await;
    let entries: Vec<Entry> = (0..1_500).map(|_| entry(Some(Uuid::from_u128(7)))).collect();
    store.write(&entries[1_499..]).await.unwrap();
    // It is met while the pieces behind it are still being sent.
    store.write(&entries).await.unwrap();
    assert_eq!(count(&database).await, 1_500);
    store.write(&[entry(None)]).await.unwrap();
    assert_eq!(count(&database).await, 1_501, "the next statement gets its own answer");
    let verdict = verify(&database).await;
    assert_eq!((verdict.broken, verdict.total, verdict.segment), (None, 1_501, 3));
}

#[tokio::test]
async fn sal_11_each_way_to_change_what_is_written_shows() {
    for (statement, broken) in [
        ("UPDATE {leaf} SET risk_score = 1 WHERE segment = 2", 2),
        ("UPDATE {leaf} SET endpoint = NULL WHERE segment = 1", 1),
        // Sealed in the first entry, to which all others refer.
        ("UPDATE {leaf} SET sealed = NULL WHERE segment = 1", 1),
        ("UPDATE {leaf} SET sealed_in_log_id = log_id WHERE segment = 3", 3),
        ("UPDATE {leaf} SET sealed_in_log_id = NULL WHERE segment = 3", 3),
        ("UPDATE {leaf} SET sealed_in_recorded_at = NULL WHERE segment = 3", 3),
        (
            "UPDATE {leaf} SET sealed_in_recorded_at = NULL, sealed_in_log_id = NULL WHERE segment = 3",
            3,
        ),
        ("DELETE FROM {leaf} WHERE ctid IN (SELECT ctid FROM {leaf} WHERE segment = 2 LIMIT 1)", 2),
        ("DELETE FROM {leaf} WHERE segment = 2", 2),
        ("DELETE FROM log.security_audit_segments WHERE number = 2", 3),
        ("UPDATE log.security_audit_segments SET entries = 6 WHERE number = 2", 2),
        ("DELETE FROM log.security_audit_segments WHERE number = 3", 3),
        ("DELETE FROM log.security_audit_tracks", 3),
        (
            "UPDATE log.security_audit_tracks SET user_key = ip_key # coalesce(user_key, 0), ip_key = NULL",
            3,
        ),
        ("DELETE FROM log.security_audit_kinds", 3),
        ("UPDATE log.security_audit_leaves SET dropped_at = now()", 3),
        (
            "INSERT INTO {leaf} (recorded_at, log_id, retention_category, event_type, event_result, segment)
             VALUES (now(), gen_random_uuid(), 'OPERATIONAL', 'API_ACCESS', 'SUCCESS', 0)",
            4,
        ),
        ("UPDATE log.security_audit_kinds SET risk_score = 1", 3),
    ] {
        let (database, _) = written().await;
        tamper(&database, statement).await;
        let verdict = verify(&database).await;
        assert_eq!(verdict.broken.map(|broken| broken.0), Some(broken), "{statement}: {verdict:?}");
    }
}

#[tokio::test]
async fn sal_11_a_client_that_is_gone_shows_to_whoever_looks_at_later_segments_alone() {
    for statement in [
        "UPDATE {leaf} SET sealed = NULL WHERE segment = 1",
        "DELETE FROM {leaf} WHERE segment = 1",
    ] {
        let (database, _) = written().await;
        tamper(&database, statement).await;
        let key = chain::key(database.vault().masters());
        let today = Utc::now().date_naive();
        let operational = RetentionCategory::Operational;
        let verdict = chain::verify(&database.pool, &key, today, operational, 1).await.unwrap();
        assert_eq!(verdict.broken.map(|broken| broken.0), Some(3), "{statement}: {verdict:?}");
    }
}

#[tokio::test]
async fn sal_11_entries_of_an_older_writer_are_marked_afterwards() {
    let (database, _) = written().await;
    tamper(&database, "DELETE FROM log.security_audit_tracks").await;
    tamper(&database, "DELETE FROM log.security_audit_kinds").await;
    let mark = async || -> i64 {
        sqlx::query_scalar("SELECT log.mark_security_audit($1, 'OPERATIONAL')")
            .bind(Utc::now().date_naive())
            .fetch_one(&database.pool)
            .await
            .unwrap()
    };
    assert!(mark().await > 1, "of tracks and kinds");
    assert_eq!(mark().await, 0, "each is there once");
    assert_eq!(verify(&database).await.broken, None);
}

#[tokio::test]
async fn sal_11_a_tail_that_was_cut_off_under_a_writer_stays_missing() {
    let (database, store) = written().await;
    tamper(&database, "DELETE FROM log.security_audit_segments WHERE number = 3").await;
    tamper(&database, "DELETE FROM {leaf} WHERE segment = 3").await;
    // Alone this looks like a chain of two; the writer knows better.
    assert_eq!(verify(&database).await.broken, None);
    store.write(&[entry(None)]).await.unwrap();
    let verdict = verify(&database).await;
    assert_eq!(verdict.broken.map(|broken| broken.0), Some(4), "{verdict:?}");
}

#[tokio::test]
async fn races_sal_11_writers_at_once_make_one_chain() {
    let database = TestDatabase::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = store(&database).await;
        tasks.spawn(async move {
            for _ in 0..20 {
                let entries: Vec<Entry> = (0..5).map(|_| entry(None)).collect();
                store.write(&entries).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let verdict = verify(&database).await;
    assert_eq!((verdict.segment, verdict.entries, verdict.broken), (80, 400, None));
}

#[tokio::test]
async fn races_sal_11_a_chain_that_is_being_written_looks_whole() {
    let (database, store) = written().await;
    let writer = tokio::spawn(async move {
        loop {
            store.write(&[entry(None), entry(None)]).await.unwrap();
            // Each look is longer than the one before: not as fast as it can.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    let mut last = 0;
    for _ in 0..50 {
        let verdict = verify(&database).await;
        assert_eq!(verdict.broken, None, "{verdict:?}");
        last = verdict.segment;
    }
    writer.abort();
    assert!(last > 3, "nothing was written meanwhile");
}
