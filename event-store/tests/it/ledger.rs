//! `ledger verify` finds what was changed behind the log's back.

use crate::common::*;
use agora_event_store::testing::TestDatabase;

/// Ends with success or not, and what it said.
async fn verify(database: &TestDatabase) -> (bool, String) {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_ledger"))
        .args(["verify", "--database-url", &database.url])
        .output()
        .await
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// As a superuser with time and bad intentions would do it.
async fn tamper(database: &TestDatabase, statement: &str) {
    let mut connection = database.pool.acquire().await.unwrap();
    for statement in [
        "ALTER TABLE log.events DISABLE TRIGGER events_immutable",
        statement,
        "ALTER TABLE log.events ENABLE ALWAYS TRIGGER events_immutable",
    ] {
        sqlx::query(statement).execute(&mut *connection).await.unwrap();
    }
}

#[tokio::test]
async fn a_log_that_nobody_touched_is_verified() {
    let (database, log) = database_and_log().await;
    assert!(verify(&database).await.0, "an empty log is a good one");
    for _ in 0..25 {
        position(&log.append(lone_unit()).await);
    }
    let (fits, said) = verify(&database).await;
    assert!(fits && said.contains("25 events"), "{said}");
}

/// Part of ESX-11: changes, holes and reorderings of a stream or of times. A tail that is cut off, and
/// neighbours of one batch that changed places, need a checkpoint outside the database.
#[tokio::test]
async fn any_changed_column_and_any_hole_is_found_with_its_position() {
    let (database, log) = database_and_log().await;
    for n in 1..=9 {
        position(&log.append(unit("a", n)).await);
    }
    for (what, change, undo) in [
        (
            "one letter of a payload",
            "payload = replace(payload::text, 'to', 'tO')::json",
            "payload = replace(payload::text, 'tO', 'to')::json",
        ),
        (
            "a space that JSON does not mind",
            "payload = (payload::text || ' ')::json",
            "payload = rtrim(payload::text)::json",
        ),
        (
            "who did it",
            "metadata = replace(metadata::text, 'system', 'systeM')::json",
            "metadata = replace(metadata::text, 'systeM', 'system')::json",
        ),
        ("its type", "event_type = 'TalliEd'", "event_type = 'Tallied'"),
        ("its version", "event_version = '2'", "event_version = '1'"),
        ("its stream", "aggregate_id = 'b'", "aggregate_id = 'a'"),
        ("its kind of stream", "aggregate_type = 'tallx'", "aggregate_type = 'tally'"),
        ("its place on the stream", "sequence = 10", "sequence = 5"),
        (
            "a microsecond",
            "recorded_at = recorded_at + interval '1 microsecond'",
            "recorded_at = recorded_at - interval '1 microsecond'",
        ),
        (
            "one bit of the hash",
            "entry_hash = set_bit(entry_hash, 77, 1 - get_bit(entry_hash, 77))",
            "entry_hash = set_bit(entry_hash, 77, 1 - get_bit(entry_hash, 77))",
        ),
    ] {
        tamper(&database, &format!("UPDATE log.events SET {change} WHERE position = 5")).await;
        let (fits, said) = verify(&database).await;
        assert!(!fits && said.contains("position 5"), "{what}: {said}");
        tamper(&database, &format!("UPDATE log.events SET {undo} WHERE position = 5")).await;
        assert!(verify(&database).await.0, "{what}, undone");
    }
    tamper(&database, "UPDATE log.events SET position = 109 - position WHERE position IN (4, 5)")
        .await;
    tamper(&database, "UPDATE log.events SET position = position - 100 WHERE position > 100").await;
    let (fits, said) = verify(&database).await;
    assert!(!fits && said.contains("position 4"), "reordered: {said}");
    tamper(&database, "UPDATE log.events SET position = 109 - position WHERE position IN (4, 5)")
        .await;
    tamper(&database, "UPDATE log.events SET position = position - 100 WHERE position > 100").await;
    assert!(verify(&database).await.0, "put right");
    tamper(&database, "DELETE FROM log.events WHERE position = 5").await;
    let (fits, said) = verify(&database).await;
    assert!(!fits && said.contains("position 5 is missing"), "deleted: {said}");
}

#[tokio::test]
async fn a_master_key_file_is_made_once_and_for_its_owner_alone() {
    let folder = std::env::temp_dir().join(format!("agora-ledger-{}", id()));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("master.keys");
    let init = || {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_ledger"))
            .args(["init-master-key", "--file"])
            .arg(&file)
            .output()
    };
    let output = init().await.unwrap();
    assert!(output.status.success());
    let made = std::fs::read_to_string(&file).unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!said.contains(made.trim().split_once(':').unwrap().1), "the key is not shown");
    agora_event_store::MasterKeys::load(&file).unwrap();
    assert!(!init().await.unwrap().status.success(), "a key that is there is not overwritten");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), made);
    std::fs::remove_dir_all(folder).unwrap();
}
