//! `ledger`: the operator's tool for the log.

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf};

use agora_event_store::{migrate, read};
use clap::{Parser, Subcommand};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

#[derive(Parser)]
#[command(name = "ledger", about = "The operator's tool for Agora's log", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring the log, the read tables and the vault up to date.
    Migrate {
        /// The owner's URL of the log's database.
        #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
        /// The owner's URL of the vault's database.
        #[arg(long, env = "AGORA_VAULT_URL", hide_env_values = true)]
        vault_url: String,
    },
    /// Make a master key file (mode 0600); refuses to touch one that is there.
    InitMasterKey {
        #[arg(long, env = "AGORA_MASTER_KEY_FILE")]
        file: PathBuf,
    },
    /// Begin a new epoch, after a restore or a failover to an older state.
    NewEpoch {
        #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
        #[arg(long)]
        reason: String,
    },
    /// Read the whole log and recompute every entry hash; says the first that does not fit.
    Verify {
        #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
    },
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    match Arguments::parse().command {
        Command::Migrate { database_url, vault_url } => {
            migrate::database(&database_url).await?;
            migrate::vault(&vault_url).await?;
            say("the log, the read tables and the vault are up to date")
        }
        Command::InitMasterKey { file } => init_master_key(&file),
        Command::NewEpoch { database_url, reason } => {
            let mut connection = PgConnection::connect(&database_url).await?;
            let epoch = read::epoch(&mut connection).await?;
            let epoch: Uuid = sqlx::query_scalar("SELECT log.begin_epoch($1, $2)")
                .bind(epoch)
                .bind(&reason)
                .fetch_one(&mut connection)
                .await?;
            say(&format!("epoch {epoch} has begun"))
        }
        Command::Verify { database_url } => verify(&database_url).await,
    }
}

fn init_master_key(file: &std::path::Path) -> Result<(), Failure> {
    let mut key = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut()).map_err(|_| "the operating system gave no randomness")?;
    #[expect(clippy::disallowed_methods, reason = "the key's id is made here, once")]
    let id = Uuid::now_v7().simple().to_string();
    let mut out =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(out, "{id}:{}", hex::encode(key.as_ref()))?;
    out.sync_all()?;
    say(&format!("wrote {}; keep a copy where no database backup goes", file.display()))
}

async fn verify(database_url: &str) -> Result<(), Failure> {
    const PAGE: usize = 10_000;
    let mut connection = PgConnection::connect(database_url).await?;
    let head = read::head(&mut connection).await?;
    let mut position = 0;
    while position < head {
        let events = read::range(&mut connection, position, PAGE).await?;
        let hashes: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT entry_hash FROM log.events WHERE position > $1 ORDER BY position LIMIT $2",
        )
        .bind(read::to_db(position))
        .bind(i64::try_from(PAGE)?)
        .fetch_all(&mut connection)
        .await?;
        for (event, hash) in events.iter().zip(&hashes) {
            position += 1;
            if event.position != position {
                return Err(format!("position {position} is missing").into());
            }
            if event.entry_hash().as_slice() != hash {
                return Err(format!("the entry hash at position {position} does not fit").into());
            }
        }
        if events.is_empty() {
            return Err(format!("position {} is missing", position + 1).into());
        }
    }
    say(&format!("{position} events: positions dense, every entry hash fits"))
}

fn say(text: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
