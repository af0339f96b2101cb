//! An installation as an operator has it: `deploy/up`, `deploy/down` and the others, with a Postgres and a
//! NATS of its own.

use std::{
    fs,
    ops::Deref,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use agora_harness::{
    agora::{Commands, Reads, Session},
    scene, stack,
};
use serde_json::json;
use uuid::Uuid;

/// A folder in which the user `postgres` can reach what is its own; gone in the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Path::new("/var/tmp").join(format!("agora-installed-{}", Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, PermissionsExt::from_mode(0o711)).unwrap();
        Self(folder)
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is temporary all the same.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An installation of its own, taken down and away at the end.
pub(crate) struct Installation {
    pub(crate) home: PathBuf,
    /// What its scripts and services are told besides.
    pub(crate) settings: Vec<(&'static str, String)>,
    ports: [u16; 6],
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

pub(crate) fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}

impl Installation {
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let ports = std::array::from_fn(|_| stack::free_port().unwrap());
        Self { home: folder.join(name), settings: Vec::new(), ports }
    }

    pub(crate) fn address(&self, index: usize) -> String {
        format!("127.0.0.1:{}", self.ports[index])
    }

    pub(crate) fn run(&self, name: &str, arguments: &[&str]) -> Output {
        self.run_with(name, arguments, &[])
    }

    /// The script is told some things besides.
    fn run_with(&self, name: &str, arguments: &[&str], more: &[(&str, &str)]) -> Output {
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
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .envs(more.iter().copied())
            .output()
            .unwrap()
    }

    #[track_caller]
    pub(crate) fn succeeds(&self, name: &str, arguments: &[&str]) -> String {
        let output = self.run(name, arguments);
        assert!(output.status.success(), "{name} {arguments:?}: {}", said(&output));
        said(&output)
    }

    /// Postgres alone, with what must be in it.
    #[track_caller]
    pub(crate) fn starts_databases(&self) {
        let output = self.run_with("up", &[], &[("AGORA_UP_DATABASES_ONLY", "1")]);
        assert!(output.status.success(), "{}", said(&output));
    }

    #[track_caller]
    pub(crate) fn fails(&self, name: &str, arguments: &[&str], why: &str) {
        let output = self.run(name, arguments);
        assert!(!output.status.success(), "{name} {arguments:?} succeeds: {}", said(&output));
        assert!(said(&output).contains(why), "{why}: {}", said(&output));
    }

    pub(crate) fn variable(&self, name: &str) -> String {
        let env = fs::read_to_string(self.home.join("env")).unwrap();
        let line = env.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("no {name} in {env}")).replace('\\', "")
    }

    pub(crate) fn stack(&self) -> scene::Stack {
        scene::Stack {
            command_addr: self.address(2),
            read_addr: self.address(3),
            admin_email: self.variable("AGORA_ADMIN_EMAIL"),
            admin_password: self.variable("AGORA_ADMIN_PASSWORD"),
        }
    }

    /// Whether a post can be read, with its title.
    pub(crate) async fn has(&self, post: Uuid) -> bool {
        let reply = Reads::new(&self.address(3)).get(&format!("/v1/posts/{post}")).await.unwrap();
        assert!(matches!(reply.head.status, 200 | 404), "{}", reply.head.status);
        reply.head.status == 200 && reply.json()["title"].is_string()
    }

    /// A member asks to be erased, and an admin approves it, having told why it takes longer.
    pub(crate) async fn ask_for_erasure(&self, member: &Session, delay: Option<&str>) -> Uuid {
        let (mut commands, stack) = (Commands::new(&self.address(2)), self.stack());
        commands.act_as(member);
        let ask = json!({ "legal_ground": "CONSENT_WITHDRAWN" });
        let request = commands.send("request-deletion", &ask).await.unwrap().aggregate_id;
        commands.log_in(&stack.admin_email, &stack.admin_password).await.unwrap();
        let body = json!({ "deletion_id": request });
        commands.send("start-deletion-review", &body).await.unwrap();
        if let Some(delay) = delay {
            let body = json!({ "deletion_id": request, "reason": delay });
            commands.send("extend-deletion-deadline", &body).await.unwrap();
        }
        commands.send("approve-deletion", &body).await.unwrap();
        request
    }

    pub(crate) fn check(&self) {
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

/// Whoever asks how it is called gets no installation.
#[test]
fn up_takes_no_arguments() {
    let folder = Folder::new();
    let here = Installation::new(&folder, "home");
    here.fails("up", &["--help"], "usage: deploy/up");
    assert!(!here.home.exists());
}
