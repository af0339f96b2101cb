//! The vault: keys that are wrapped, found, destroyed, and never made twice.

use std::{io::Write, os::unix::fs::OpenOptionsExt};

use crate::common::*;
use agora_domain::{PersonalCategory, Subject};
use agora_event_store::{
    MasterKeys, Vault,
    testing::TestDatabase,
    vault::{KeyName, MasterKeyError, SubjectKey, VaultError},
};

const OLD: &str = "2025:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const NEW: &str = "2026:ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn name(subject: &str, category: PersonalCategory) -> KeyName {
    (Subject::from(subject), category)
}

fn vault(database: &TestDatabase, masters: &[&str]) -> Vault {
    Vault::new(database.pool.clone(), MasterKeys::parse(&masters.join("\n")).unwrap())
}

/// The key's bytes; panics where there is none.
async fn made(vault: &Vault, name: &KeyName) -> [u8; 32] {
    match &vault.find_or_make(std::slice::from_ref(name)).await.unwrap()[name] {
        SubjectKey::Present(key) => ***key,
        _ => panic!("no key for {name:?}"),
    }
}

async fn found(vault: &Vault, name: &KeyName) -> Result<SubjectKey, VaultError> {
    Ok(vault.find(std::slice::from_ref(name)).await?.remove(name).unwrap())
}

#[tokio::test]
async fn a_key_is_made_once_also_by_many_at_once() {
    let database = TestDatabase::new().await;
    let name = name("s", PersonalCategory::Identity);
    let vaults: Vec<Vault> = (0..8).map(|_| vault(&database, &[OLD])).collect();
    assert!(matches!(found(&vaults[0], &name).await.unwrap(), SubjectKey::Absent));
    let keys = futures::future::join_all(vaults.iter().map(|vault| made(vault, &name))).await;
    assert!(keys.iter().all(|key| *key == keys[0]));
    let other = self::name("s", PersonalCategory::Content);
    assert_ne!(made(&vaults[0], &other).await, keys[0], "each category has its own");
}

#[tokio::test]
async fn a_destroyed_key_is_never_made_again() {
    let database = TestDatabase::new().await;
    let (here, elsewhere) = (vault(&database, &[OLD]), vault(&database, &[OLD]));
    let used = name("s", PersonalCategory::Content);
    let unused = name("s", PersonalCategory::Evidence);
    made(&here, &used).await;
    made(&elsewhere, &used).await;
    here.destroy(&used.0, &[used.1, unused.1]).await.unwrap();
    elsewhere.forget(&used.0);
    for vault in [&here, &elsewhere, &self::vault(&database, &[OLD])] {
        for name in [&used, &unused] {
            let found = vault.find_or_make(std::slice::from_ref(name)).await.unwrap();
            assert!(matches!(found[name], SubjectKey::Destroyed), "{name:?}");
            assert!(matches!(self::found(vault, name).await.unwrap(), SubjectKey::Destroyed));
        }
    }
    // Destroying again keeps the first time; other subjects and categories are untouched.
    let times = || async {
        sqlx::query_scalar::<_, chrono::DateTime<chrono::Utc>>(
            "SELECT destroyed_at FROM vault.subject_keys ORDER BY category",
        )
        .fetch_all(&database.pool)
        .await
        .unwrap()
    };
    let before = times().await;
    here.destroy(&used.0, &[used.1]).await.unwrap();
    assert_eq!(times().await, before);
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM vault.subject_keys WHERE wrapped_key IS NOT NULL")
            .fetch_one(&database.pool)
            .await
            .unwrap();
    assert_eq!(left, 0, "only tombstones are left");
    made(&here, &name("t", PersonalCategory::Content)).await;
}

/// Not even the database's owner can put a key back where a tombstone stands by half.
#[tokio::test]
async fn a_tombstone_and_a_key_exclude_each_other() {
    let database = TestDatabase::new().await;
    let vault = vault(&database, &[OLD]);
    let name = name("s", PersonalCategory::Content);
    made(&vault, &name).await;
    vault.destroy(&name.0, &[name.1]).await.unwrap();
    let revived = sqlx::query("UPDATE vault.subject_keys SET wrapped_key = 'x'")
        .execute(&database.pool)
        .await;
    assert!(revived.unwrap_err().to_string().contains("subject_keys_destroyed"));
}

#[tokio::test]
async fn keys_under_an_older_master_key_still_open_and_are_wrapped_anew() {
    let database = TestDatabase::new().await;
    let name = name("s", PersonalCategory::Content);
    let key = made(&vault(&database, &[OLD]), &name).await;
    let rotated = vault(&database, &[NEW, OLD]);
    assert_eq!(made(&rotated, &name).await, key);
    let newer = self::name("t", PersonalCategory::Content);
    let newer_key = made(&rotated, &newer).await;

    let only_new = vault(&database, &[NEW]);
    assert_eq!(made(&only_new, &newer).await, newer_key, "new keys are under the current one");
    let lost = found(&only_new, &name).await;
    assert!(matches!(lost, Err(VaultError::UnknownMasterKey(id)) if id == "2025"));

    assert_eq!(rotated.rewrap().await.unwrap(), 1);
    assert_eq!(rotated.rewrap().await.unwrap(), 0, "nothing is left to do");
    assert_eq!(made(&vault(&database, &[NEW]), &name).await, key, "the old one can go");
    // Secrets that are derived survive the rotation as long as the oldest key is kept.
    let derived = |masters: &[&str]| *MasterKeys::parse(&masters.join("\n")).unwrap().derive("x");
    assert_eq!(derived(&[OLD]), derived(&[NEW, OLD]));
    assert_ne!(derived(&[OLD]), *MasterKeys::parse(OLD).unwrap().derive("y"));
}

#[tokio::test]
async fn rows_that_are_moved_between_subjects_or_categories_do_not_open() {
    let database = TestDatabase::new().await;
    let vault = vault(&database, &[OLD]);
    let (a, b) = (name("a", PersonalCategory::Content), name("b", PersonalCategory::Content));
    made(&vault, &a).await;
    made(&vault, &b).await;
    for moved in [
        "UPDATE vault.subject_keys SET subject = 'c' WHERE subject = 'a'",
        "UPDATE vault.subject_keys SET category = 'identity' WHERE subject = 'b'",
        "UPDATE vault.subject_keys SET master_key_id = '2026' WHERE subject = 'c'",
    ] {
        sqlx::query(moved).execute(&database.pool).await.unwrap();
    }
    let fresh = self::vault(&database, &[OLD, NEW]);
    for name in [name("c", PersonalCategory::Content), name("b", PersonalCategory::Identity)] {
        let moved = found(&fresh, &name).await;
        assert!(matches!(moved, Err(VaultError::WrongMasterKey)), "{name:?}");
    }
}

#[test]
fn a_master_key_file_that_others_can_read_is_refused() {
    let folder = std::env::temp_dir().join(format!("agora-vault-{}", id()));
    std::fs::create_dir(&folder).unwrap();
    for (mode, fits) in
        [(0o600, true), (0o400, true), (0o644, false), (0o640, false), (0o660, false)]
    {
        let path = folder.join(format!("{mode:o}"));
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .unwrap();
        writeln!(file, "{NEW}\n\n{OLD}").unwrap();
        use std::os::unix::fs::PermissionsExt;
        // The umask may have taken bits away.
        file.set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
        match MasterKeys::load(&path) {
            Ok(_) => assert!(fits, "{mode:o}"),
            Err(error) => assert!(!fits && matches!(error, MasterKeyError::Exposed(_)), "{error}"),
        }
    }
    let absent = MasterKeys::load(&folder.join("absent"));
    assert!(matches!(absent, Err(MasterKeyError::Unreadable { .. })));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn malformed_master_keys_are_refused_and_none_is_shown() {
    for bad in ["", "\n", "id", "id:12", "id:zz", ":", &OLD[..OLD.len() - 1]] {
        assert!(MasterKeys::parse(bad).is_none(), "{bad:?}");
    }
    let keys = MasterKeys::parse(&[NEW, OLD].join("\n")).unwrap();
    let shown = format!("{keys:?}");
    for secret in [NEW, OLD] {
        assert!(!shown.contains(&secret[5..]));
    }
    assert_eq!(shown, "MasterKeys(current 2026, 2 in all)");
}

#[tokio::test]
async fn ddr_14_a_process_lets_go_of_keys_that_others_destroy_within_a_second() {
    let database = TestDatabase::new().await;
    let (here, elsewhere) = (database.vault(), database.vault());
    let name = (Subject::from("a"), PersonalCategory::Content);
    here.find_or_make(std::slice::from_ref(&name)).await.unwrap();
    let names = std::slice::from_ref(&name);
    assert!(matches!(elsewhere.find(names).await.unwrap()[&name], SubjectKey::Present(_)));
    let watching = tokio::spawn(elsewhere.clone().watch());
    here.destroy(&name.0, &[name.1]).await.unwrap();
    let began = std::time::Instant::now();
    while !matches!(elsewhere.find(names).await.unwrap()[&name], SubjectKey::Destroyed) {
        assert!(began.elapsed() < std::time::Duration::from_secs(3), "the key is still held");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    watching.abort();
}

#[tokio::test]
async fn ddr_19_a_key_that_is_replaced_goes_once_and_no_other_with_it() {
    let database = TestDatabase::new().await;
    let vault = database.vault();
    let name = (Subject::from("a"), PersonalCategory::Content);
    let names = std::slice::from_ref(&name);
    let id = async || vault.key_ids(&name.0, &[name.1]).await.unwrap().remove(0).1;
    assert_eq!(id().await, None);
    vault.find_or_make(names).await.unwrap();
    let first = id().await.unwrap();
    assert!(vault.replace(&name.0, name.1, &first).await.unwrap());
    let second = id().await.unwrap();
    assert_ne!(first, second);
    // The ledger is applied again, and must not take what came after.
    assert!(!vault.replace(&name.0, name.1, &first).await.unwrap());
    assert_eq!(id().await, Some(second.clone()));
    vault.destroy(&name.0, &[name.1]).await.unwrap();
    assert!(!vault.replace(&name.0, name.1, &second).await.unwrap());
    let destroyed: Vec<Option<String>> =
        sqlx::query_scalar("SELECT key_id FROM vault.destroyed_keys ORDER BY number")
            .fetch_all(&database.pool)
            .await
            .unwrap();
    assert_eq!(destroyed, [first, second].map(|id| Some(id.as_str().to_owned())));
}

#[tokio::test]
async fn ddr_14_no_page_of_the_vault_holds_a_destroyed_key_once_it_is_written_anew() {
    let database = TestDatabase::new().await;
    let vault = database.vault();
    let name = (Subject::from("a"), PersonalCategory::Content);
    vault.find_or_make(std::slice::from_ref(&name)).await.unwrap();
    let wrapped: Vec<u8> = sqlx::query_scalar("SELECT wrapped_key FROM vault.subject_keys")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    let pages = async || -> Vec<u8> {
        sqlx::query("CHECKPOINT").execute(&database.pool).await.unwrap();
        sqlx::query_scalar("SELECT pg_read_binary_file(pg_relation_filepath('vault.subject_keys'))")
            .fetch_one(&database.pool)
            .await
            .unwrap()
    };
    let holds = |pages: &[u8]| pages.windows(wrapped.len()).any(|bytes| bytes == wrapped);
    vault.destroy(&name.0, &[name.1]).await.unwrap();
    assert!(holds(&pages().await), "a dead row still has it");
    assert!(vault.rewrite().await.unwrap());
    assert!(!holds(&pages().await));
}
