//! The log cannot be changed, and each role may do what it must and nothing else.

use crate::common::*;
use agora_event_store::testing::TestDatabase;
use sqlx::{Connection, PgConnection};

/// Each statement in a transaction of its own that is rolled back.
async fn attempt(connection: &mut PgConnection, statement: &str) -> Result<(), String> {
    let mut transaction = connection.begin().await.unwrap();
    let outcome = sqlx::query(statement).execute(&mut *transaction).await;
    transaction.rollback().await.unwrap();
    outcome.map(|_| ()).map_err(|error| match error.as_database_error() {
        Some(error) => error.code().unwrap_or_default().into_owned(),
        None => panic!("{error}"),
    })
}

#[tokio::test]
async fn events_are_refused_to_change_also_for_a_superuser_and_for_a_replica() {
    let (database, log) = database_and_log().await;
    position(&log.append(lone_unit()).await);
    let before = all(&database).await;
    let mut superuser = PgConnection::connect(&database.url).await.unwrap();
    for role in ["origin", "replica", "local"] {
        sqlx::query(&format!("SET session_replication_role = {role}"))
            .execute(&mut superuser)
            .await
            .unwrap();
        for statement in [
            "UPDATE log.events SET event_type = 'Other'",
            "UPDATE log.events SET event_type = 'Other' WHERE false",
            "DELETE FROM log.events",
            "DELETE FROM log.events WHERE position = 1",
            "TRUNCATE log.events",
            "TRUNCATE log.events CASCADE",
            "INSERT INTO log.events SELECT * FROM log.events
             ON CONFLICT (position) DO UPDATE SET event_type = 'Other'",
            "MERGE INTO log.events e USING (SELECT 1 AS position) m ON e.position = m.position
             WHEN MATCHED THEN UPDATE SET event_type = 'Other'",
        ] {
            let refused = attempt(&mut superuser, statement).await;
            assert_eq!(refused, Err("23000".into()), "{role}: {statement}");
        }
    }
    assert_eq!(all(&database).await, before);
}

#[tokio::test]
async fn security_records_are_refused_to_change_in_every_partition() {
    let database = TestDatabase::new().await;
    let mut superuser = PgConnection::connect(&database.url).await.unwrap();
    sqlx::query(
        "INSERT INTO log.security_records (id, kind, result, action, status)
         VALUES (gen_random_uuid(), 'refusal', 'BLOCKED', 'cast-vote', 403)",
    )
    .execute(&mut superuser)
    .await
    .unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'log' AND c.relname LIKE 'security_records%' AND c.relkind IN ('r', 'p')",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    assert!(tables.len() > 4, "the whole, the default and some days: {tables:?}");
    for role in ["origin", "replica"] {
        sqlx::query(&format!("SET session_replication_role = {role}"))
            .execute(&mut superuser)
            .await
            .unwrap();
        for table in &tables {
            for statement in [
                format!("UPDATE {table} SET status = 200"),
                format!("DELETE FROM {table}"),
                format!("TRUNCATE {table}"),
            ] {
                let refused = attempt(&mut superuser, &statement).await;
                assert_eq!(refused, Err("23000".into()), "{role}: {statement}");
            }
        }
    }
}

const WRITER: &str = "agora_writer";
const PROJECTOR: &str = "agora_projector";
const READER: &str = "agora_reader";
const AUDITOR: &str = "agora_auditor";
const ROLES: [&str; 4] = [WRITER, PROJECTOR, READER, AUDITOR];

const APPEND: &str = "SELECT log.append(0, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
    '{}')";

/// Who may do what. Everything that is not listed for a role is tried and must be refused.
const RIGHTS: &[(&str, &[&str])] = &[
    ("SELECT FROM log.events", &[WRITER, PROJECTOR, READER, AUDITOR]),
    ("SELECT FROM log.epochs", &[WRITER, PROJECTOR, READER, AUDITOR]),
    ("SELECT FROM log.claims", &[WRITER, READER]),
    ("SELECT FROM log.receipts", &[WRITER]),
    ("SELECT FROM log.security_records", &[WRITER, READER, AUDITOR]),
    (
        "INSERT INTO log.security_records (id, kind, result, action, status)
         VALUES (gen_random_uuid(), 'refusal', 'BLOCKED', 'x', 403)",
        &[WRITER, READER],
    ),
    (APPEND, &[WRITER]),
    ("SELECT log.begin_epoch(gen_random_uuid(), 'x')", &[WRITER]),
    ("SELECT log.forget_receipts()", &[WRITER]),
    ("SELECT log.prepare_security_records()", &[WRITER, READER]),
    ("SELECT FROM log.security_audit", &[WRITER, READER, AUDITOR]),
    ("SELECT log.prepare_security_audit(current_date)", &[WRITER, READER]),
    ("SELECT log.security_audit_end('SECURITY', current_date)", &[WRITER, READER]),
    (
        "SELECT log.drop_security_audit(current_date, current_date, current_date, current_date, '{}')",
        &[WRITER],
    ),
    ("UPDATE log.security_audit SET risk_score = 0", &[]),
    ("DELETE FROM log.security_audit", &[]),
    ("DELETE FROM log.security_audit_segments", &[]),
    ("SELECT FROM log.security_audit_packs", &[WRITER, READER, AUDITOR]),
    ("SELECT FROM log.security_audit_packed", &[WRITER, READER, AUDITOR]),
    ("SELECT FROM log.security_audit_entries", &[WRITER, READER, AUDITOR]),
    ("UPDATE log.security_audit_packs SET part = 0", &[]),
    ("DELETE FROM log.security_audit_packs", &[]),
    ("SELECT log.prepare_security_audit_packs(current_date)", &[]),
    ("SELECT FROM log.security_audit_tracks", &[WRITER, READER, AUDITOR]),
    ("SELECT FROM log.security_audit_kinds", &[WRITER, READER, AUDITOR]),
    ("SELECT log.track_security_audit(current_date, 'SECURITY')", &[WRITER]),
    ("SELECT log.mark_security_audit(current_date, 'SECURITY')", &[WRITER]),
    ("UPDATE log.security_audit_tracks SET user_key = 1", &[]),
    ("DELETE FROM log.security_audit_tracks", &[]),
    ("UPDATE log.security_audit_kinds SET risk_score = 1", &[]),
    ("DELETE FROM log.security_audit_kinds", &[]),
    ("SELECT pg_advisory_lock_shared(1)", &[WRITER, PROJECTOR, READER, AUDITOR]),
    (
        "INSERT INTO log.events SELECT 2, gen_random_uuid(), 'a', 'b', 1, 'c', '1', '{}', '{}', now(), sha256('')",
        &[],
    ),
    ("UPDATE log.events SET event_type = 'Other'", &[]),
    ("DELETE FROM log.events", &[]),
    ("TRUNCATE log.events", &[]),
    ("ALTER TABLE log.events DISABLE TRIGGER ALL", &[]),
    ("DROP TABLE log.events", &[]),
    ("SET LOCAL session_replication_role = replica", &[]),
    ("INSERT INTO log.claims VALUES ('email', 'x', 'y')", &[]),
    ("DELETE FROM log.claims", &[]),
    ("INSERT INTO log.receipts VALUES ('p', 'k', '', '', 1, now())", &[]),
    ("UPDATE log.receipts SET reply = ''", &[]),
    ("DELETE FROM log.receipts", &[]),
    ("INSERT INTO log.epochs (head, reason) VALUES (0, 'x')", &[]),
    ("UPDATE log.security_records SET status = 200", &[]),
    ("DELETE FROM log.security_records", &[]),
    ("SELECT FROM vault.subject_keys", &[]),
    ("DELETE FROM vault.subject_keys", &[]),
    ("UPDATE vault.subject_keys SET subject = 'x'", &[]),
    ("CREATE TABLE log.mine (x integer)", &[]),
    ("CREATE FUNCTION log.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $1'", &[]),
    ("CREATE ROLE agora_mine", &[]),
    ("COPY log.events TO '/tmp/agora-events'", &[]),
];

#[tokio::test]
async fn each_role_may_do_what_it_must_and_nothing_else() {
    let (database, log) = database_and_log().await;
    position(&log.append(lone_unit()).await);
    for role in ROLES {
        let mut connection = PgConnection::connect(&database.url_as(role)).await.unwrap();
        for (statement, granted) in RIGHTS {
            let outcome = attempt(&mut connection, statement).await;
            let expected = if granted.contains(&role) { Ok(()) } else { Err("42501".into()) };
            assert_eq!(outcome, expected, "{role}: {statement}");
        }
    }
}

/// A function that runs with its owner's rights must not look names up where a caller can put them.
#[tokio::test]
async fn functions_with_their_owners_rights_fix_their_search_path_and_are_not_public() {
    let database = TestDatabase::new().await;
    let loose: Vec<String> = sqlx::query_scalar(
        "SELECT p.oid::regprocedure::text FROM pg_proc p
         JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname IN ('log', 'read', 'vault') AND p.prosecdef
           AND (has_function_privilege('public', p.oid, 'EXECUTE')
             OR NOT EXISTS (SELECT FROM unnest(p.proconfig) AS c(setting)
                            WHERE setting LIKE 'search_path=%pg_catalog, pg_temp'))",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    assert_eq!(loose, Vec::<String>::new());
    // A temporary table of the caller's does not stand in for the log's.
    let mut writer = PgConnection::connect(&database.url_as(WRITER)).await.unwrap();
    sqlx::query("CREATE TEMPORARY TABLE receipts (recorded_at timestamptz)")
        .execute(&mut writer)
        .await
        .unwrap();
    sqlx::query("INSERT INTO receipts VALUES ('2000-01-01')").execute(&mut writer).await.unwrap();
    let forgotten: i64 =
        sqlx::query_scalar("SELECT log.forget_receipts()").fetch_one(&mut writer).await.unwrap();
    assert_eq!(forgotten, 0);
}
