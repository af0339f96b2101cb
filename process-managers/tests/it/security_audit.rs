//! SAL-05: what of the log belongs into the security audit log is there, once. SAL-09: partitions come and go.

use agora_domain::security::audit::{AuditEventType, AuditResult, RetentionCategory};
use agora_event_store::security_audit::{Entry, LeafName, Row, Store, fill_in, open};
use agora_process_managers::security_audit::{Follower, keep_house};
use agora_service::{clock, geoip::Countries};
use chrono::{Days, TimeDelta};
use serde_json::{Value, json};

use crate::world::{PASSWORD, World};

async fn follow(world: &World, follower: &Follower) {
    let mut connection = world.database.pool.acquire().await.unwrap();
    while follower.look(&mut connection).await.unwrap() {}
}

async fn rows(world: &World) -> Vec<Row> {
    let statement = format!(
        "SELECT {} FROM log.security_audit_entries ORDER BY recorded_at, log_id",
        Row::COLUMNS
    );
    let mut connection = world.database.pool.acquire().await.unwrap();
    let mut rows: Vec<Row> = sqlx::query_as(&statement).fetch_all(&mut *connection).await.unwrap();
    fill_in(&mut connection, &mut rows).await.unwrap();
    rows
}

fn told(rows: &[Row]) -> Vec<(String, String)> {
    let event = |row: &Row| {
        let metadata: Value = serde_json::from_str(row.metadata.as_ref().unwrap()).unwrap();
        metadata["event"].as_str().unwrap().to_owned()
    };
    rows.iter().map(|row| (row.event_type.clone(), event(row))).collect()
}

#[tokio::test]
async fn sal_05_logins_their_ends_consents_and_exports_are_told_once_with_who_and_from_where() {
    let world = World::new().await;
    let follower = Follower::new(&world.app, Countries::default());
    let member = world.register("kari@example.org").await["aggregate_id"].clone();
    let token = world.log_in("kari@example.org", PASSWORD).await.unwrap();
    follow(&world, &follower).await;
    let export = json!({ "kind": "subject_data", "request_type": "FULL_EXPORT", "format": "JSON",
                         "delivery_method": "DOWNLOAD_LINK" });
    let (status, body) = world.send(Some(&token), "request-export", export).await;
    let exported = status == 200;
    assert!(exported || status == 400, "{body}");
    world.accepted(world.send(Some(&token), "log-out", json!({})).await);
    follow(&world, &follower).await;
    let mut expected = vec![("LOGIN", "SessionIssued")];
    if exported {
        expected.push(("DATA_EXPORT", "ExportRequested"));
    }
    expected.push(("LOGOUT", "SessionRevoked"));
    let text = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
    let expected: Vec<_> = expected.into_iter().map(text).collect();
    let first = rows(&world).await;
    assert_eq!(told(&first), expected);
    let login = &first[0];
    assert_eq!(
        (login.event_result.as_str(), login.retention_category.as_str()),
        ("SUCCESS", "SECURITY")
    );
    assert_eq!(login.endpoint.as_deref(), Some("/v1/commands/log-in"));
    let opened = open(&world.database.vault(), &first).await.unwrap();
    let session = opened[0].as_ref().unwrap().session.clone();
    for entry in opened.iter().flatten() {
        assert_eq!(entry.user.map(|user| user.to_string()).as_deref(), member.as_str());
        assert_eq!(entry.ip, Some("203.0.113.77".parse().unwrap()));
        assert_eq!(entry.session, session, "all of one session");
    }
    // Again from the beginning: nothing doubles.
    sqlx::query("DELETE FROM process.checkpoints WHERE process = 'security_audit'")
        .execute(&world.database.pool)
        .await
        .unwrap();
    follow(&world, &Follower::new(&world.app, Countries::default())).await;
    assert_eq!(rows(&world).await.len(), first.len());
}

#[tokio::test]
async fn sal_09_partitions_are_made_ahead_and_dropped_with_their_keys() {
    let world = World::new().await;
    let now = clock::now();
    let store = Store::new(world.app.log.pool().clone(), world.database.vault());
    let old = now - TimeDelta::days(100);
    let mut entries = Vec::new();
    for category in RetentionCategory::ALL {
        let mut entry = Entry::at(old, AuditEventType::ApiAccess, AuditResult::Success);
        entry.retention = *category;
        entry.person.ip = Some("203.0.113.9".parse().unwrap());
        entries.push(entry);
    }
    store.write(&entries).await.unwrap();
    assert_eq!(keep_house(&world.app, now).await.unwrap(), 1);
    let ahead: Vec<chrono::NaiveDate> = sqlx::query_scalar(
        "SELECT DISTINCT day FROM log.security_audit_leaves WHERE day > $1 ORDER BY day",
    )
    .bind(now.date_naive())
    .fetch_all(&world.database.pool)
    .await
    .unwrap();
    assert_eq!(ahead.len(), 3);
    let left = rows(&world).await;
    let categories: Vec<_> = left.iter().map(|row| row.retention_category.as_str()).collect();
    assert_eq!(categories.len(), 3, "{categories:?}");
    assert!(!categories.contains(&"OPERATIONAL"));
    let leaf = LeafName { day: old.date_naive(), category: RetentionCategory::Operational };
    let destroyed: bool = sqlx::query_scalar(
        "SELECT destroyed_at IS NOT NULL FROM vault.subject_keys WHERE subject = $1",
    )
    .bind(leaf.subject().as_str())
    .fetch_one(&world.database.pool)
    .await
    .unwrap();
    assert!(destroyed, "and its key with it");
    // Two years on all but what is for compliance goes: there is no such case.
    let later = now.checked_add_days(Days::new(730)).unwrap();
    keep_house(&world.app, later).await.unwrap();
    let left = rows(&world).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].retention_category, "COMPLIANCE");
}
