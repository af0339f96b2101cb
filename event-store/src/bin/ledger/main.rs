//! `ledger`: the operator's tool for the log.

mod verify;

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf};

use agora_event_store::{MasterKeys, Vault, migrate, read};
use clap::{Parser, Subcommand};
use sqlx::{Connection, PgConnection, PgPool};
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
    /// Wrap the vault's keys anew under the file's first master key; the others can go after that.
    RewrapKeys {
        #[arg(long, env = "AGORA_VAULT_URL", hide_env_values = true)]
        vault_url: String,
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
    /// Read the whole log and check that nothing was changed; says the first thing that does not fit.
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
        Command::RewrapKeys { vault_url, file } => {
            let vault = Vault::new(PgPool::connect(&vault_url).await?, MasterKeys::load(&file)?);
            say(&format!("{} keys are wrapped anew", vault.rewrap().await?))
        }
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
        Command::Verify { database_url } => say(&verify::whole_log(&database_url).await?),
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

fn say(text: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
