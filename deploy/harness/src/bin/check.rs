//! `check`: looks into the database of a running stack and says what does not hold. It keeps the
//! whole log in memory: for logs of a demo's size.
#![expect(clippy::print_stdout, reason = "this is a command-line tool")]

use std::process::ExitCode;

use agora_harness::{checker, observe};
use clap::Parser;
use sqlx::{Connection, PgConnection};

#[derive(Parser)]
#[command(name = "check", about = "Compares a stack's read tables with its log", version)]
struct Arguments {
    /// An owner's rights
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

#[tokio::main]
async fn main() -> Result<ExitCode, sqlx::Error> {
    let arguments = Arguments::parse();
    let mut connection = PgConnection::connect(&arguments.database_url).await?;
    let observed = observe::database(&mut connection).await?;
    let violations = checker::check(&observed);
    for violation in &violations {
        println!("{violation}");
    }
    let rows: usize = observed.tables.values().map(|table| table.len()).sum();
    println!("{} events, {rows} rows, {} violations", observed.events.len(), violations.len());
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
