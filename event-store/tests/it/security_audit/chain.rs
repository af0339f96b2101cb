//! SAL-11: what is gone or was changed shows.

use std::time::Duration;

use agora_domain::security::audit::RetentionCategory;
use agora_event_store::security_audit::chain::{self, Verdict};
use chrono::TimeDelta;
use sqlx::{Connection, PgConnection};

use super::*;

/// Whose entries stand in packs.
const PACKED: RetentionCategory = RetentionCategory::Operational;
/// Each of whose entries has a row.
const IN_ROWS: RetentionCategory = RetentionCategory::Security;

fn of(retention: RetentionCategory) -> Entry {
    Entry { retention, ..entry(None) }
}

/// Ten entries in three segments.
async fn written(retention: RetentionCategory) -> (TestDatabase, Store) {
    let database = TestDatabase::new().await;
    let store = store(&database).await;
    for size in [2, 5, 3] {
        let entries: Vec<Entry> = (0..size).map(|_| of(retention)).collect();
        store.write(&entries).await.unwrap();
    }
    (database, store)
}

async fn verify(database: &TestDatabase, retention: RetentionCategory) -> Verdict {
    verify_after(database, retention, 0).await
}

async fn verify_after(
    database: &TestDatabase,
    retention: RetentionCategory,
    segment: i32,
) -> Verdict {
    let key = chain::key(database.vault().masters());
    let today = Utc::now().date_naive();
    chain::verify(&database.pool, &key, today, retention, segment).await.unwrap()
}

/// As somebody who owns the tables, and stops at nothing.
async fn tamper(database: &TestDatabase, statement: &str) {
    let mut owner = PgConnection::connect(&database.url).await.unwrap();
    let day = Utc::now().format("%Y%m%d");
    let (leaf, packs) =
        (format!("log.security_audit_security_{day}"), format!("log.security_audit_packs_{day}"));
    for statement in [
        format!("ALTER TABLE {leaf} DISABLE TRIGGER USER"),
        format!("ALTER TABLE {packs} DISABLE TRIGGER USER"),
        "ALTER TABLE log.security_audit_segments DISABLE TRIGGER USER".to_owned(),
        "ALTER TABLE log.security_audit_tracks DISABLE TRIGGER USER".to_owned(),
        "ALTER TABLE log.security_audit_kinds DISABLE TRIGGER USER".to_owned(),
        statement.replace("{leaf}", &leaf).replace("{packs}", &packs),
    ] {
        sqlx::query(&statement).execute(&mut owner).await.unwrap();
    }
}

#[tokio::test]
async fn sal_11_a_chain_that_nobody_touched_holds_and_is_gone_through_in_parts() {
    for retention in [PACKED, IN_ROWS] {
        let (database, _) = written(retention).await;
        let verdict = verify(&database, retention).await;
        assert_eq!((verdict.segment, verdict.entries, verdict.total), (3, 10, 10));
        assert_eq!((verdict.broken, verdict.goes_on), (None, false));
        let rest = verify_after(&database, retention, 2).await;
        assert_eq!((rest.entries, rest.total, rest.broken), (3, 10, None));
        let nothing = verify(&database, RetentionCategory::Forensic).await;
        assert_eq!((nothing.segment, nothing.broken), (0, None));
    }
}

#[tokio::test]
async fn sal_11_a_group_of_which_one_is_there_is_there_once_and_whole() {
    for retention in [PACKED, IN_ROWS] {
        let database = TestDatabase::new().await;
        let store = store(&database).await;
        let entries: Vec<Entry> = (0..1_500).map(|_| of(retention)).collect();
        store.write(&entries[1_499..]).await.unwrap();
        match retention {
            // It is met while the pieces behind it are still being sent.
            IN_ROWS => store.write(&entries).await.unwrap(),
            _ => store.write_again(&entries).await.unwrap(),
        }
        assert_eq!(count(&database).await, 1_500);
        store.write(&[of(retention)]).await.unwrap();
        assert_eq!(count(&database).await, 1_501, "the next statement gets its own answer");
        let verdict = verify(&database, retention).await;
        assert_eq!((verdict.broken, verdict.total, verdict.segment), (None, 1_501, 3));
    }
}

/// What a writer of before packs has written has rows, in the same chain.
#[tokio::test]
async fn sal_11_a_chain_of_rows_and_packs_holds() {
    let (database, store) = written(PACKED).await;
    let day = Utc::now().format("%Y%m%d");
    tamper(
        &database,
        "INSERT INTO log.security_audit
         SELECT (jsonb_populate_record(NULL::log.security_audit, to_jsonb(e))).*
         FROM log.security_audit_entries e WHERE segment = 2",
    )
    .await;
    tamper(&database, "DELETE FROM {packs} WHERE segment = 2").await;
    let moved: i64 =
        sqlx::query_scalar(&format!("SELECT count(*) FROM log.security_audit_operational_{day}"))
            .fetch_one(&database.pool)
            .await
            .unwrap();
    assert_eq!((moved, count(&database).await), (5, 10));
    let again: Vec<Row> = rows(&database).await;
    let verdict = verify(&database, PACKED).await;
    assert_eq!((verdict.segment, verdict.entries, verdict.broken), (3, 10, None));
    // Known to be there, wherever they stand.
    let mut entry = entry_at(again[4].recorded_at, None);
    entry.log_id = again[4].log_id;
    store.write_again(&[entry, of(PACKED)]).await.unwrap();
    assert_eq!(count(&database).await, 11);
}

/// What a writer of before columns has written has an array of records (ADR 24), in the same chain.
#[tokio::test]
async fn sal_11_a_chain_of_packs_of_both_forms_holds() {
    let (database, store) = written(PACKED).await;
    let again: Vec<Row> = rows(&database).await;
    tamper(
        &database,
        "UPDATE {packs} p SET act_numbers = NULL, recorded_ats = NULL, log_ids = NULL, ip_keys = NULL, acts = NULL,
             sealed_in_recorded_ats = NULL, sealed_in_log_ids = NULL,
             entries = (SELECT array_agg(jsonb_populate_record(NULL::log.security_audit_entry, to_jsonb(e))
                            ORDER BY recorded_at, log_id)
                        FROM log.security_audit_packed e WHERE e.day = p.day AND e.segment = p.segment)
         WHERE segment = 2",
    )
    .await;
    let verdict = verify(&database, PACKED).await;
    assert_eq!((verdict.segment, verdict.entries, verdict.broken), (3, 10, None));
    let texts = |rows: &[Row]| rows.iter().map(|row| format!("{row:?}")).collect::<Vec<_>>();
    assert_eq!(texts(&rows(&database).await), texts(&again));
    let mut entry = entry_at(again[4].recorded_at, None);
    entry.log_id = again[4].log_id;
    store.write_again(&[entry, of(PACKED)]).await.unwrap();
    assert_eq!(count(&database).await, 11);
    tamper(&database, "UPDATE {packs} SET entries = entries[2:] WHERE segment = 2").await;
    assert_eq!(verify(&database, PACKED).await.broken.map(|broken| broken.0), Some(2));
}

#[tokio::test]
async fn sal_11_each_way_to_change_packs_shows() {
    let with = |changes: &str| format!("UPDATE {{packs}} SET {changes} WHERE segment = 2");
    let first_act = |column: &str, value: &str| with(&format!("acts[1].{column} = {value}"));
    // All columns that entries have values in, and what of them is kept.
    let entries = |kept: &dyn Fn(&str) -> String| {
        let columns = [
            "act_numbers",
            "recorded_ats",
            "log_ids",
            "ip_keys",
            "sealed_in_recorded_ats",
            "sealed_in_log_ids",
        ];
        let kept: Vec<String> =
            columns.iter().map(|column| format!("{column} = {}", kept(column))).collect();
        with(&kept.join(", "))
    };
    for (statement, broken) in [
        (first_act("risk_score", "1"), 2),
        (first_act("event_result", "'FAILURE'"), 2),
        (first_act("endpoint", "'/v1/elsewhere'"), 2),
        (first_act("event_type", "NULL"), 2),
        (with("log_ids[2] = gen_random_uuid()"), 2),
        (with("log_ids[2] = NULL"), 2),
        (with("recorded_ats[2] = recorded_ats[2] - interval '1 hour'"), 2),
        (with("recorded_ats[2] = recorded_ats[2] + interval '1 microsecond'"), 2),
        (with("act_numbers[3] = 2"), 2),
        (with("act_numbers[3] = NULL"), 2),
        (with("user_keys = array_fill(7::bigint, ARRAY[5])"), 2),
        (with("ip_keys = NULL"), 2),
        (with("session_keys = array_fill(7::bigint, ARRAY[5])"), 2),
        (with("request_sizes_bytes = array_fill(7::bigint, ARRAY[5])"), 2),
        (with("response_sizes_bytes = array_fill(7::bigint, ARRAY[5])"), 2),
        (with("processing_times_ms = array_fill(7, ARRAY[5])"), 2),
        (with("payload_hashes = array_fill(''::bytea, ARRAY[5])"), 2),
        (with("sealed_texts = array_fill(''::bytea, ARRAY[5])"), 2),
        (with("sealed_in_recorded_ats[1] = now()"), 2),
        (with("sealed_in_log_ids[1] = log_ids[1]"), 2),
        (entries(&|column| format!("{column}[1:4]")), 2),
        (entries(&|column| format!("{column} || {column}[1:1]")), 2),
        (entries(&|column| format!("{column}[1:4] || {column}[1:1]")), 2),
        // What no entry has, or is.
        (with("acts = acts || acts[1:1]"), 2),
        (
            entries(&|column| match column {
                "act_numbers" => "act_numbers || '{99,NULL}'::smallint[]".to_owned(),
                _ => format!("{column} || {column}[1:2]"),
            }),
            2,
        ),
        ("DELETE FROM {packs} WHERE segment = 2".to_owned(), 2),
        ("UPDATE {packs} SET segment = 5 WHERE segment = 3".to_owned(), 3),
        // What searches go by.
        ("UPDATE {packs} SET found_by = '{}' WHERE segment = 2".to_owned(), 2),
        ("UPDATE {packs} SET found_by = found_by || 7::bigint WHERE segment = 2".to_owned(), 2),
        ("UPDATE {packs} SET first_at = first_at - interval '1 microsecond' WHERE segment = 2".to_owned(), 2),
        ("UPDATE {packs} SET last_at = last_at + interval '1 microsecond' WHERE segment = 2".to_owned(), 2),
        ("UPDATE {packs} SET first_log_id = gen_random_uuid() WHERE segment = 2".to_owned(), 2),
        (
            "INSERT INTO {packs} SELECT (jsonb_populate_record(p, jsonb_build_object('segment', 9,
                 'first_at', first_at + interval '1 microsecond',
                 'last_at', last_at + interval '1 microsecond'))).* FROM {packs} p WHERE segment = 3"
                .to_owned(),
            4,
        ),
    ] {
        let (database, _) = written(PACKED).await;
        tamper(&database, &statement).await;
        let verdict = verify(&database, PACKED).await;
        assert_eq!(verdict.broken.map(|broken| broken.0), Some(broken), "{statement}: {verdict:?}");
    }
}

/// What a search goes by is that no pack is long.
#[tokio::test]
async fn sal_11_packs_that_were_made_one_show() {
    let database = TestDatabase::new().await;
    let noon = Utc::now().date_naive().and_hms_opt(12, 0, 0).unwrap().and_utc();
    let entries = [0, 1].map(|second| entry_at(noon + TimeDelta::seconds(second), None));
    store(&database).await.write(&entries).await.unwrap();
    assert_eq!(verify(&database, PACKED).await.broken, None);
    tamper(
        &database,
        "ALTER TABLE log.security_audit_packs DROP CONSTRAINT security_audit_packs_span",
    )
    .await;
    tamper(
        &database,
        "UPDATE {packs} a SET last_at = b.last_at, act_numbers = a.act_numbers || b.act_numbers,
             recorded_ats = a.recorded_ats || b.recorded_ats, log_ids = a.log_ids || b.log_ids,
             ip_keys = a.ip_keys || b.ip_keys,
             sealed_texts = a.sealed_texts || NULL::bytea,
             sealed_in_recorded_ats = NULL::timestamptz || b.sealed_in_recorded_ats,
             sealed_in_log_ids = NULL::uuid || b.sealed_in_log_ids
         FROM {packs} b WHERE a.part = 0 AND b.part = 1",
    )
    .await;
    tamper(&database, "DELETE FROM {packs} WHERE part = 1").await;
    assert_eq!(count(&database).await, 2);
    assert_eq!(verify(&database, PACKED).await.broken.map(|broken| broken.0), Some(1));
}

/// As where the end of a chain was cut off: what is written next has a number of its own.
#[tokio::test]
async fn sal_11_packs_of_which_the_chain_does_not_know_keep_nobody_from_writing() {
    let (database, _) = written(PACKED).await;
    tamper(&database, "DELETE FROM log.security_audit_segments WHERE number = 3").await;
    store(&database).await.write(&[of(PACKED)]).await.unwrap();
    assert_eq!(count(&database).await, 11);
    assert_eq!(verify(&database, PACKED).await.broken.map(|broken| broken.0), Some(4));
}

/// A writer that repeated what was there would be seen: its chain is whole.
#[tokio::test]
async fn sal_11_an_entry_that_is_there_twice_shows() {
    let (database, store) = written(PACKED).await;
    let entries = [of(PACKED), of(PACKED)];
    store.write(&entries).await.unwrap();
    self::store(&database).await.write(&entries[1..]).await.unwrap();
    let verdict = verify(&database, PACKED).await;
    assert_eq!(verdict.broken.map(|broken| broken.0), Some(5), "{verdict:?}");
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
             VALUES (now(), gen_random_uuid(), 'SECURITY', 'API_ACCESS', 'SUCCESS', 0)",
            4,
        ),
        ("UPDATE log.security_audit_kinds SET risk_score = 1", 3),
    ] {
        let (database, _) = written(IN_ROWS).await;
        tamper(&database, statement).await;
        let verdict = verify(&database, IN_ROWS).await;
        assert_eq!(verdict.broken.map(|broken| broken.0), Some(broken), "{statement}: {verdict:?}");
    }
}

#[tokio::test]
async fn sal_11_a_client_that_is_gone_shows_to_whoever_looks_at_later_segments_alone() {
    for (retention, statement) in [
        (IN_ROWS, "UPDATE {leaf} SET sealed = NULL WHERE segment = 1"),
        (IN_ROWS, "DELETE FROM {leaf} WHERE segment = 1"),
        (
            PACKED,
            "UPDATE {packs} SET act_numbers = act_numbers[2:], recorded_ats = recorded_ats[2:],
                 log_ids = log_ids[2:], ip_keys = ip_keys[2:], sealed_texts = NULL,
                 sealed_in_recorded_ats = sealed_in_recorded_ats[2:],
                 sealed_in_log_ids = sealed_in_log_ids[2:]
             WHERE segment = 1",
        ),
        (PACKED, "DELETE FROM {packs} WHERE segment = 1"),
    ] {
        let (database, _) = written(retention).await;
        tamper(&database, statement).await;
        let verdict = verify_after(&database, retention, 1).await;
        assert_eq!(verdict.broken.map(|broken| broken.0), Some(3), "{statement}: {verdict:?}");
    }
}

#[tokio::test]
async fn sal_11_entries_of_an_older_writer_are_marked_afterwards() {
    let (database, _) = written(IN_ROWS).await;
    tamper(&database, "DELETE FROM log.security_audit_tracks").await;
    tamper(&database, "DELETE FROM log.security_audit_kinds").await;
    let mark = async || -> i64 {
        sqlx::query_scalar("SELECT log.mark_security_audit($1, 'SECURITY')")
            .bind(Utc::now().date_naive())
            .fetch_one(&database.pool)
            .await
            .unwrap()
    };
    assert!(mark().await > 1, "of tracks and kinds");
    assert_eq!(mark().await, 0, "each is there once");
    assert_eq!(verify(&database, IN_ROWS).await.broken, None);
}

#[tokio::test]
async fn sal_11_a_tail_that_was_cut_off_under_a_writer_stays_missing() {
    for (retention, table) in [(IN_ROWS, "{leaf}"), (PACKED, "{packs}")] {
        let (database, store) = written(retention).await;
        tamper(&database, "DELETE FROM log.security_audit_segments WHERE number = 3").await;
        tamper(&database, &format!("DELETE FROM {table} WHERE segment = 3")).await;
        // Alone this looks like a chain of two; the writer knows better.
        assert_eq!(verify(&database, retention).await.broken, None);
        store.write(&[of(retention)]).await.unwrap();
        let verdict = verify(&database, retention).await;
        assert_eq!(verdict.broken.map(|broken| broken.0), Some(4), "{verdict:?}");
    }
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
    let verdict = verify(&database, PACKED).await;
    assert_eq!((verdict.segment, verdict.entries, verdict.broken), (80, 400, None));
}

#[tokio::test]
async fn races_sal_11_a_chain_that_is_being_written_looks_whole() {
    let (database, store) = written(PACKED).await;
    let writer = tokio::spawn(async move {
        loop {
            store.write(&[entry(None), entry(None)]).await.unwrap();
            // Each look is longer than the one before: not as fast as it can.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    let mut last = 0;
    for _ in 0..50 {
        let verdict = verify(&database, PACKED).await;
        assert_eq!(verdict.broken, None, "{verdict:?}");
        last = verdict.segment;
    }
    writer.abort();
    assert!(last > 3, "nothing was written meanwhile");
}
