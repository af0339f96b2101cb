//! `process-managers`: runs the processes.

use std::{net::SocketAddr, time::Duration};

use agora_command_api::{App, Settings};
use agora_event_store::{EventLog, LogConfig, MasterKeys, Vault, security::SecurityLog};
use agora_process_managers::{
    detection::{self, DetectionArgs},
    exports::worker::WorkerArgs,
    mail::{MailArgs, Mailer},
    processes,
    retention::{self, RetentionArgs},
    security_audit,
};
use agora_service::{
    config::{DatabaseArgs, HttpArgs, VaultArgs},
    health::Health,
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
    detection: DetectionArgs,
    #[command(flatten)]
    settings: Settings,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let Action::Run(arguments) = Arguments::parse().action;
    let metrics = telemetry::init("process-managers")?;
    let stop = shutdown::on_signal()?;
    let mailer = Mailer::new(&arguments.mail)?;
    let objects = Objects::open(&arguments.objects, &arguments.mail.home)?;
    let connect: PgConnectOptions = arguments.database.database_url.parse()?;
    let vault_pool = postgres::Pool {
        url: &arguments.vault.vault_url,
        application_name: "agora-process-managers",
        max_connections: 2,
        statement_timeout: Some(Duration::from_secs(10)),
        plans: postgres::Plans::Weighed,
    };
    let masters = MasterKeys::load(&arguments.vault.master_key_file)?;
    let vault = Vault::new(vault_pool.open()?, masters);
    let connect = connect.application_name("agora-process-managers");
    let config = LogConfig { connections_max: 4, ..LogConfig::new(connect, vault.clone()) };
    let log = EventLog::open(config).await?;
    let security = SecurityLog::start(log.pool().clone(), vault, None);
    let pool = log.pool().clone();
    let app = App::new(log, security, arguments.settings.clone());
    let mut running = processes::start(&app, mailer, &objects, &arguments.workers, &stop);
    let thresholds = arguments.detection.thresholds();
    running.spawn(detection::run(app.clone(), thresholds, stop.clone()));
    running.spawn(security_audit::run(app.clone(), stop.clone()));
    running.spawn(retention::run(app.log.vault().clone(), arguments.retention, stop.clone()));
    let health = Health::new().check("postgres", move || postgres::ready(pool.clone()));
    let proxies = arguments.http.trusted_proxies();
    agora_service::http::serve(health.routes(metrics), arguments.addr, proxies, stop).await?;
    while running.join_next().await.is_some() {}
    Ok(())
}
