//! What is personal goes with its key; a day goes as a whole.

use agora_domain::{PersonalCategory, Subject, security::audit::RetentionCategory};
use agora_event_store::{
    security_audit::{LeafName, chain, open},
    testing::mmdb,
};
use agora_service::geoip::CountriesArgs;
use chrono::{Days, NaiveDate, TimeDelta};
use serde_json::json;

use super::*;

#[tokio::test]
async fn sal_08_an_entry_is_anonymous_once_the_persons_or_the_leafs_key_is_gone_and_stays() {
    let database = TestDatabase::new().await;
    let store = store(&database).await;
    let (kari, ola) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let entries = [entry(Some(kari)), entry(Some(ola)), entry(None)];
    store.write(&entries).await.unwrap();
    let opened = async || {
        // Past what is remembered of keys.
        let rows = rows(&database).await;
        open(&database.vault(), &rows).await.unwrap()
    };
    let before = opened().await;
    let first = before[0].as_ref().unwrap();
    assert_eq!((first.user, first.ip), (Some(kari), Some(ADDRESS.parse().unwrap())));
    assert_eq!(first.user_agent.as_deref(), Some("a browser"));

    let vault = database.vault();
    vault.destroy(&Subject::from(kari), &[PersonalCategory::Network]).await.unwrap();
    let after = opened().await;
    assert_eq!((&after[0], &after[1], &after[2]), (&None, &before[1], &before[2]));
    let key = chain::key(vault.masters());
    let day = entries[0].recorded_at.date_naive();
    let operational = RetentionCategory::Operational;
    let verdict = chain::verify(&database.pool, &key, day, operational, 0).await.unwrap();
    assert_eq!((verdict.entries, verdict.broken), (3, None), "row and proof stay");

    let leaf = LeafName { day, category: operational };
    vault.destroy(&leaf.subject(), &[PersonalCategory::Network]).await.unwrap();
    assert_eq!(opened().await, [None, None, None]);
}

#[tokio::test]
async fn sal_08_the_country_of_an_address_is_sealed_beside_it_and_goes_with_it() {
    let (database, at) = (TestDatabase::new().await, spool());
    // Whatever else a database tells, the country is all that is kept.
    let place = json!({ "country": { "iso_code": "NO" }, "city": { "names": { "en": "Oslo" } } });
    let file = mmdb::database(&at.folder, "City", ADDRESS.parse().unwrap(), &place);
    let countries = Countries::open(&CountriesArgs { geoip_city_file: Some(file) }).unwrap();
    let located = store(&database).await.locating(countries.clone());
    let kari = Uuid::from_u128(1);
    let from = |address: Option<&str>| {
        let mut entry = entry(None);
        entry.person.ip = address.map(|it| it.parse().unwrap());
        entry
    };
    let mapped = format!("::ffff:{ADDRESS}");
    let mut entries = [
        entry(Some(kari)),
        from(Some("198.51.100.1")),
        from(Some("2001:db8::1")),
        from(None),
        from(Some(&mapped)),
    ];
    // Two may be of one microsecond, which has no order.
    let first = entries[0].recorded_at;
    for (number, entry) in (0..).zip(&mut entries) {
        entry.recorded_at = first + TimeDelta::microseconds(number);
    }
    located.write(&entries).await.unwrap();
    store(&database).await.write(&[entry(None)]).await.unwrap();
    let audit =
        SecurityAudit::start(pool(&database).await, database.vault(), &at, countries).unwrap();
    send(&api(&audit), Request::post("/v1/commands/cast-vote"), "{}").await;
    audit.flush().await;
    let told = async || -> Vec<Option<Option<String>>> {
        let opened = open(&database.vault(), &rows(&database).await).await.unwrap();
        opened.into_iter().map(|it| it.map(|it| it.country)).collect()
    };
    let norway = || Some(Some("NO".to_owned()));
    let nothing = || Some(None);
    let all = [norway(), nothing(), nothing(), nothing(), norway(), nothing(), norway()];
    assert_eq!(
        told().await,
        all,
        "known, unknown, of IPv6, absent, mapped, no database, an access"
    );
    database.vault().destroy(&Subject::from(kari), &[PersonalCategory::Network]).await.unwrap();
    assert_eq!(told().await[..2], [None, nothing()]);
    std::fs::remove_dir_all(at.folder).unwrap();
}

#[tokio::test]
async fn sal_08_of_whom_was_erased_nothing_personal_is_written_any_more() {
    let database = TestDatabase::new().await;
    let kari = Uuid::from_u128(1);
    let vault = database.vault();
    vault.destroy(&Subject::from(kari), &[PersonalCategory::Network]).await.unwrap();
    store(&database).await.write(&[entry(Some(kari))]).await.unwrap();
    let (sealed, keys): (Option<Vec<u8>>, i32) = sqlx::query_as(
        "SELECT sealed, num_nonnulls(user_key, ip_key, session_key) FROM log.security_audit_entries",
    )
    .fetch_one(&database.pool)
    .await
    .unwrap();
    assert_eq!((sealed, keys), (None, 0));
}

/// Art. 17: what was seen before somebody's key was replaced is not sealed under the new one, wherever it
/// waited.
#[tokio::test]
async fn sal_08_of_what_is_older_than_the_persons_key_nothing_personal_is_written() {
    let (database, kari) = (TestDatabase::new().await, Uuid::from_u128(1));
    let vault = database.vault();
    let store = Store::new(pool(&database).await, vault.clone());
    let (subject, network) = (Subject::from(kari), PersonalCategory::Network);
    store.write(&[entry(Some(kari))]).await.unwrap();
    let before = entry(Some(kari));
    let ids = vault.key_ids(&subject, &[network]).await.unwrap();
    assert!(vault.replace(&subject, network, ids[0].1.as_ref().unwrap()).await.unwrap());
    store.write(&[before, entry(Some(kari))]).await.unwrap();
    let opened = open(&database.vault(), &rows(&database).await).await.unwrap();
    let users: Vec<_> = opened.into_iter().map(|opened| opened.and_then(|it| it.user)).collect();
    assert_eq!(users, [None, None, Some(kari)]);
}

#[tokio::test]
async fn sal_10_nothing_personal_is_in_the_table_in_the_clear() {
    let database = TestDatabase::new().await;
    let kari = Uuid::from_u128(0x0191_d1b2_0000_7000_8000_1234_5678_9abc);
    store(&database).await.write(&[entry(Some(kari)), entry(None)]).await.unwrap();
    let all: Vec<String> = sqlx::query_scalar(
        "SELECT to_jsonb(a)::text || encode(coalesce(a.sealed, ''), 'escape')
         FROM log.security_audit_entries a",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    for row in all {
        for text in [ADDRESS, "browser", "agora.example", "text/html", &kari.to_string()] {
            assert!(!row.contains(text), "{text}");
        }
        assert!(!row.contains(&hex::encode(kari.as_bytes())));
    }
}

async fn leaves(database: &TestDatabase) -> Vec<(NaiveDate, String)> {
    sqlx::query_as(
        "SELECT day, retention_category::text FROM log.security_audit_leaves
         WHERE dropped_at IS NULL ORDER BY day, retention_category",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn sal_09_what_is_over_goes_by_whole_partitions_and_a_case_holds_its_own() {
    let database = TestDatabase::new().await;
    let store = store(&database).await;
    let old = Utc::now() - TimeDelta::days(10);
    let case = Uuid::from_u128(5);
    let mut entries = Vec::new();
    for category in RetentionCategory::ALL {
        for at in [old, Utc::now()] {
            let mut entry = entry_at(at, None);
            entry.retention = *category;
            entry.case_id = (*category == RetentionCategory::Forensic).then_some(case);
            entries.push(entry);
        }
    }
    store.write(&entries).await.unwrap();
    assert_eq!(leaves(&database).await.len(), 8);
    let today = Utc::now().date_naive();
    let drop = async |operational: u64, held: &[Uuid]| -> Vec<(NaiveDate, String)> {
        let day = |days: u64| today - Days::new(days);
        sqlx::query_as("SELECT * FROM log.drop_security_audit($1, $2, $3, $4, $5)")
            .bind(day(operational))
            .bind(day(365))
            .bind(day(1826))
            .bind(day(9))
            .bind(held)
            .fetch_all(&database.pool)
            .await
            .unwrap()
    };
    assert_eq!(drop(10, &[case]).await, [], "the tenth day is kept, and the case is open");
    let gone = drop(9, &[case]).await;
    assert_eq!(gone, [(old.date_naive(), "OPERATIONAL".to_owned())]);
    assert_eq!(count(&database).await, 7);
    let gone = drop(9, &[]).await;
    assert_eq!(gone, [(old.date_naive(), "FORENSIC".to_owned())]);
    let table: Option<String> = sqlx::query_scalar("SELECT to_regclass($1)::text")
        .bind(format!("log.security_audit_operational_{}", old.format("%Y%m%d")))
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(table, None, "the partition itself is gone");
    let left = async |table: &str| -> i64 {
        let count = format!(
            "SELECT count(*) FROM log.security_audit_{table}
             WHERE day = $1 AND retention_category = 'OPERATIONAL'"
        );
        let left = sqlx::query_scalar(&count).bind(old.date_naive()).fetch_one(&database.pool);
        left.await.unwrap()
    };
    assert_eq!(left("segments").await, 0, "and its chain");
    assert_eq!(left("tracks").await, 0, "and what its entries were found by");
    assert_eq!(left("kinds").await, 0);
    // One that comes late makes its day's partitions anew, and goes with them.
    store.write(&[entry_at(old, None)]).await.unwrap();
    assert_eq!((left("tracks").await, left("kinds").await), (1, 1));
    assert_eq!(drop(9, &[]).await.len(), 2);
    assert_eq!(count(&database).await, 6);
}
