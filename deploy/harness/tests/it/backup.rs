//! `deploy/backup` and `deploy/restore` as an operator runs them: what was backed up comes back and nothing
//! else does, half a backup and one that was changed are refused, and a new machine needs the backup and the
//! master key alone.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use agora_harness::{
    agora::{Commands, Reads, Session},
    scene, stack,
};
use serde_json::json;
use uuid::Uuid;

/// An installation of its own, taken down and away at the end.
struct Installation {
    home: PathBuf,
    ports: [u16; 6],
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}

impl Installation {
    fn new(folder: &Path, name: &str) -> Self {
        Self { home: folder.join(name), ports: std::array::from_fn(|_| free_port()) }
    }

    fn address(&self, index: usize) -> String {
        format!("127.0.0.1:{}", self.ports[index])
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(script(name));
        for inherited in ["DATABASE_URL", "AGORA_VAULT_URL", "NATS_URL", "AGORA_MASTER_KEY_FILE"] {
            command.env_remove(inherited);
        }
        command
            .args(arguments)
            .env("AGORA_HOME", &self.home)
            .env("AGORA_BIN_DIR", stack::binaries())
            .env("AGORA_POSTGRES_PORT", self.ports[0].to_string())
            .env("AGORA_NATS_PORT", self.ports[1].to_string())
            .env("AGORA_COMMAND_ADDR", self.address(2))
            .env("AGORA_READ_ADDR", self.address(3))
            .env("AGORA_PROJECTORS_ADDR", self.address(4))
            .env("AGORA_PROCESS_MANAGERS_ADDR", self.address(5))
            .output()
            .unwrap()
    }

    #[track_caller]
    fn succeeds(&self, name: &str, arguments: &[&str]) -> String {
        let output = self.run(name, arguments);
        assert!(output.status.success(), "{name} {arguments:?}: {}", said(&output));
        said(&output)
    }

    #[track_caller]
    fn fails(&self, name: &str, arguments: &[&str], why: &str) {
        let output = self.run(name, arguments);
        assert!(!output.status.success(), "{name} {arguments:?} succeeds: {}", said(&output));
        assert!(said(&output).contains(why), "{why}: {}", said(&output));
    }

    fn variable(&self, name: &str) -> String {
        let env = fs::read_to_string(self.home.join("env")).unwrap();
        let line = env.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("no {name} in {env}")).replace('\\', "")
    }

    fn stack(&self) -> scene::Stack {
        scene::Stack {
            command_addr: self.address(2),
            read_addr: self.address(3),
            admin_email: self.variable("AGORA_ADMIN_EMAIL"),
            admin_password: self.variable("AGORA_ADMIN_PASSWORD"),
        }
    }

    /// Whether a post can be read, with its title.
    async fn has(&self, post: Uuid) -> bool {
        let reply = Reads::new(&self.address(3)).get(&format!("/v1/posts/{post}")).await.unwrap();
        assert!(matches!(reply.head.status, 200 | 404), "{}", reply.head.status);
        reply.head.status == 200 && reply.json()["title"].is_string()
    }

    /// Has a member erased, and waits until its post has no text any more.
    async fn erase(&self, member: &Session, post: Uuid) {
        let (mut commands, stack) = (Commands::new(&self.address(2)), self.stack());
        commands.act_as(member);
        let ask = json!({ "legal_ground": "CONSENT_WITHDRAWN" });
        let request = commands.send("request-deletion", &ask).await.unwrap().aggregate_id;
        commands.log_in(&stack.admin_email, &stack.admin_password).await.unwrap();
        let body = json!({ "deletion_id": request });
        commands.send("start-deletion-review", &body).await.unwrap();
        commands.send("approve-deletion", &body).await.unwrap();
        let begun = Instant::now();
        while self.has(post).await {
            assert!(begun.elapsed() < Duration::from_secs(90), "it is not erased");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn check(&self) {
        let url = self.variable("DATABASE_URL");
        let checked = Command::new(stack::binaries().join("check"))
            .env("DATABASE_URL", url)
            .output()
            .unwrap();
        assert!(checked.status.success(), "{}", said(&checked));
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.run("down", &["--wipe"]);
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
    let folder = Path::new("/var/tmp").join(format!("agora-backup-{}", Uuid::new_v4()));
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, PermissionsExt::from_mode(0o711)).unwrap();
    let backups = folder.join("backups");
    let backups = backups.to_str().unwrap();
    {
        let here = Installation::new(&folder, "home");
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

        let told = here.succeeds("restore", &[backups, "--discard-newer"]);
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
    }
    fs::remove_dir_all(&folder).unwrap();
}
