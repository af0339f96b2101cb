//! The command line. Exit codes: 0 done, 1 failed, 3 a rebuild differs from the live tables.

use std::{process::ExitCode, str::FromStr};

use clap::{Args, Parser, Subcommand};
use sqlx::postgres::PgConnectOptions;

mod rebuild;
mod run;
mod status;

/// Agora's projections: events in, read tables out.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(flatten)]
    database: Database,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Database {
    /// Postgres with the log and the read tables: postgres://user:password@host:port/database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

#[derive(Subcommand)]
enum Command {
    /// Apply events as they come, until SIGTERM
    Run(run::Run),
    /// Show position, lag, rate and state of each projection
    Status(status::Status),
    /// Make projections anew from the log, beside the live tables, and swap
    Rebuild(rebuild::Rebuild),
}

/// What the user is told, in one line.
type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Cli {
    pub(crate) async fn execute(self) -> ExitCode {
        let executed = match PgConnectOptions::from_str(&self.database.database_url) {
            Err(error) => Err(format!("DATABASE_URL is no Postgres URL: {error}").into()),
            Ok(connect) => match self.command {
                Command::Run(run) => run.execute(connect).await,
                Command::Status(status) => status.execute(&connect).await,
                Command::Rebuild(rebuild) => rebuild.execute(&connect).await,
            },
        };
        executed.unwrap_or_else(|error| {
            say_error(&format!("projectors: {error}"));
            ExitCode::FAILURE
        })
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
