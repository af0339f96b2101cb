//! `bench`: what `deploy/bench` measures. `bench votes`, `bench append` and `bench reads` are
//! parts of it alone, for profiling; `bench audit` measures the security audit log.

use agora_harness::bench::{
    self, AppendArguments, Arguments, AuditArguments, Failure, ReadsAloneArguments, VotesArguments,
};
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

/// Measures what the security audit log costs, and how fast it is searched
#[derive(Parser)]
#[command(name = "bench audit", version)]
struct Audit {
    #[command(flatten)]
    arguments: AuditArguments,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Not a clap subcommand: then the arguments of `bench` alone could not come from the environment.
    let rest = std::env::args().skip(1);
    match std::env::args().nth(1).as_deref() {
        Some("votes") => bench::votes(Votes::parse_from(rest).arguments).await,
        Some("append") => bench::append_alone(Append::parse_from(rest).arguments).await,
        Some("reads") => bench::reads(Reads::parse_from(rest).arguments).await,
        Some("audit") => bench::audit(Audit::parse_from(rest).arguments).await,
        _ => bench::run(All::parse().arguments).await,
    }
}
