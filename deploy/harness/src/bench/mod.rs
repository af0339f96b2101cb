//! The table of docs/benchmarks.md, measured side by side in one run on one Postgres.

mod append;
mod audit;
mod broker;
mod consents;
mod content;
mod defence;
mod event;
mod exports;
mod http;
mod machine;
mod paced;
mod peers;
mod reads;
mod rebuild;
mod report;
mod watch;

use std::{path::PathBuf, time::Duration};

use sqlx::{PgPool, postgres::PgPoolOptions};

use crate::{progress::say, scene};

pub use audit::AuditOptions;
pub use http::{VotesArguments, votes};
pub use reads::{ReadsAloneArguments, ReadsArguments, reads};

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What `.agora/env` tells, and how long to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub stack: scene::Stack,
    /// An owner's rights
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// The projectors' own login
    #[arg(long, env = "AGORA_PROJECTOR_URL", hide_env_values = true)]
    pub projector_url: Option<String>,
    #[arg(long, env = "NATS_URL", hide_env_values = true)]
    pub nats_url: String,
    /// Of each sustained measurement
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Everything in two or three minutes, with times too short for good numbers
    #[arg(long)]
    pub quick: bool,
    /// Events in the log for the comparison with an empty one; 0 leaves it out
    #[arg(long, default_value_t = 5_000_000)]
    pub preload: u64,
    #[arg(long, default_value_t = 200)]
    pub voters: usize,
    #[arg(long, default_value_t = 20_000)]
    pub posts: usize,
    #[command(flatten)]
    pub reads: ReadsArguments,
    #[command(flatten)]
    pub audit: AuditOptions,
    /// Where the table is written
    #[arg(long, default_value = "docs/benchmarks.md")]
    pub out: PathBuf,
}

impl Arguments {
    /// How long the sustained measurements last.
    fn sustained(&self) -> Duration {
        Duration::from_secs(if self.quick { self.seconds.min(8) } else { self.seconds })
    }

    /// How long the others last.
    fn short(&self) -> Duration {
        Duration::from_secs(if self.quick { 4 } else { 15 })
    }
}

/// Measures everything and writes the table. Lag is awaited before the other side runs, and nothing
/// else runs meanwhile.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let pool = PgPoolOptions::new().max_connections(4).connect(&arguments.database_url).await?;
    let mut report = report::Report::new(machine::describe(&pool).await?);
    let idle = watch::memory_mb();

    let step = |text: &str| say(&format!("▸ {text}"));
    step("one-row inserts by pgbench");
    let pgbench = peers::pgbench(&arguments.database_url, &pool, arguments.sustained()).await?;
    report.line("one-row inserts by pgbench, 32 clients", peers::per_second(pgbench), "—", None);

    step("postgres-es");
    let peer = peers::postgres_es(&arguments.database_url, &pool, arguments.short()).await?;
    report.line("postgres-es `execute`, 32 tasks", peers::per_second(peer), "—", None);

    step("the append path beside plain batches");
    let plain = append::plain(&arguments.database_url, arguments.short()).await?;
    report.line(
        "batched ordered insert in SQL alone, 256 a batch",
        peers::per_second(plain),
        "—",
        None,
    );
    let empty = append::rate(&arguments.database_url, 0, arguments.short()).await?;
    report.ratio("append path, 256 in flight", empty, plain, "plain batches", 0.8);

    step("cast-vote over HTTP");
    let scene = http::scene(&arguments).await?;
    let mut best = 0.0_f64;
    let mut loaded = idle.clone();
    for connections in [64, 256] {
        let sustained = http::sustained(&arguments, &pool, &scene, connections).await?;
        best = best.max(sustained.events_per_second);
        loaded = watch::largest(loaded, &sustained.memory_mb);
        report.cast_vote(connections, &sustained);
    }
    report.ratio("… against pgbench's inserts", best, pgbench, "pgbench", 1.0);
    report.ratio("… against postgres-es", best, peer, "postgres-es", 3.5);

    step("from accepted to readable");
    let readable = http::readable(&arguments, &scene, arguments.short()).await?;
    report.readable(&readable);

    step("defence");
    defence::all(&arguments, &pool, &scene, &mut report).await?;

    step("feeds, posts and search");
    let reads = if arguments.quick { arguments.reads.quick() } else { arguments.reads.clone() };
    let (mut failures, reading) =
        reads::all(&reads, &arguments.stack, &arguments.database_url, &pool, &mut report).await?;
    loaded = watch::largest(loaded, &reading);

    step("consent checks");
    failures.extend(measure(Part::Consents, &arguments, &pool, &mut report).await?);

    step("COPY and rebuilds");
    let copy = peers::copy(&pool).await?;
    report.line("`COPY` of the log to stdout", peers::per_second(copy), "—", None);
    for rebuilt in rebuild::all(&arguments, &pool).await? {
        let what =
            format!("rebuild of {}, {} events of {}", rebuilt.name, rebuilt.events, rebuilt.head);
        report.ratio(&what, rebuilt.log_events_per_second, copy, "COPY", rebuilt.goal());
    }

    step("exports");
    measure(Part::Exports, &arguments, &pool, &mut report).await?;

    step("JetStream and the relay");
    let publish = broker::publish(&arguments.nats_url, arguments.short()).await?;
    report.line(
        "JetStream publish with acks, 1,024 in flight",
        peers::per_second(publish),
        "—",
        None,
    );
    let relay = broker::relay(&arguments, arguments.short()).await?;
    report.ratio("relay", relay, publish, "JetStream publish", 0.5);

    step("the security audit log");
    measure(Part::Audit, &arguments, &pool, &mut report).await?;

    report.memory(&idle, &loaded);
    // What has been measured must not be lost to a disk that is too small for the rest.
    report.write(&arguments.out, arguments.quick)?;
    if arguments.preload > 0 && !arguments.quick {
        step("the append path with a long log");
        let (preload, time) = (arguments.preload, arguments.short());
        let long = append::rate(&arguments.database_url, preload, time).await?;
        let what = format!("append path with {preload} events in the log");
        report.ratio(&what, long, empty, "an empty log", 0.9);
        report.write(&arguments.out, arguments.quick)?;
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ").into()) }
}

/// A part that can be measured alone.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Part {
    Defence,
    Consents,
    Exports,
    Audit,
}

/// Measures one part, and writes no table.
pub async fn part(part: Part, arguments: Arguments) -> Result<(), Failure> {
    let pool = PgPoolOptions::new().max_connections(4).connect(&arguments.database_url).await?;
    let mut report = report::Report::new(machine::describe(&pool).await?);
    let failure = measure(part, &arguments, &pool, &mut report).await?;
    failure.map_or(Ok(()), |why| Err(why.into()))
}

/// Says what has gone wrong while it was measured.
async fn measure(
    part: Part,
    arguments: &Arguments,
    pool: &PgPool,
    report: &mut report::Report,
) -> Result<Option<String>, Failure> {
    match part {
        Part::Defence => {
            let voters = http::scene(arguments).await?;
            defence::all(arguments, pool, &voters, report).await?;
        }
        Part::Consents => {
            return consents::all(&arguments.stack, arguments.short(), report).await;
        }
        Part::Exports => {
            let vault = arguments.reads.vault().await?;
            exports::all(pool, vault, arguments.quick, report).await?;
        }
        Part::Audit => {
            let vault = arguments.reads.vault().await?;
            let quick = arguments.quick;
            let options = if quick { arguments.audit.quick() } else { arguments.audit.clone() };
            audit::all(&options, &arguments.stack, &arguments.database_url, vault, report).await?;
        }
    }
    Ok(None)
}

/// What `bench append` takes.
#[derive(clap::Args)]
pub struct AppendArguments {
    /// An owner's rights
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Events in the log beforehand
    #[arg(long, default_value_t = 0)]
    preload: u64,
}

/// Measures the append path alone, beside plain batches.
pub async fn append_alone(arguments: AppendArguments) -> Result<(), Failure> {
    let time = Duration::from_secs(arguments.seconds);
    let plain = append::plain(&arguments.database_url, time).await?;
    say(&format!("plain batches: {}", peers::per_second(plain)));
    let rate = append::rate(&arguments.database_url, arguments.preload, time).await?;
    say(&format!("append path: {}, {:.2} × plain batches", peers::per_second(rate), rate / plain));
    Ok(())
}

/// The newest position.
async fn head(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM log.events").fetch_one(pool).await
}
