//! Personal data stands nowhere in the clear: not in the database's folder with its WAL, not in the
//! broker's storage, not in a log.

use std::{
    fs,
    path::{Path, PathBuf},
};

use agora_harness::{
    agora::Commands,
    observe,
    stack::{Shape, Stop},
    workload::History,
};
use serde_json::json;

use super::stage;

#[tokio::test(flavor = "multi_thread")]
async fn i8_personal_data_is_nowhere_in_the_clear() {
    let (mut stack, cast) = stage(Shape::default()).await;
    let mut commands = Commands::new(&stack.as_scene().command_addr);
    // What is refused may not leave traces either.
    let member = &cast.members[1];
    for (name, body) in [
        ("log-in", json!({ "email": member.email, "password": "not the right password" })),
        ("register-member", json!({ "email": member.email, "password": "another long password" })),
        ("create-post", json!({ "community_id": cast.community, "title": "Gaudy Night" })),
    ] {
        assert!(commands.send(name, &body).await.is_err(), "{name} is refused");
    }
    let observed = observe::observe(&mut stack, &cast, History::default()).await.unwrap();
    assert_eq!(observed.not_healed, None);

    // Everything is on disk once the servers have stopped.
    for index in 0..stack.instances.len() {
        stack.stop(index);
    }
    stack.broker.kill();
    stack.postgres.stop(Stop::Fast).expect("it stops");
    // A community's name is public. If it were not found, the search would be worth nothing.
    let public = &cast.community_name;
    let texts: Vec<&str> = [public].into_iter().chain(&cast.secrets).map(String::as_str).collect();
    let found = search(stack.folder(), &texts);
    let holding = |text: &str| -> Vec<&PathBuf> {
        found.iter().filter(|(_, held)| *held == text).map(|(path, _)| path).collect()
    };
    let data = stack.postgres.data();
    for place in [data.join("base"), data.join("pg_wal"), stack.broker.storage()] {
        assert!(holding(public).iter().any(|path| path.starts_with(&place)), "none in {place:?}");
    }
    for secret in &cast.secrets {
        assert!(holding(secret).is_empty(), "personal data or a secret: {:?}", holding(secret));
    }
}

/// Which file holds which of the texts.
fn search<'t>(folder: &Path, texts: &[&'t str]) -> Vec<(PathBuf, &'t str)> {
    let mut found = Vec::new();
    for path in files(folder) {
        let bytes = fs::read(&path).unwrap_or_default();
        for text in texts {
            if memchr::memmem::find(&bytes, text.as_bytes()).is_some() {
                found.push((path.clone(), *text));
            }
        }
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
