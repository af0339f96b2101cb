//! `bench`: what `deploy/bench` measures. `bench votes`, `bench append` and `bench reads` are
//! parts of it alone, for profiling; `bench defence`, `consents`, `exports` and `audit` measure a part as
//! the whole does.

use agora_harness::bench::{
    self, AppendArguments, Arguments, Failure, Part, ReadsAloneArguments, VotesArguments,
};
use clap::{Parser, ValueEnum};

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

/// Appends in process to a log of its own, for profiling
#[derive(Parser)]
#[command(name = "bench append", version)]
struct Append {
    #[command(flatten)]
    arguments: AppendArguments,
}

/// Writes content in bulk and reads it over HTTP, for profiling
#[derive(Parser)]
#[command(name = "bench reads", version)]
struct Reads {
    #[command(flatten)]
    arguments: ReadsAloneArguments,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Not a clap subcommand: then the arguments of `bench` alone could not come from the environment.
    let rest = std::env::args().skip(1);
    match std::env::args().nth(1).as_deref() {
        Some("votes") => bench::votes(Votes::parse_from(rest).arguments).await,
        Some("append") => bench::append_alone(Append::parse_from(rest).arguments).await,
        Some("reads") => bench::reads(Reads::parse_from(rest).arguments).await,
        part => match part.and_then(|part| Part::from_str(part, false).ok()) {
            Some(part) => bench::part(part, All::parse_from(rest).arguments).await,
            None => bench::run(All::parse().arguments).await,
        },
    }
}
