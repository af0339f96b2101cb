//! `deploy/backup` and `deploy/restore` as an operator runs them: what was backed up comes back and nothing
//! else does, half a backup and one that was changed are refused, and a new machine needs the backup and the
//! master key alone.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::{Duration, Instant},
};

use agora_harness::{
    agora::{Commands, Reads, Session},
    scene,
};
use serde_json::json;
use uuid::Uuid;

use crate::installation::{Folder, Installation};

impl Installation {
    /// Has a member erased, and waits until its post has no text any more.
    async fn erase(&self, member: &Session, post: Uuid) {
        self.ask_for_erasure(member, None).await;
        let begun = Instant::now();
        while self.has(post).await {
            assert!(begun.elapsed() < Duration::from_secs(90), "it is not erased");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// The only folder in a folder.
fn only(folder: PathBuf) -> PathBuf {
    let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[tokio::test]
async fn ddr_16_what_was_backed_up_comes_back_and_nothing_else_does() {
    let folder = Folder::new();
    let backups = folder.join("backups");
    let backups = backups.to_str().unwrap();
    {
        let mut here = Installation::new(&folder, "home");
        here.succeeds("up", &[]);
        let run = scene::run_suffix();
        let scene = scene::set(&here.stack(), &run, 2, 1).await.unwrap();
        let (writer, leaver, before) = (&scene.voters[0], &scene.voters[1], scene.posts[0]);
        let begun = Instant::now();
        while !here.has(before).await {
            assert!(begun.elapsed() < Duration::from_secs(30), "it cannot be read");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut reader = Reads::new(&here.address(3));
        let community = reader.json(&format!("/v1/posts/{before}")).await.unwrap();
        let community = community["community_platform_community_id"].clone();
        let body = json!({ "community_id": community, "title": "A post of a member",
                           "body": "A body of some length." });
        let mut commands = Commands::new(&here.address(2));
        let mut write = async |session: &Session| {
            commands.act_as(session);
            let join = json!({ "community_id": community });
            commands.send("join-community", &join).await.unwrap();
            let posted = commands.send("create-post", &body).await.unwrap();
            let path =
                format!("/v1/posts/{}?min_position={}", posted.aggregate_id, posted.position);
            reader.json(&path).await.unwrap();
            posted.aggregate_id
        };
        let erased = write(leaver).await;
        // What an interrupt left is no backup, and goes.
        let interrupted = folder.join("backups/log/20990101T000000Z.partial");
        fs::create_dir_all(&interrupted).unwrap();
        here.succeeds("backup", &[backups]);
        let log = only(folder.join("backups/log")).join("log.dump");
        fs::create_dir_all(&interrupted).unwrap();

        let after = write(writer).await;
        here.erase(leaver, erased).await;

        here.fails("restore", &[backups], "is running");
        here.succeeds("down", &[]);
        let whole = fs::read(&log).unwrap();
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(&log, changed).unwrap();
        here.fails("restore", &[backups], "not as it was written");
        fs::write(&log, whole).unwrap();
        here.fails("restore", &[backups], "--discard-newer");
        here.succeeds("down", &[]);
        here.succeeds("up", &[]);
        assert!(here.has(after).await, "what was refused changed nothing");
        here.succeeds("down", &[]);

        // Cut off when the databases have their names already, it goes on from there.
        let tools = folder.join("tools");
        fs::create_dir(&tools).unwrap();
        let cut =
            "#!/bin/sh\ncase \"$*\" in *objects.restoring*) exit 1 ;; esac\nexec /bin/mv \"$@\"\n";
        fs::write(tools.join("mv"), cut).unwrap();
        fs::set_permissions(tools.join("mv"), PermissionsExt::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
        here.settings.push(("PATH", path));
        here.fails("restore", &[backups, "--discard-newer"], "putting it in place");
        here.settings.clear();
        here.fails("up", &[], "a restore is unfinished");
        let told = here.succeeds("restore", &[backups]);
        assert!(told.contains("Restored the backup"), "{told}");
        here.succeeds("up", &[]);
        assert!(here.has(before).await && !here.has(after).await);
        assert!(!here.has(erased).await, "a backup from before an erasure undoes none");
        // It goes on from there, in a new epoch, and whoever was logged in logs in again.
        let mut commands = Commands::new(&here.address(2));
        commands.act_as(writer);
        commands.send("create-post", &body).await.unwrap_err();
        commands.log_in(&writer.email, &scene::password(&run)).await.unwrap();
        let join = json!({ "community_id": community });
        commands.send("join-community", &join).await.unwrap();
        let again = commands.send("create-post", &body).await.unwrap();
        let path = format!("/v1/posts/{}?min_position={}", again.aggregate_id, again.position);
        Reads::new(&here.address(3)).json(&path).await.unwrap();
        here.check();
        let key = fs::read(here.home.join("master-key")).unwrap();

        let there = Installation::new(&folder, "another");
        there.fails("restore", &[backups], "the master key is not in");
        fs::create_dir_all(&there.home).unwrap();
        let file = there.home.join("master-key");
        fs::write(&file, key).unwrap();
        there.fails("restore", &[backups], "others can read the master key");
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        // The newest copy of the ledger: what was erased since the backup is in no backup.
        let ledger = "erasures.ledger";
        fs::copy(here.home.join(ledger), there.home.join(ledger)).unwrap();
        there.succeeds("restore", &[backups]);
        there.succeeds("up", &[]);
        assert!(!there.has(erased).await);
        assert!(there.has(before).await, "its title is opened with a key of the vault's backup");
        there.check();

        // A wipe leaves nothing but what a restore needs, and nothing that is in the way of what comes after.
        let stays = |home: &Installation| {
            let mut names: Vec<_> =
                fs::read_dir(&home.home).unwrap().map(|it| it.unwrap().file_name()).collect();
            names.sort();
            names
        };
        there.succeeds("down", &["--wipe"]);
        assert_eq!(stays(&there), ["database", ledger, "master-key"], "which others may need");
        here.succeeds("down", &["--wipe"]);
        assert_eq!(stays(&here), [ledger], "the key was made for its own databases");
        for home in [&here, &there] {
            home.succeeds("up", &[]);
            assert!(!home.has(before).await);
        }
    }
}
