//! cast-vote over HTTP with everything on, and how soon what it wrote can be read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use serde_json::json;
use sqlx::PgPool;
use tokio::{sync::Mutex, time::sleep};

use super::{
    Arguments, Failure, head,
    watch::{self, Memory},
};
use crate::{
    agora::{Commands, Reads, Session},
    load::{self, Load, Outcome, Votes},
    progress::say,
    scene::{self, Stack},
};

/// Who votes on what.
pub(super) struct Voters {
    pub(super) votes: Arc<Votes>,
    /// Not among the voters of the load, so that their votes never meet.
    probers: Vec<Session>,
    pub(super) posts: Vec<uuid::Uuid>,
}

pub(super) async fn scene(arguments: &Arguments) -> Result<Voters, Failure> {
    let (voters, posts) =
        if arguments.quick { (40, 5_000) } else { (arguments.voters, arguments.posts) };
    let mut scene = scene::set(&arguments.stack, &scene::run_suffix(), voters + 4, posts).await?;
    let probers = scene.voters.split_off(voters);
    let votes = Arc::new(Votes::new(&arguments.stack.command_addr, &scene));
    Ok(Voters { votes, probers, posts: scene.posts })
}

/// A load and what it left behind.
pub(super) struct Sustained {
    pub(super) outcome: Outcome,
    /// Counted in the log.
    pub(super) events_per_second: f64,
    /// How far the projections were behind when the load ended.
    pub(super) lag_events: i64,
    pub(super) lag: Duration,
    pub(super) memory_mb: Memory,
}

pub(super) async fn sustained(
    arguments: &Arguments,
    pool: &PgPool,
    voters: &Voters,
    connections: usize,
) -> Result<Sustained, Failure> {
    watch::reached(pool, head(pool).await?).await?;
    let memory = Arc::new(Mutex::new(Memory::new()));
    let watching = {
        let memory = Arc::clone(&memory);
        tokio::spawn(async move {
            loop {
                sleep(Duration::from_secs(1)).await;
                let mut largest = memory.lock().await;
                *largest = watch::largest(std::mem::take(&mut *largest), &watch::memory_mb());
            }
        })
    };
    let before = head(pool).await?;
    let load = Load { connections, time: arguments.sustained(), rate: None };
    let outcome = load::run(Arc::clone(&voters.votes), load).await?;
    let (after, served) = (head(pool).await?, watch::served(pool).await?);
    let lag = watch::reached(pool, after).await?;
    watching.abort();
    if outcome.refused + outcome.lost > 0 {
        say(&format!("  {} refused, {} lost", outcome.refused, outcome.lost));
    }
    let events_per_second = (after - before) as f64 / outcome.seconds;
    let memory_mb = memory.lock().await.clone();
    Ok(Sustained { outcome, events_per_second, lag_events: after - served, lag, memory_mb })
}

/// Microseconds from an accepted command to the reply of a read that asked for its position, with a
/// thousand commands a second going on.
pub(super) async fn readable(
    arguments: &Arguments,
    voters: &Voters,
    time: Duration,
) -> Result<Histogram<u64>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    for prober in voters.probers.clone() {
        let (stop, posts) = (Arc::clone(&stop), voters.posts.clone());
        let mut commands = Commands::new(&arguments.stack.command_addr);
        let mut reads = Reads::new(&arguments.stack.read_addr);
        tasks.spawn(async move {
            let mut waits = load::histogram();
            commands.act_as(&prober);
            for post in posts {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let body =
                    json!({ "target": { "kind": "post", "id": post }, "vote_state": "upvote" });
                let position = commands.send("cast-vote", &body).await?.position;
                let begun = Instant::now();
                reads.json(&format!("/v1/posts/{post}/score?min_position={position}")).await?;
                waits.saturating_record(begun.elapsed().as_micros() as u64);
                sleep(Duration::from_millis(35)).await;
            }
            Ok::<_, Failure>(waits)
        });
    }
    let load = Load { connections: 32, time, rate: Some(900) };
    load::run(Arc::clone(&voters.votes), load).await?;
    stop.store(true, Ordering::Relaxed);
    let mut waits = load::histogram();
    while let Some(done) = tasks.join_next().await {
        waits += done??;
    }
    Ok(waits)
}

/// A load alone, for profiling.
#[derive(Clone, Debug, clap::Args)]
pub struct VotesArguments {
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

pub async fn votes(arguments: VotesArguments) -> Result<(), Failure> {
    let pool = PgPool::connect(&arguments.database_url).await?;
    let begun = Instant::now();
    let (run, voters) = (scene::run_suffix(), arguments.voters);
    let scene = scene::set(&arguments.stack, &run, voters, arguments.posts).await?;
    say(&format!("{voters} voters, {} posts in {:.1?}", arguments.posts, begun.elapsed()));
    let votes = Arc::new(Votes::new(&arguments.stack.command_addr, &scene));
    for connections in arguments.connections {
        let before = head(&pool).await?;
        let time = Duration::from_secs(arguments.seconds);
        let load = Load { connections, time, rate: arguments.rate };
        let outcome = load::run(Arc::clone(&votes), load).await?;
        let (after, served) = (head(&pool).await?, watch::served(&pool).await?);
        say(&format!(
            "{connections} connections: {:.0} events/s appended, {:.0} accepted/s, p50 {:.2} ms, \
             p99 {:.2} ms, p99.9 {:.2} ms, {} refused, {} lost; projections {} behind; {} pairs left",
            (after - before) as f64 / outcome.seconds,
            outcome.rate(),
            outcome.latency_ms(0.5),
            outcome.latency_ms(0.99),
            outcome.latency_ms(0.999),
            outcome.refused,
            outcome.lost,
            after - served,
            votes.left(),
        ));
    }
    Ok(())
}
