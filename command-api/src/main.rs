//! `command-api`: serves commands; makes the first admin.

use std::{io::Write, net::SocketAddr, path::PathBuf};

use agora_command_api::{
    App, Settings,
    bootstrap::{BootstrapAdmin, NewAdmin},
    commands::register_member::NewPassword,
    end_sessions::EndSessions,
    execute::{Caller, Conditions, execute},
    front, http,
};
use agora_domain::{identity::values::AdminScope, values::Email};
use agora_event_store::{
    EventLog, LogConfig, MasterKeys, Vault,
    relay::{self, RelayConfig},
    restores,
    security::SecurityLog,
    security_audit::{self, SecurityAudit, SecurityAuditArgs},
};
use agora_service::{
    config::{DatabaseArgs, HttpArgs, NatsArgs, VaultArgs},
    geoip::Countries,
    health::Health,
    nats, postgres, shutdown, telemetry,
};
use clap::{Parser, Subcommand};
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "command-api", about = "Takes Agora's commands", version)]
struct Arguments {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Serve commands until told to stop
    Serve(Box<ServeArguments>),
    /// Make the first admin; says so and does nothing where there is one
    BootstrapAdmin(BootstrapArguments),
    /// End every session: after a restore, those that were revoked since are open again
    EndSessions,
}

#[derive(clap::Args)]
struct ServeArguments {
    /// Where to listen
    #[arg(long, env = "AGORA_COMMAND_ADDR", default_value = "127.0.0.1:8080")]
    addr: SocketAddr,
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    nats: NatsArgs,
    /// Keeps security records while Postgres is away
    #[arg(long, env = "AGORA_SECURITY_SPILL_FILE")]
    security_spill_file: Option<PathBuf>,
    #[command(flatten)]
    security_audit: SecurityAuditArgs,
}

#[derive(clap::Args)]
struct BootstrapArguments {
    #[arg(long, env = "AGORA_ADMIN_EMAIL", default_value = "admin@agora.local")]
    email: String,
    /// Random where it is not given, and printed once
    #[arg(long, env = "AGORA_ADMIN_PASSWORD", hide_env_values = true)]
    password: Option<String>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let metrics = telemetry::init("command-api")?;
    let connect: PgConnectOptions = arguments.database.database_url.parse()?;
    let connect = connect.application_name("agora-command-api");
    let masters = MasterKeys::load(&arguments.vault.master_key_file)?;
    let vault_pool = postgres::Pool {
        url: &arguments.vault.vault_url,
        application_name: "agora-command-api",
        max_connections: 8,
        statement_timeout: Some(std::time::Duration::from_secs(10)),
        plans: postgres::Plans::Weighed,
    };
    let vault = Vault::new(vault_pool.open()?, masters);
    let log = EventLog::open(LogConfig::new(connect.clone(), vault.clone())).await?;
    let spill = match &arguments.action {
        Action::Serve(serve) => serve.security_spill_file.clone(),
        Action::BootstrapAdmin(_) | Action::EndSessions => None,
    };
    let security = SecurityLog::start(log.pool().clone(), vault, spill);
    let app = App::new(log.clone(), security, arguments.settings);
    match arguments.action {
        Action::BootstrapAdmin(bootstrap) => bootstrap_admin(&app, bootstrap).await,
        Action::EndSessions => end_sessions(&app).await,
        Action::Serve(serve) => {
            let stop = shutdown::on_signal()?;
            restores::refuse_unfinished(log.pool()).await?;
            tokio::spawn(log.vault().clone().watch());
            let client = nats::connect(&serve.nats, "agora-command-api").await?;
            let relay = tokio::spawn(relay_for_ever(
                log.clone(),
                client,
                connect,
                serve.nats,
                stop.clone(),
            ));
            let (pool, restored) = (log.pool().clone(), log.pool().clone());
            // Commands need the log alone: without the broker the relay catches up later.
            let health = Health::new()
                .check("postgres", move || postgres::ready(pool.clone()))
                .check("restore", move || restores::ready(restored.clone()));
            let spool = serve.security_audit.spool("command-api");
            let countries = Countries::open(&serve.security_audit.countries)?;
            let audit = match serve.security_audit.security_audit {
                true => {
                    let url = &arguments.database.database_url;
                    let pool = security_audit::connection(url, "agora-command-api")?;
                    let vault = log.vault().clone();
                    Some(SecurityAudit::start(pool, vault, &spool, countries)?)
                }
                false => None,
            };
            let front =
                front::start(&app, &serve.http).auditing(audit.as_ref().map(SecurityAudit::door));
            let routes = http::routes(app).merge(health.routes(metrics));
            agora_service::http::serve(front, routes, serve.addr, stop).await?;
            if let Some(audit) = audit {
                audit.flush().await;
            }
            relay.await?;
            Ok(())
        }
    }
}

/// Makes the stream, as soon as the broker is there, and relays into it.
async fn relay_for_ever(
    log: EventLog,
    client: async_nats::Client,
    connect: PgConnectOptions,
    nats: NatsArgs,
    stop: CancellationToken,
) {
    let ensure = {
        let jetstream = async_nats::jetstream::new(client.clone());
        let (stream, prefix) = (nats.nats_stream.clone(), nats.nats_subjects.clone());
        move || {
            let (jetstream, stream, prefix) = (jetstream.clone(), stream.clone(), prefix.clone());
            async move {
                agora_service::nats::ensure_stream(&jetstream, &stream, &prefix, nats.nats_replicas)
                    .await
                    .map(|_| ())
                    .map_err(|error| error.to_string())
            }
        }
    };
    let config = RelayConfig {
        connect,
        client,
        stream: nats.nats_stream,
        subject_prefix: nats.nats_subjects,
    };
    relay::run(log, config, ensure, stop).await;
}

async fn bootstrap_admin(app: &App, arguments: BootstrapArguments) -> Result<(), Failure> {
    let email: Email = arguments
        .email
        .parse()
        .map_err(|_| "AGORA_ADMIN_EMAIL must be an e-mail address such as admin@example.org")?;
    let (password, printed) = match arguments.password {
        Some(password) => (Zeroizing::new(password), false),
        None => (Zeroizing::new(random_password()?), true),
    };
    let admin = NewAdmin {
        email,
        password: NewPassword::Given(password.as_str().into()),
        display_name: None,
        scopes: vec![AdminScope::Global],
    };
    let caller = Caller::system(None);
    let made = execute(app, &caller, &Conditions::default(), BootstrapAdmin(admin)).await;
    let mut out = std::io::stdout();
    match made {
        Ok(_) if printed => {
            writeln!(out, "admin {} with password {}", arguments.email, password.as_str())?;
            writeln!(out, "this password is shown once: keep it")?;
        }
        Ok(_) => writeln!(out, "admin {} with the given password", arguments.email)?,
        Err(problem) if matches!(problem.rule, Some("ADM-01" | "CRD-01")) => {
            writeln!(out, "there is an admin already: nothing was done")?;
        }
        Err(problem) => return Err(format!("{}", problem.detail).into()),
    }
    Ok(())
}

async fn end_sessions(app: &App) -> Result<(), Failure> {
    let caller = Caller::system(None);
    let ended = execute(app, &caller, &Conditions::default(), EndSessions).await;
    ended.map_err(|problem| problem.detail.into_owned())?;
    Ok(writeln!(std::io::stdout(), "every session has ended")?)
}

fn random_password() -> Result<String, Failure> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut bytes = Zeroizing::new([0; 18]);
    getrandom::fill(bytes.as_mut()).map_err(|_| "the operating system gave no randomness")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes.as_ref()))
}
