//! What a client says of itself is sealed once for a partition, and each of its entries tells it (ADR 23).

use agora_domain::{PersonalCategory, Subject, security::audit::RetentionCategory};
use agora_event_store::security_audit::{Opened, open};
use chrono::Days;
use sqlx::{Connection, PgConnection};

use super::*;

async fn opened(database: &TestDatabase) -> Vec<Option<Opened>> {
    open(&database.vault(), &rows(database).await).await.unwrap()
}

/// How many entries have a text of their own.
async fn sealed(database: &TestDatabase) -> i64 {
    sqlx::query_scalar("SELECT count(sealed) FROM log.security_audit_entries")
        .fetch_one(&database.pool)
        .await
        .unwrap()
}

fn of(kari: Uuid) -> Entry {
    entry(Some(kari))
}

#[tokio::test]
async fn sal_10_a_client_is_sealed_once_and_each_of_its_entries_tells_it_until_it_is_erased() {
    let database = TestDatabase::new().await;
    let (kari, ola) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let one = store(&database).await;
    one.write(&[of(kari), of(kari), of(ola)]).await.unwrap();
    one.write(&[of(kari), of(ola)]).await.unwrap();
    assert_eq!(sealed(&database).await, 2);
    let mut on_another_page = of(kari);
    Arc::make_mut(&mut on_another_page.person.said).referrer = None;
    one.write(&[on_another_page]).await.unwrap();
    assert_eq!(sealed(&database).await, 3, "that is another one");
    let another_process = store(&database).await;
    another_process.write(&[of(kari)]).await.unwrap();
    assert_eq!(sealed(&database).await, 4, "which knows of none");
    let all = opened(&database).await;
    let users = |all: &[Option<Opened>]| -> Vec<_> {
        all.iter().map(|it| it.as_ref().and_then(|it| it.user)).collect()
    };
    let mut told = users(&all);
    told.sort();
    assert_eq!(told, [[Some(kari); 5].as_slice(), &[Some(ola); 2]].concat());
    for told in all.iter().flatten() {
        assert_eq!(told.ip, Some(ADDRESS.parse().unwrap()));
        assert_eq!(told.user_agent.as_deref(), Some("a browser"));
    }
    let vault = database.vault();
    vault.destroy(&Subject::from(kari), &[PersonalCategory::Network]).await.unwrap();
    let mut told = users(&opened(&database).await);
    told.sort();
    assert_eq!(told, [[None; 5].as_slice(), &[Some(ola); 2]].concat());
}

/// Days and categories have keys of their own.
#[tokio::test]
async fn sal_10_a_client_is_sealed_in_each_partition_and_in_an_old_one_each_time() {
    let database = TestDatabase::new().await;
    let store = store(&database).await;
    let (now, old) = (Utc::now(), Utc::now() - Days::new(10));
    for _ in 0..2 {
        let mut of_security = entry_at(now, None);
        of_security.retention = RetentionCategory::Security;
        store.write(&[entry_at(now, None), of_security, entry_at(old, None)]).await.unwrap();
    }
    assert_eq!(sealed(&database).await, 4, "whatever a process knows of old ones may be gone");
    assert!(opened(&database).await.iter().all(Option::is_some));
}

/// What is there already may refer to another entry itself, so nothing refers to it.
#[tokio::test]
async fn sal_05_what_is_written_again_refers_to_nothing_that_is_sealed_elsewhere() {
    for retention in [RetentionCategory::Operational, RetentionCategory::Security] {
        let entry = || Entry { retention, ..entry(None) };
        let database = TestDatabase::new().await;
        let store = store(&database).await;
        let (first, second) = (entry(), entry());
        store.write(&[first.clone(), second.clone()]).await.unwrap();
        assert_eq!(sealed(&database).await, 1, "the second refers to the first");
        let next = self::store(&database).await;
        // Met as they are written, and known to be there.
        next.write(&[first.clone(), entry()]).await.unwrap();
        next.write_again(&[first, second, entry()]).await.unwrap();
        assert_eq!((count(&database).await, sealed(&database).await), (4, 3));
        assert!(opened(&database).await.iter().all(Option::is_some));
    }
}

async fn as_owner(database: &TestDatabase, statements: &[&str]) {
    let mut owner = PgConnection::connect(&database.url).await.unwrap();
    for statement in statements {
        sqlx::query(statement).execute(&mut owner).await.unwrap();
    }
}

/// As after a backup was restored, or a replica that was behind took over.
#[tokio::test]
async fn sal_05_nothing_refers_to_an_entry_that_a_replaced_database_does_not_have() {
    let database = TestDatabase::new().await;
    let store = store(&database).await;
    store.write(&[entry(None)]).await.unwrap();
    let packs = format!("log.security_audit_packs_{}", Utc::now().format("%Y%m%d"));
    let tables = [
        &packs,
        "log.security_audit_segments",
        "log.security_audit_tracks",
        "log.security_audit_kinds",
    ];
    for table in tables {
        let disable = format!("ALTER TABLE {table} DISABLE TRIGGER USER");
        as_owner(&database, &[&disable, &format!("DELETE FROM {table}")]).await;
    }
    for _ in 0..2 {
        store.write(&[entry(None), entry(None)]).await.unwrap();
    }
    // The first two refer to nothing, not even to each other.
    assert_eq!((count(&database).await, sealed(&database).await), (4, 3));
    assert!(opened(&database).await.iter().all(Option::is_some));
    let tracks: i64 = sqlx::query_scalar("SELECT count(*) FROM log.security_audit_tracks")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(tracks, 1, "what entries are found by is written anew, too");
}

#[tokio::test]
async fn sal_09_nothing_refers_to_an_entry_of_a_partition_that_was_dropped_and_made_anew() {
    let database = TestDatabase::new().await;
    let store = store(&database).await;
    store.write(&[entry(None)]).await.unwrap();
    as_owner(
        &database,
        &["SELECT log.drop_security_audit(current_date + 2, current_date - 1, current_date - 1,
              current_date - 1, '{}')"],
    )
    .await;
    store.write(&[entry(None), entry(None)]).await.unwrap();
    assert_eq!((count(&database).await, sealed(&database).await), (2, 2));
    assert!(opened(&database).await.iter().all(Option::is_some));
}
