//! `bench`: what `deploy/bench` measures. `bench votes` is the load alone, for profiling.

use agora_harness::bench::{self, Arguments, Failure, VotesArguments};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures a running Agora beside others and writes the table; `bench votes` only sends votes
#[derive(Parser)]
#[command(name = "bench", version)]
struct All {
    #[command(flatten)]
    arguments: Arguments,
}

/// Sends votes over HTTP, for profiling
#[derive(Parser)]
#[command(name = "bench votes", version)]
struct Votes {
    #[command(flatten)]
    arguments: VotesArguments,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Not a clap subcommand: then the arguments of `bench` alone could not come from the environment.
    if std::env::args().nth(1).as_deref() == Some("votes") {
        return bench::votes(Votes::parse_from(std::env::args().skip(1)).arguments).await;
    }
    bench::run(All::parse().arguments).await
}
