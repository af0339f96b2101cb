//! What the read API is told when it starts.

use std::{net::SocketAddr, path::PathBuf};

use agora_event_store::security_audit::SecurityAuditArgs;
use agora_service::{
    config::{DatabaseArgs, HttpArgs, NatsArgs, VaultArgs},
    objects::ObjectsArgs,
};
use clap::{Args, Parser, Subcommand};

use crate::live::Limits;

#[derive(Parser)]
#[command(name = "read-api", about = "What Agora's clients, dashboards and auditors read", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Serve until SIGTERM or SIGINT
    Serve(Box<Serve>),
    /// Print the OpenAPI description
    Openapi,
}

#[derive(Args)]
pub struct Serve {
    /// Where to listen
    #[arg(long, env = "AGORA_READ_ADDR", default_value = "127.0.0.1:8081")]
    pub addr: SocketAddr,

    #[command(flatten)]
    pub database: DatabaseArgs,

    /// A replica to read from, where there is one; logins are still looked up in DATABASE_URL
    #[arg(long, env = "AGORA_REPLICA_URL", hide_env_values = true)]
    pub replica_url: Option<String>,

    #[command(flatten)]
    pub vault: VaultArgs,

    #[command(flatten)]
    pub nats: NatsArgs,

    #[command(flatten)]
    pub http: HttpArgs,

    #[command(flatten)]
    pub objects: ObjectsArgs,

    #[command(flatten)]
    pub security_audit: SecurityAuditArgs,

    /// The state folder
    #[arg(long, env = "AGORA_HOME", default_value = ".agora")]
    pub home: PathBuf,

    /// The command API, which counts downloads
    #[arg(long, env = "AGORA_COMMAND_URL", default_value = "http://127.0.0.1:8080")]
    pub command_url: String,

    /// Who answers for the processing of personal data, and how they are reached: shown in the
    /// record of processing (Art. 30 GDPR)
    #[arg(long, env = "AGORA_CONTROLLER")]
    pub controller: Option<String>,

    /// A session ends when it is not used for so long, in seconds; as in the command API
    #[arg(long, env = "AGORA_SESSION_IDLE_SECONDS", default_value_t = 7 * 24 * 3_600,
          value_parser = clap::value_parser!(u32).range(60..))]
    pub session_idle_seconds: u32,

    /// Live streams at once
    #[arg(long, env = "AGORA_LIVE_STREAMS", default_value_t = Limits::default().all)]
    pub live_streams: usize,

    /// Live streams of one principal at once; of one address, for guests
    #[arg(long, env = "AGORA_LIVE_STREAMS_PER_CLIENT",
          default_value_t = Limits::default().per_client)]
    pub live_streams_per_client: usize,

    /// File that keeps security records while Postgres is away; beside it, with `.searches` added to
    /// its name, the one that keeps search records
    #[arg(long, env = "AGORA_READ_SPILL_FILE")]
    pub spill_file: Option<PathBuf>,

    /// Searches are forgotten after so many days
    #[arg(long, env = "AGORA_SEARCH_LOG_RETENTION_DAYS", default_value_t = 90,
          value_parser = clap::value_parser!(u16).range(1..=3_650))]
    pub search_log_retention_days: u16,

    /// Whether who has not been asked counts as having consented to analytics: then the search log
    /// names users and keeps whole addresses
    #[arg(long, env = "AGORA_SEARCH_LOG_DEFAULT_CONSENT", default_value_t = false,
          action = clap::ArgAction::Set)]
    pub search_log_default_consent: bool,
}
