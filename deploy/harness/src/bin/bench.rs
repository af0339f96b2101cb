//! `bench`: what `deploy/bench` measures.

use agora_harness::bench::{self, Arguments, Failure, VotesArguments};
use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "bench", about = "Measures a running Agora beside others", version)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    #[command(flatten)]
    all: Option<Arguments>,
    #[command(subcommand)]
    only: Option<Only>,
}

#[derive(Subcommand)]
enum Only {
    /// cast-vote over HTTP alone, for profiling
    Votes(VotesArguments),
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    match Cli::parse() {
        Cli { only: Some(Only::Votes(arguments)), .. } => bench::votes(arguments).await,
        Cli { all: Some(arguments), .. } => bench::run(arguments).await,
        Cli { .. } => Err("give the stack's variables, or a subcommand: see --help".into()),
    }
}
