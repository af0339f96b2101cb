//! The command line. Exit codes: 0 done, 1 failed, 3 a rebuild differs from the live tables.

use std::{path::PathBuf, process::ExitCode, str::FromStr, time::Duration};

use agora_event_store::{MasterKeys, Opener};
use agora_projectors::databases::Databases;
use agora_service::postgres;
use clap::{Args, Parser, Subcommand};
use sqlx::postgres::PgConnectOptions;

mod forget;
mod rebuild;
mod run;
mod status;

/// Agora's projections: events in, read tables out.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    vault: Vault,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Database {
    /// Postgres with the log and the read tables: postgres://user:password@host:port/database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

/// Optional here, because `status` needs neither.
#[derive(Args)]
struct Vault {
    /// Postgres with the vault of keys: the search tables cannot be made of sealed texts
    #[arg(long, env = "AGORA_VAULT_URL", hide_env_values = true)]
    vault_url: Option<String>,
    /// File (mode 0600) with the master keys that wrap the vault's
    #[arg(long, env = "AGORA_MASTER_KEY_FILE")]
    master_key_file: Option<PathBuf>,
}

impl Vault {
    fn open(&self) -> Result<Opener, Failure> {
        let (Some(url), Some(file)) = (&self.vault_url, &self.master_key_file) else {
            return Err(
                "set AGORA_VAULT_URL and AGORA_MASTER_KEY_FILE: the search tables cannot be \
                        made of sealed texts"
                    .into(),
            );
        };
        let pool = postgres::Pool {
            url,
            application_name: "agora-projectors",
            max_connections: 2,
            statement_timeout: Some(Duration::from_secs(10)),
            plans: postgres::Plans::Weighed,
        };
        Ok(Opener::new(agora_event_store::Vault::new(pool.open()?, MasterKeys::load(file)?)))
    }
}

#[derive(Subcommand)]
enum Command {
    /// Apply events as they come, until SIGTERM
    Run(run::Run),
    /// Show position, lag, rate and state of each projection
    Status(status::Status),
    /// Make projections anew from the log, beside the live tables, and swap
    Rebuild(rebuild::Rebuild),
    /// Take the words of somebody whose keys are destroyed out of the search tables
    Forget(forget::Forget),
}

/// What the user is told, in one line.
type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Cli {
    pub(crate) async fn execute(self) -> ExitCode {
        let executed = match PgConnectOptions::from_str(&self.database.database_url) {
            Err(error) => Err(format!("DATABASE_URL is no Postgres URL: {error}").into()),
            Ok(log) => match self.command {
                Command::Status(status) => status.execute(&log).await,
                command => match self.vault.open() {
                    Err(failure) => Err(failure),
                    Ok(opener) => command.execute(Databases { log, opener }).await,
                },
            },
        };
        executed.unwrap_or_else(|error| {
            say_error(&format!("projectors: {error}"));
            ExitCode::FAILURE
        })
    }
}

impl Command {
    async fn execute(self, databases: Databases) -> Result<ExitCode, Failure> {
        match self {
            Self::Run(run) => run.execute(databases).await,
            Self::Status(status) => status.execute(&databases.log).await,
            Self::Rebuild(rebuild) => rebuild.execute(&databases).await,
            Self::Forget(forget) => forget.execute(&databases).await,
        }
    }
}

#[expect(clippy::print_stdout, reason = "what the user asked for")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "what went wrong, on the command line")]
fn say_error(text: &str) {
    eprintln!("{text}");
}
