//! The domain is pure, and its registry is complete.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use agora_domain::registry::AGGREGATES;

#[test]
fn the_domain_reaches_no_database_no_web_server_and_no_broker() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--package", "agora-domain", "--edges", "normal", "--prefix", "none"])
        .arg("--offline")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let reached: BTreeSet<&str> =
        tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(reached.contains("agora-domain") && reached.contains("cqrs-es"), "{reached:?}");
    for banned in ["sqlx", "sqlx-core", "axum", "async-nats", "reqwest", "hyper"] {
        assert!(!reached.contains(banned), "the domain is pure: {banned} must not reach it");
    }
}

/// A file of a context is an aggregate of the same name, or holds value types only.
#[test]
fn every_aggregate_has_a_file_a_module_and_a_line_in_the_registry() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut aggregates = BTreeSet::new();
    for context in fs::read_dir(&source).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(modules) = fs::read_to_string(context.join("mod.rs")) else { continue };
        for file in fs::read_dir(&context).unwrap().map(|entry| entry.unwrap().path()) {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            if file.extension().is_none_or(|extension| extension != "rs") || name == "mod" {
                continue;
            }
            assert!(modules.contains(&format!("pub mod {name};")), "{name} is not in its mod.rs");
            // What grew too long for one file has a folder of its name beside it.
            let mut text = fs::read_to_string(&file).unwrap();
            for part in fs::read_dir(file.with_extension("")).into_iter().flatten() {
                text.push_str(&fs::read_to_string(part.unwrap().path()).unwrap_or_default());
            }
            if text.contains("impl Decide for ") {
                aggregates.insert(name);
            } else {
                assert!(!text.contains("domain_event!("), "{name} has events but no decisions");
            }
        }
    }
    let registered: BTreeSet<String> =
        AGGREGATES.iter().map(|types| types.aggregate_type.to_owned()).collect();
    assert_eq!(registered, aggregates);
    assert_eq!(registered.len(), AGGREGATES.len(), "one line each");
}

/// The type of an event names its subject on the broker and its fixture's folder.
#[test]
fn no_two_events_have_one_name() {
    let names: Vec<&str> =
        AGGREGATES.iter().flat_map(|types| types.events).map(|(name, _)| *name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}
