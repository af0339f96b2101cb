//! `bench`: what `deploy/bench` measures.
#![expect(clippy::print_stdout, reason = "this is a command-line tool")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use agora_harness::{
    load::{self, Load, Votes},
    scene::{self, Stack},
};
use clap::{Parser, Subcommand};
use sqlx::PgPool;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(name = "bench", about = "Measures a running Agora", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// cast-vote over HTTP alone, for profiling
    Votes(VotesArguments),
}

#[derive(clap::Args)]
struct VotesArguments {
    #[command(flatten)]
    stack: Stack,
    /// An owner's rights: to count what was appended
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// One load after the other, with so many connections each
    #[arg(long, value_delimiter = ',', default_value = "64")]
    connections: Vec<usize>,
    /// Requests a second; as many as it takes where it is absent
    #[arg(long)]
    rate: Option<u32>,
    #[arg(long, default_value_t = 200)]
    voters: usize,
    #[arg(long, default_value_t = 10_000)]
    posts: usize,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    match Arguments::parse().command {
        Command::Votes(arguments) => votes(arguments).await,
    }
}

async fn votes(arguments: VotesArguments) -> Result<(), Failure> {
    let pool = PgPool::connect(&arguments.database_url).await?;
    let run = scene::run_suffix();
    let begun = Instant::now();
    let scene = scene::set(&arguments.stack, &run, arguments.voters, arguments.posts).await?;
    println!("{} voters, {} posts in {:.1?}", arguments.voters, arguments.posts, begun.elapsed());
    let votes = Arc::new(Votes::new(&arguments.stack.command_addr, &scene));
    for connections in arguments.connections {
        let time = Duration::from_secs(arguments.seconds);
        let before = head(&pool).await?;
        let load = Load { connections, time, rate: arguments.rate };
        let outcome = load::run(Arc::clone(&votes), load).await?;
        let appended = head(&pool).await? - before;
        println!(
            "{connections} connections: {:.0} events/s appended, {:.0} accepted/s, p50 {:.2} ms, p99 {:.2} ms, \
             p99.9 {:.2} ms, {} refused, {} lost; {} pairs left",
            appended as f64 / outcome.seconds,
            outcome.rate(),
            outcome.latency_ms(0.5),
            outcome.latency_ms(0.99),
            outcome.latency_ms(0.999),
            outcome.refused,
            outcome.lost,
            votes.left(),
        );
    }
    Ok(())
}

async fn head(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM log.events").fetch_one(pool).await
}
