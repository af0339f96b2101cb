//! Whatever is away, and however much comes, no entry is lost.

use std::time::Duration;

use agora_domain::{PersonalCategory, Subject, security::audit::RetentionCategory};
use agora_event_store::{Vault, security_audit::open, testing::eventually};
use sqlx::postgres::PgPoolOptions;

use super::*;
use crate::common::proxy::Proxy;

async fn behind(proxy: &Proxy, database: &TestDatabase) -> PgPool {
    PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(300))
        .connect_with(proxy.leads(database.connect_as("agora_writer")))
        .await
        .unwrap()
}

fn spooled(at: &SpoolAt) -> u64 {
    std::fs::metadata(at.folder.join("security-audit-test-0.spool")).unwrap().len()
}

#[tokio::test]
async fn sal_05_a_database_that_is_away_and_a_burst_lose_no_entry() {
    let (database, at) = (TestDatabase::new().await, spool());
    let proxy = Proxy::before(&database.connect_as("agora_writer")).await;
    let audit = SecurityAudit::start(
        behind(&proxy, &database).await,
        database.vault(),
        &at,
        Countries::default(),
    )
    .unwrap();
    let api = api(&audit);
    let vote = || request("POST", "/v1/commands/cast-vote");
    assert_eq!(send(&api, vote(), "{}").await, 200);
    audit.flush().await;
    proxy.go_away();
    for _ in 0..3_000 {
        assert_eq!(send(&api, vote(), "{}").await, 200, "requests are served meanwhile");
    }
    audit.flush().await;
    assert!(spooled(&at) > 0);
    let file = std::fs::read(at.folder.join("security-audit-test-0.spool")).unwrap();
    assert!(!file.windows(ADDRESS.len()).any(|it| it == ADDRESS.as_bytes()), "sealed there, too");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(at.folder.join("security-audit-test-0.spool")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    proxy.come_back();
    for _ in 0..500 {
        send(&api, vote(), "{}").await;
    }
    audit.flush().await;
    eventually("all is written", || async { count(&database).await == 3_501 }).await;
    eventually("the file is empty", || async { spooled(&at) == 0 }).await;
    assert_eq!(count(&database).await, 3_501);
    std::fs::remove_dir_all(at.folder).unwrap();
}

#[tokio::test]
async fn sal_05_a_vault_that_is_away_loses_no_entry_and_leaves_none_open() {
    let (database, at) = (TestDatabase::new().await, spool());
    let proxy = Proxy::before(&database.connect_as("agora_writer")).await;
    let keys = PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(300))
        .connect_with(proxy.leads(database.url.parse().unwrap()))
        .await
        .unwrap();
    let vault = Vault::new(keys, TestDatabase::master_keys());
    let audit =
        SecurityAudit::start(pool(&database).await, vault, &at, Countries::default()).unwrap();
    proxy.go_away();
    audit.write(entry(Some(Uuid::from_u128(1)))).await;
    assert_eq!(count(&database).await, 0, "nothing is written unsealed");
    proxy.come_back();
    eventually("it is written", || async { count(&database).await == 1 }).await;
    std::fs::remove_dir_all(at.folder).unwrap();
}

/// The process was killed: the next one writes what it has left, once, also what was written already.
#[tokio::test]
async fn sal_05_what_a_killed_process_left_is_written_by_the_next_one_once() {
    let (database, at) = (TestDatabase::new().await, spool());
    let file = at.folder.join("security-audit-test-0.spool");
    let proxy = Proxy::before(&database.connect_as("agora_writer")).await;
    let audit = SecurityAudit::start(
        behind(&proxy, &database).await,
        database.vault(),
        &at,
        Countries::default(),
    )
    .unwrap();
    proxy.go_away();
    for _ in 0..3 {
        audit.write(entry(None)).await;
    }
    let mut kept = std::fs::read(&file).unwrap();
    // Another instance that was killed as well, and cut short in mid-write.
    let half = kept.len() / 7;
    kept.extend_from_within(..half);
    std::fs::write(at.folder.join("security-audit-test-1.spool"), &kept).unwrap();
    // The folder as a killed process would have left it.
    let left = SpoolAt { folder: at.folder.with_extension("left"), ..at.clone() };
    std::fs::rename(&at.folder, &left.folder).unwrap();
    std::fs::remove_file(left.folder.join("security-audit-test-0.spool")).unwrap();
    std::fs::write(left.folder.join("security-audit-test-0.spool"), &kept).unwrap();
    drop(audit);
    let next =
        SecurityAudit::start(pool(&database).await, database.vault(), &left, Countries::default())
            .unwrap();
    eventually("all is written", || async { count(&database).await == 3 }).await;
    next.write(entry(None)).await;
    assert_eq!(count(&database).await, 4);
    eventually("the file of the other is gone", || async {
        !left.folder.join("security-audit-test-1.spool").exists()
    })
    .await;
    std::fs::remove_dir_all(left.folder).unwrap();
}

/// Art. 17: what waited in the file while its person had the key replaced is not sealed under the new one.
#[tokio::test]
async fn sal_08_what_waited_while_its_persons_key_was_replaced_is_nobodys() {
    let (database, at) = (TestDatabase::new().await, spool());
    let proxy = Proxy::before(&database.connect_as("agora_writer")).await;
    let vault = database.vault();
    let audit = SecurityAudit::start(
        behind(&proxy, &database).await,
        vault.clone(),
        &at,
        Countries::default(),
    )
    .unwrap();
    let (kari, ola) = (Uuid::from_u128(1), Uuid::from_u128(2));
    proxy.go_away();
    audit.write(entry(Some(kari))).await;
    audit.write(entry(Some(ola))).await;
    assert!(spooled(&at) > 0);
    let (subject, network) = (Subject::from(kari), PersonalCategory::Network);
    let ids = vault.key_ids(&subject, &[network]).await.unwrap();
    let id = ids[0].1.clone().unwrap();
    assert!(vault.replace(&subject, network, &id).await.unwrap());
    audit.write(entry(Some(kari))).await;
    proxy.come_back();
    eventually("all is written", || async { count(&database).await == 3 }).await;
    let opened = open(&database.vault(), &rows(&database).await).await.unwrap();
    let users: Vec<_> = opened.into_iter().map(|opened| opened.and_then(|it| it.user)).collect();
    assert_eq!(users, [None, Some(ola), Some(kari)]);
    let bare: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM log.security_audit_entries
         WHERE sealed IS NULL AND num_nonnulls(user_key, ip_key, session_key) = 0",
    )
    .fetch_one(&database.pool)
    .await
    .unwrap();
    assert_eq!(bare, 1);
    std::fs::remove_dir_all(at.folder).unwrap();
}

#[tokio::test]
async fn a_spool_that_is_full_takes_no_more_and_holds_what_it_has() {
    let (database, at) = (TestDatabase::new().await, spool());
    let at = SpoolAt { bytes_max: 2_000, ..at };
    let proxy = Proxy::before(&database.connect_as("agora_writer")).await;
    let audit = SecurityAudit::start(
        behind(&proxy, &database).await,
        database.vault(),
        &at,
        Countries::default(),
    )
    .unwrap();
    proxy.go_away();
    for _ in 0..10 {
        audit.write(entry(None)).await;
    }
    let kept = spooled(&at);
    assert!((1..=2_000).contains(&kept), "{kept}");
    proxy.come_back();
    eventually("what fitted is written", || async {
        count(&database).await > 0 && spooled(&at) == 0
    })
    .await;
    assert!(count(&database).await < 10);
    audit.write(entry(None)).await;
    std::fs::remove_dir_all(at.folder).unwrap();
}

#[tokio::test]
async fn sal_05_a_group_that_is_given_up_halfway_leaves_no_answer_to_the_next_statement() {
    let database = TestDatabase::new().await;
    // One connection, so that whoever comes next has the same.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .connect(&database.url_as("agora_writer"))
        .await
        .unwrap();
    let store = Store::new(pool.clone(), database.vault());
    // Of those that have rows, which are copied.
    let retention = RetentionCategory::Security;
    let entry = Entry { retention, ..entry(None) };
    store.write(&[Entry { retention, ..self::entry(None) }]).await.unwrap();
    // The end of the copy waits for whether an equal entry will be there.
    let mut other = database.pool.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO log.security_audit (recorded_at, log_id, retention_category, event_type,
             event_result, segment)
         VALUES ($1, $2, 'SECURITY', 'API_ACCESS', 'SUCCESS', 1)",
    )
    .bind(entry.recorded_at)
    .bind(entry.log_id)
    .execute(&mut *other)
    .await
    .unwrap();
    let write = store.write(std::slice::from_ref(&entry));
    assert!(tokio::time::timeout(Duration::from_millis(500), write).await.is_err(), "it waits");
    other.rollback().await.unwrap();
    for number in 0..5_i64 {
        let told: i64 =
            sqlx::query_scalar("SELECT $1::bigint").bind(number).fetch_one(&pool).await.unwrap();
        assert_eq!(told, number, "each statement has its own answer");
    }
    store.write_again(&[entry]).await.unwrap();
    assert_eq!(count(&database).await, 2);
}

/// A stream that began hours ago is told of with the others that end when it does.
#[tokio::test]
async fn sal_05_what_is_written_again_is_looked_for_at_its_own_time() {
    let database = TestDatabase::new().await;
    let store = store(&database).await;
    let day = Utc::now().date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let at = |minutes: i64| entry_at(day + chrono::TimeDelta::minutes(minutes), None);
    let (old, young) = (at(1), at(2));
    store.write(std::slice::from_ref(&old)).await.unwrap();
    store.write(&[at(90), young.clone(), at(91)]).await.unwrap();
    store.write_again(&[old, at(3), young, at(92)]).await.unwrap();
    assert_eq!(count(&database).await, 6);
}

/// As where an older service has made the day.
#[tokio::test]
async fn sal_05_a_day_without_a_place_for_packs_gets_one() {
    let database = TestDatabase::new().await;
    store(&database).await.write(&[entry(None)]).await.unwrap();
    let packs = format!("DROP TABLE log.security_audit_packs_{}", Utc::now().format("%Y%m%d"));
    sqlx::query(&packs).execute(&database.pool).await.unwrap();
    store(&database).await.write(&[entry(None)]).await.unwrap();
    assert_eq!(count(&database).await, 1);
}
