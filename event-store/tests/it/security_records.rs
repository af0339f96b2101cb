//! Security records are stored before anybody is answered, also while Postgres is away.

use std::path::PathBuf;

use crate::common::{proxy::Proxy, *};
use agora_domain::{Actor, Subject, ids::MemberId};
use agora_event_store::{
    Opened, Opener, Vault,
    seal::SealedField,
    security::{IP_ADDRESS, Outcome, RECORD, SecurityLog, SecurityRecord},
    testing::TestDatabase,
};
use sqlx::{PgPool, Row, postgres::PgPoolOptions};
use uuid::Uuid;

const ADDRESS: &str = "203.0.113.77";
const MEMBER: Actor = Actor::member(MemberId(Uuid::from_u128(1)));

fn refusal(action: &str) -> SecurityRecord {
    SecurityRecord {
        kind: "refusal",
        outcome: Outcome::Blocked,
        actor: Some(MEMBER),
        action: action.into(),
        rule: Some("PVT-07"),
        status: 403,
        client_address: Some(ADDRESS.into()),
    }
}

async fn pool(database: &TestDatabase) -> PgPool {
    PgPool::connect(&database.url_as("agora_writer")).await.unwrap()
}

async fn started(spill: Option<PathBuf>) -> (TestDatabase, SecurityLog) {
    let database = TestDatabase::new().await;
    let log = SecurityLog::start(pool(&database).await, database.vault(), spill);
    (database, log)
}

/// How many records of an action there are, and for how many occurrences they stand.
async fn stored(database: &TestDatabase, action: &str) -> (i64, i64) {
    sqlx::query_as(
        "SELECT count(*), coalesce(sum(occurrences), 0)::bigint FROM log.security_records
         WHERE action = $1",
    )
    .bind(action)
    .fetch_one(&database.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_record_is_stored_when_write_returns() {
    let (database, log) = started(None).await;
    for n in 1..=20 {
        log.write(refusal(&format!("cast-vote-{n}"))).await;
        assert_eq!(stored(&database, &format!("cast-vote-{n}")).await, (1, 1));
    }
    let row = sqlx::query("SELECT * FROM log.security_records WHERE action = 'cast-vote-7'")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>("kind"), "refusal");
    assert_eq!(row.get::<String, _>("result"), "BLOCKED");
    assert_eq!(row.get::<Option<String>, _>("actor_kind").as_deref(), Some("member"));
    assert_eq!(row.get::<Option<Uuid>, _>("actor_id"), Some(MEMBER.id));
    assert_eq!(row.get::<Option<String>, _>("rule").as_deref(), Some("PVT-07"));
    assert_eq!(row.get::<i32, _>("status"), 403);
}

#[tokio::test]
async fn a_flood_of_equal_records_costs_few_rows_and_loses_no_count() {
    let (database, log) = started(None).await;
    let writes = (0..2_000).map(|n| {
        let log = log.clone();
        let record = refusal(if n % 100 == 0 { "rare" } else { "flood" });
        tokio::spawn(async move { log.write(record).await })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap();
    }
    let (rows, occurrences) = stored(&database, "flood").await;
    assert_eq!(occurrences, 1_980);
    assert!(rows < 100, "{rows} rows");
    assert_eq!(stored(&database, "rare").await.1, 20);
}

#[tokio::test]
async fn addresses_are_sealed_under_the_actor_or_the_day() {
    let (database, log) = started(None).await;
    log.write(refusal("known")).await;
    log.write(SecurityRecord { actor: None, ..refusal("unknown") }).await;
    log.write(SecurityRecord { client_address: None, ..refusal("local") }).await;
    let rows: Vec<(Uuid, String, Option<String>, chrono::DateTime<chrono::Utc>)> = sqlx::query_as(
        "SELECT id, action, ip_address, recorded_at FROM log.security_records ORDER BY recorded_at",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    assert_eq!(rows[2].2, None);
    let opener = Opener::new(database.vault());
    for (id, action, sealed, recorded_at) in &rows[..2] {
        let sealed = sealed.as_deref().unwrap();
        let subject = match action.as_str() {
            "known" => MEMBER.subject(),
            _ => Subject::day(recorded_at.date_naive()),
        };
        assert!(sealed.starts_with(&format!("sealed:v1:network:{subject}:0:")), "{sealed}");
        assert!(!sealed.contains(ADDRESS));
        let id = id.to_string();
        let field =
            SealedField { aggregate_type: RECORD, aggregate_id: &id, field: IP_ADDRESS, sealed };
        assert_eq!(opener.open_text(&field).await.unwrap(), Opened::Value(ADDRESS.into()));
    }
}

#[tokio::test]
async fn records_are_kept_in_a_file_while_postgres_is_away_and_stored_after() {
    let database = TestDatabase::new().await;
    let options = database.connect_as("agora_writer");
    let proxy = Proxy::before(&options).await;
    let pool = PgPoolOptions::new()
        .acquire_timeout(std::time::Duration::from_millis(300))
        .connect_with(proxy.leads(options))
        .await
        .unwrap();
    let folder = std::env::temp_dir().join(format!("agora-spill-{}", id()));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("security.ndjson");
    let log = SecurityLog::start(pool, database.vault(), Some(file.clone()));
    log.write(refusal("before")).await;
    assert!(!file.exists());
    proxy.go_away();
    for n in 0..3 {
        log.write(refusal(&format!("away-{n}"))).await;
    }
    let kept = std::fs::read_to_string(&file).unwrap();
    assert_eq!(kept.lines().count(), 3, "they are there when write returns");
    assert!(!kept.contains(ADDRESS), "an address is in the clear nowhere");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    // A crash cut the last line short.
    std::fs::write(&file, format!("{kept}{{\"id\":")).unwrap();
    proxy.come_back();
    log.write(refusal("after")).await;
    for action in ["before", "away-0", "away-1", "away-2", "after"] {
        assert_eq!(stored(&database, action).await, (1, 1), "{action}");
    }
    assert!(!file.exists());

    // A crash between storing and removing: the same lines again are the same records.
    std::fs::write(&file, &kept).unwrap();
    log.write(refusal("again")).await;
    assert_eq!(stored(&database, "away-1").await, (1, 1));
    std::fs::remove_dir_all(folder).unwrap();
}

/// An address that cannot be sealed is left out, and the record is there.
#[tokio::test]
async fn a_record_without_the_vault_has_no_address() {
    let database = TestDatabase::new().await;
    let away = PgPoolOptions::new()
        .acquire_timeout(std::time::Duration::from_millis(100))
        .connect_lazy("postgres://nobody@127.0.0.1:1/nowhere")
        .unwrap();
    let vault = Vault::new(away, TestDatabase::master_keys());
    let log = SecurityLog::start(pool(&database).await, vault, None);
    log.write(refusal("cast-vote")).await;
    let address: Option<String> = sqlx::query_scalar("SELECT ip_address FROM log.security_records")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(address, None);
}

#[tokio::test]
async fn the_partitions_of_the_coming_days_are_prepared_and_used() {
    let (database, log) = started(None).await;
    log.write(refusal("today")).await;
    let partition: String = sqlx::query_scalar(
        "SELECT tableoid::regclass::text FROM log.security_records WHERE action = 'today'",
    )
    .fetch_one(&database.pool)
    .await
    .unwrap();
    assert!(partition.starts_with("log.security_records_2"), "{partition}");
    let prepare = || async {
        sqlx::query("SELECT log.prepare_security_records(5)")
            .execute(&database.pool)
            .await
            .unwrap();
        sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'log.security_records'::regclass",
        )
        .fetch_one(&database.pool)
        .await
        .unwrap()
    };
    // Today and five days more, and the default one; again changes nothing.
    let prepared = prepare().await;
    assert!(prepared >= 7, "{prepared}");
    assert_eq!(prepare().await, prepared);
    // What no day takes the default one takes.
    sqlx::query(
        "INSERT INTO log.security_records (id, recorded_at, kind, result, action, status)
         VALUES (gen_random_uuid(), clock_timestamp() + interval '8 days', 'x', 'SUCCESS', 'y', 200)",
    )
    .execute(&database.pool)
    .await
    .unwrap();
    sqlx::query("SELECT log.prepare_security_records(10)").execute(&database.pool).await.unwrap();
}
