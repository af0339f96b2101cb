//! `process-managers`: runs the processes.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use agora_command_api::{App, Settings};
use agora_event_store::{EventLog, LogConfig, MasterKeys, Vault, restores, security::SecurityLog};
use agora_process_managers::{
    detection::{self, DetectionArgs},
    erasure::{self, Eraser, ErasureArgs},
    exports::worker::WorkerArgs,
    geoip::{GeoIp, GeoIpArgs},
    mail::{MailArgs, Mailer},
    processes,
    retention::{self, RetentionArgs},
    security_audit,
};
use agora_service::{
    config::{DatabaseArgs, HttpArgs, VaultArgs},
    health::Health,
    http::Front,
    objects::{Objects, ObjectsArgs},
    postgres, shutdown, telemetry,
};
use clap::{Parser, Subcommand};
use sqlx::postgres::PgConnectOptions;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "process-managers", about = "Runs Agora's processes", version)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Run every process until told to stop
    Run(Box<RunArguments>),
    /// After a restore, before anything serves: erase again what the erasure ledger names
    ReapplyErasures(Box<ReapplyArguments>),
    /// Check the certificate of an erasure, as /v1/erasure-certificates/{id} gives it, on standard input
    VerifyCertificate {
        /// The public key that the platform is known by, in hexadecimal
        #[arg(long)]
        public_key: String,
    },
}

#[derive(clap::Args)]
struct RunArguments {
    /// Where to answer for health and metrics
    #[arg(long, env = "AGORA_PROCESS_MANAGERS_ADDR", default_value = "127.0.0.1:8083")]
    addr: SocketAddr,
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    mail: MailArgs,
    #[command(flatten)]
    retention: RetentionArgs,
    #[command(flatten)]
    objects: ObjectsArgs,
    #[command(flatten)]
    workers: WorkerArgs,
    #[command(flatten)]
    erasure: ErasureArgs,
    #[command(flatten)]
    detection: DetectionArgs,
    #[command(flatten)]
    geoip: GeoIpArgs,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args)]
struct ReapplyArguments {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    vault: VaultArgs,
    /// The state folder, with the ledger and the mails
    #[arg(long, env = "AGORA_HOME", default_value = ".agora")]
    home: PathBuf,
    #[command(flatten)]
    objects: ObjectsArgs,
    #[command(flatten)]
    erasure: ErasureArgs,
    #[command(flatten)]
    settings: Settings,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    match Arguments::parse().action {
        Action::Run(arguments) => run(*arguments).await,
        Action::ReapplyErasures(arguments) => reapply(*arguments).await,
        Action::VerifyCertificate { public_key } => verify(&public_key),
    }
}

/// The application on the log, as a process uses it.
async fn open(
    database: &DatabaseArgs,
    vault: &VaultArgs,
    settings: Settings,
) -> Result<App, Failure> {
    let connect: PgConnectOptions = database.database_url.parse()?;
    let vault_pool = postgres::Pool {
        url: &vault.vault_url,
        application_name: "agora-process-managers",
        max_connections: 2,
        statement_timeout: Some(Duration::from_secs(10)),
        plans: postgres::Plans::Weighed,
    };
    let masters = MasterKeys::load(&vault.master_key_file)?;
    let vault = Vault::new(vault_pool.open()?, masters);
    let connect = connect.application_name("agora-process-managers");
    let config = LogConfig { connections_max: 4, ..LogConfig::new(connect, vault.clone()) };
    let log = EventLog::open(config).await?;
    let security = SecurityLog::start(log.pool().clone(), vault, None);
    Ok(App::new(log, security, settings))
}

async fn run(arguments: RunArguments) -> Result<(), Failure> {
    let metrics = telemetry::init("process-managers")?;
    let stop = shutdown::on_signal()?;
    let mailer = Mailer::new(&arguments.mail)?;
    let geoip = GeoIp::open(&arguments.geoip)?;
    let countries = geoip.countries();
    let home = arguments.mail.home;
    let objects = Objects::open(&arguments.objects, &home)?;
    let app = open(&arguments.database, &arguments.vault, arguments.settings).await?;
    restores::refuse_unfinished(app.log.pool()).await?;
    tokio::spawn(app.log.vault().clone().watch());
    let (pool, restored) = (app.log.pool().clone(), app.log.pool().clone());
    let eraser = Eraser::new(app.clone(), objects.clone(), home, arguments.erasure);
    let mut running =
        processes::start(&app, mailer, geoip, &objects, &arguments.workers, eraser, &stop);
    let thresholds = arguments.detection.thresholds();
    running.spawn(detection::run(app.clone(), thresholds, stop.clone()));
    running.spawn(security_audit::run(app.clone(), countries, stop.clone()));
    running.spawn(retention::run(app.log.vault().clone(), arguments.retention, stop.clone()));
    let health = Health::new()
        .check("postgres", move || postgres::ready(pool.clone()))
        .check("restore", move || restores::ready(restored.clone()));
    let front = Front::new(&arguments.http);
    agora_service::http::serve(front, health.routes(metrics), arguments.addr, stop).await?;
    while running.join_next().await.is_some() {}
    Ok(())
}

async fn reapply(arguments: ReapplyArguments) -> Result<(), Failure> {
    let objects = Objects::open(&arguments.objects, &arguments.home)?;
    let app = open(&arguments.database, &arguments.vault, arguments.settings).await?;
    let eraser = Eraser::new(app, objects, arguments.home, arguments.erasure);
    let reapplied = erasure::reapply(&eraser).await?;
    say(&format!("{} erasures are applied", reapplied.erasures));
    if reapplied.no_admin_is_left {
        say("no admin is left: make one with `command-api bootstrap-admin`");
    }
    Ok(())
}

fn verify(public_key: &str) -> Result<(), Failure> {
    let text = std::io::read_to_string(std::io::stdin())?;
    let certificate: serde_json::Value = serde_json::from_str(&text)?;
    let field = |name: &str| certificate[name].as_str().unwrap_or_default();
    if erasure::certificate::verify(field("statement"), public_key, field("signature")) {
        say("the certificate is as it was signed");
        return Ok(());
    }
    Err("the certificate is not what was signed with this key".into())
}

#[expect(clippy::print_stdout, reason = "what the user asked for")]
fn say(text: &str) {
    println!("{text}");
}
