//! A whole Agora of real processes, private to one test: Postgres, NATS, the four services.

mod broker;
mod postgres;
mod process;

use std::{
    fs, io,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use sqlx::{Connection, Executor, PgConnection, PgPool, postgres::PgPoolOptions};
use tokio::time::sleep;

use crate::{client::Client, scene};

pub use broker::Broker;
pub use postgres::{Postgres, Stop, tools};
pub use process::Process;

/// How long a service may take until it is ready.
const READY: Duration = Duration::from_secs(40);

#[derive(Debug, thiserror::Error)]
pub enum StackError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("`{0}` failed; see {1}")]
    Tool(String, PathBuf),
    #[error("{0} is not ready; its log ends with:\n{1}")]
    NotReady(&'static str, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    CommandApi,
    ReadApi,
    Projectors,
    ProcessManagers,
}

impl Service {
    const fn binary(self) -> &'static str {
        match self {
            Self::CommandApi => "command-api",
            Self::ReadApi => "read-api",
            Self::Projectors => "projectors",
            Self::ProcessManagers => "process-managers",
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::CommandApi | Self::ReadApi => "serve",
            Self::Projectors | Self::ProcessManagers => "run",
        }
    }

    const fn address_variable(self) -> &'static str {
        match self {
            Self::CommandApi => "AGORA_COMMAND_ADDR",
            Self::ReadApi => "AGORA_READ_ADDR",
            Self::Projectors => "AGORA_PROJECTORS_ADDR",
            Self::ProcessManagers => "AGORA_PROCESS_MANAGERS_ADDR",
        }
    }
}

/// A service that is, or was, running. It keeps its address over restarts.
pub struct Instance {
    pub service: Service,
    pub address: String,
    log: PathBuf,
    process: Option<Process>,
}

/// How many of those that may be several.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub command_apis: usize,
    pub projectors: usize,
    pub process_managers: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self { command_apis: 1, projectors: 1, process_managers: 1 }
    }
}

/// Ends everything when it is dropped: the services first, then the servers, then the folder.
pub struct Stack {
    pub instances: Vec<Instance>,
    pub broker: Broker,
    pub postgres: Postgres,
    /// What the services are told besides, from their next start on.
    pub settings: Vec<(&'static str, String)>,
    password: String,
    folder: Folder,
}

impl Stack {
    pub async fn start(shape: Shape) -> Result<Self, StackError> {
        let folder = Folder::create()?;
        let password = scene::run_suffix();
        let postgres = Postgres::create(&folder.0, free_port()?, &password)?;
        let broker = Broker::create(&folder.0, free_port()?, &password)?;
        let (instances, settings) = (Vec::new(), Vec::new());
        let mut stack = Self { instances, broker, postgres, settings, password, folder };
        stack.prepare().await?;
        stack.add(Service::CommandApi, shape.command_apis)?;
        stack.add(Service::ReadApi, 1)?;
        stack.add(Service::Projectors, shape.projectors)?;
        stack.add(Service::ProcessManagers, shape.process_managers)?;
        for index in 0..stack.instances.len() {
            stack.run(index)?;
        }
        stack.ready().await?;
        Ok(stack)
    }

    /// Databases, roles, the master key, the first admin.
    async fn prepare(&self) -> Result<(), StackError> {
        let mut server = PgConnection::connect(&self.postgres.owner_url("postgres")).await?;
        for database in ["agora", "agora_vault"] {
            server.execute(format!("CREATE DATABASE {database}").as_str()).await?;
        }
        self.tool("ledger", &["migrate"])?;
        for role in ["agora_writer", "agora_projector", "agora_reader", "agora_vault"] {
            let alter = format!("ALTER ROLE {role} LOGIN PASSWORD '{}'", self.password);
            server.execute(alter.as_str()).await?;
        }
        let key = self.master_key();
        self.tool("ledger", &["init-master-key", "--file", &key.display().to_string()])?;
        self.tool("command-api", &["bootstrap-admin"])
    }

    fn master_key(&self) -> PathBuf {
        self.folder.0.join("master-key")
    }

    fn add(&mut self, service: Service, count: usize) -> io::Result<()> {
        for number in 0..count {
            let log = self.folder.0.join(format!("{}-{number}.log", service.binary()));
            let address = format!("127.0.0.1:{}", free_port()?);
            self.instances.push(Instance { service, address, log, process: None });
        }
        Ok(())
    }

    /// The indexes of a service's instances.
    pub fn of(&self, service: Service) -> Vec<usize> {
        let all = self.instances.iter().enumerate();
        all.filter(|(_, it)| it.service == service).map(|(index, _)| index).collect()
    }

    pub fn address(&self, service: Service) -> &str {
        &self.instances[self.of(service)[0]].address
    }

    /// As `.agora/env` would tell it.
    pub fn as_scene(&self) -> scene::Stack {
        scene::Stack {
            command_addr: self.address(Service::CommandApi).to_owned(),
            read_addr: self.address(Service::ReadApi).to_owned(),
            admin_email: "admin@agora.local".to_owned(),
            admin_password: self.admin_password(),
        }
    }

    fn admin_password(&self) -> String {
        format!("first admin of {}", self.password)
    }

    /// Starts an instance that is not running.
    pub fn run(&mut self, index: usize) -> io::Result<()> {
        let (service, address) = {
            let instance = &self.instances[index];
            (instance.service, instance.address.clone())
        };
        let mut command = self.command(service);
        command.env(service.address_variable(), address).arg(service.verb());
        // By which the read API counts downloads.
        let command_url = format!("http://{}", self.address(Service::CommandApi));
        command.env("AGORA_COMMAND_URL", command_url);
        let instance = &mut self.instances[index];
        instance.process = Some(Process::spawn(&mut command, &instance.log)?);
        Ok(())
    }

    /// A binary with the rights of its service and a scrubbed environment.
    fn command(&self, service: Service) -> Command {
        let role = match service {
            Service::CommandApi | Service::ProcessManagers => "agora_writer",
            Service::ReadApi => "agora_reader",
            Service::Projectors => "agora_projector",
        };
        let mut command = Command::new(binaries().join(service.binary()));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("DATABASE_URL", self.postgres.url(role, &self.password, "agora"))
            .env("NATS_URL", self.broker.url())
            .env("AGORA_HOME", &self.folder.0)
            // Who is killed is followed soon.
            .env("AGORA_EXPORT_LEASE_SECONDS", "2")
            .env("AGORA_EXPORT_RETRY_SECONDS", "1");
        let vault = self.postgres.url("agora_vault", &self.password, "agora_vault");
        command.env("AGORA_VAULT_URL", vault).env("AGORA_MASTER_KEY_FILE", self.master_key());
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a tool to its end.
    pub fn tool(&self, name: &str, arguments: &[&str]) -> Result<(), StackError> {
        let mut command = match name {
            "command-api" => self.command(Service::CommandApi),
            "projectors" => self.command(Service::Projectors),
            _ => {
                let mut command = Command::new(binaries().join(name));
                command
                    .env("DATABASE_URL", self.postgres.owner_url("agora"))
                    .env("AGORA_VAULT_URL", self.postgres.owner_url("agora_vault"));
                command
            }
        };
        command.env("AGORA_ADMIN_PASSWORD", self.admin_password()).args(arguments);
        let log = self.folder.0.join("tools.log");
        let out = fs::File::options().create(true).append(true).open(&log)?;
        let status = command.stdout(out.try_clone()?).stderr(out).status().map_err(|error| {
            io::Error::other(format!("{command:?}: {error}; `cargo build --bins` makes it"))
        })?;
        if status.success() {
            return Ok(());
        }
        Err(StackError::Tool(format!("{name} {}", arguments.join(" ")), log))
    }

    /// SIGKILL.
    pub fn kill(&mut self, index: usize) {
        self.instances[index].process = None;
    }

    /// SIGTERM, and waits.
    pub fn stop(&mut self, index: usize) {
        if let Some(mut process) = self.instances[index].process.take() {
            process.stop();
        }
    }

    pub fn signal(&self, index: usize, name: &str) {
        if let Some(process) = &self.instances[index].process {
            process.signal(name);
        }
    }

    /// Waits until every running instance says that it is ready.
    pub async fn ready(&mut self) -> Result<(), StackError> {
        let deadline = Instant::now() + READY;
        for instance in &mut self.instances {
            let Some(process) = &mut instance.process else { continue };
            let mut client = Client::new(&instance.address);
            while !client.get("/readyz").await.is_ok_and(|reply| reply.is_success()) {
                if process.has_ended() || Instant::now() > deadline {
                    let log = fs::read_to_string(&instance.log).unwrap_or_default();
                    let end = log.lines().rev().take(12).collect::<Vec<_>>();
                    let end = end.into_iter().rev().collect::<Vec<_>>().join("\n");
                    return Err(StackError::NotReady(instance.service.binary(), end));
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// With an owner's rights.
    pub async fn pool(&self) -> Result<PgPool, sqlx::Error> {
        PgPoolOptions::new().max_connections(4).connect(&self.postgres.owner_url("agora")).await
    }

    pub fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// The log of every process so far, by its file's name.
    pub fn logs(&self) -> Vec<(String, String)> {
        let mut logs = Vec::new();
        let services = self.instances.iter().map(|instance| instance.log.clone());
        for path in services.chain([self.broker.log(), self.postgres.log()]) {
            let name = path.strip_prefix(&self.folder.0).unwrap_or(&path).display().to_string();
            let bytes = fs::read(&path).unwrap_or_default();
            logs.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
        logs
    }
}

/// A folder that the user `postgres` can reach, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn create() -> io::Result<Self> {
        let path = Path::new("/var/tmp").join(format!("agora-faults-{}", scene::run_suffix()));
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o711))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::env::var_os("AGORA_KEEP_STACK").is_none() {
            // What cannot be removed is temporary all the same.
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// Where the services' binaries are: beside the one that runs, unless `AGORA_BIN_DIR` says so.
pub fn binaries() -> PathBuf {
    if let Some(folder) = std::env::var_os("AGORA_BIN_DIR") {
        return folder.into();
    }
    let own = std::env::current_exe().unwrap_or_default();
    let folder = own.parent().unwrap_or(Path::new("."));
    if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder }.to_owned()
}

/// A port that nobody listens on now.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
