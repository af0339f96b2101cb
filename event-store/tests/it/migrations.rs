//! Migrations only move forward: a database that has applied one must find it as it was.

use std::{collections::BTreeMap, fs, path::Path};

use sha2::{Digest, Sha256};

/// `cd migrations && sha256sum */*.sql >SHA256SUMS` adds a new one. A line that is there never changes.
#[test]
fn a_migration_never_changes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let sums = fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let listed: BTreeMap<String, String> = sums
        .lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(sum, name)| (name.to_owned(), sum.to_owned()))
        .collect();
    let mut found = BTreeMap::new();
    for group in ["event_store", "read_models", "vault"] {
        for file in fs::read_dir(folder.join(group)).unwrap() {
            let file = file.unwrap().path();
            let name = format!("{group}/{}", file.file_name().unwrap().to_str().unwrap());
            found.insert(name, hex::encode(Sha256::digest(fs::read(file).unwrap())));
        }
    }
    assert_eq!(found, listed, "write another migration instead");
}
