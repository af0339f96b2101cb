//! What the security audit log costs the APIs, with it and without it side by side.

mod searches;

use std::{
    net::TcpListener,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use agora_event_store::Vault;
use sqlx::PgPool;
use tokio::{task::JoinSet, time::sleep};
use uuid::Uuid;

use super::{
    Failure, head, peers,
    report::{Report, median},
    watch,
};
use crate::{
    agora::Reads,
    client::Client,
    load::{self, Load, Votes},
    progress::say,
    scene::{self, Scene, Stack},
    stack::Process,
};

/// How the security audit log is measured.
#[derive(Clone, Debug, clap::Args)]
pub struct AuditOptions {
    /// Of each round, of each side: with the security audit log and without it by turns
    #[arg(long, default_value_t = 1)]
    audit_seconds: u64,
    #[arg(long, default_value_t = 90)]
    audit_rounds: usize,
    /// Entries of the security audit log that are searched; 0 leaves the search out
    #[arg(long, default_value_t = 10_000_000)]
    audit_rows: u64,
    /// Over so many days
    #[arg(long, default_value_t = 30)]
    audit_days: u32,
    /// Searches by each filter
    #[arg(long, default_value_t = 200)]
    audit_searches: usize,
}

impl AuditOptions {
    pub(super) fn quick(&self) -> Self {
        Self {
            audit_seconds: self.audit_seconds.min(1),
            audit_rounds: self.audit_rounds.min(2),
            audit_rows: self.audit_rows.min(500_000),
            audit_searches: self.audit_searches.min(20),
            ..self.clone()
        }
    }
}

/// Part of a run: measures and reports both.
pub(super) async fn all(
    options: &AuditOptions,
    stack: &Stack,
    database_url: &str,
    vault: Vault,
    report: &mut Report,
) -> Result<(), Failure> {
    overhead(options, stack, database_url, report).await?;
    if options.audit_rows > 0 {
        let pool = PgPool::connect(database_url).await?;
        searches::fill(options, &pool, report).await?;
        searches::all(options, stack, &pool, vault, report).await?;
    }
    Ok(())
}

/// In flight.
const CONNECTIONS: usize = 64;
const VOTERS: usize = 200;
/// Votes a second that there must be enough of.
const VOTES_MAX: usize = 15_000;

/// Rounds until both sides get new processes: runs that kept theirs differed by more than their rounds tell.
const ROUNDS_OF_PROCESSES: usize = 6;

/// Both sides are left alone for so long after a load, in which the log writes its last group: what else goes on
/// meanwhile is of both then, as is the page of metrics that says whether all is written.
const SETTLES: Duration = Duration::from_millis(200);

/// What is measured of each side.
const COMMANDS: usize = 0;
const READS: usize = 1;

/// Both APIs of its own, with or without the log.
struct Side {
    command_addr: String,
    read_addr: String,
    _processes: [Process; 2],
}

fn free_address() -> std::io::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

impl Side {
    async fn start(database_url: &str, told: bool) -> Result<Self, Failure> {
        let binaries = std::env::current_exe()?.parent().map(PathBuf::from).unwrap_or_default();
        let (command_addr, read_addr) = (free_address()?, free_address()?);
        let start = |binary: &str| {
            let mut command = Command::new(binaries.join(binary));
            command
                .arg("serve")
                .env("DATABASE_URL", database_url)
                .env("AGORA_COMMAND_ADDR", &command_addr)
                .env("AGORA_READ_ADDR", &read_addr)
                .env("AGORA_COMMAND_URL", format!("http://{command_addr}"))
                .env("AGORA_SECURITY_AUDIT", told.to_string())
                .env("AGORA_LOG", "warn");
            let log = std::env::temp_dir().join(format!("agora-bench-audit-{binary}-{told}.log"));
            Process::spawn(&mut command, &log)
        };
        let processes = [start("command-api")?, start("read-api")?];
        for address in [&command_addr, &read_addr] {
            let deadline = Instant::now() + Duration::from_secs(30);
            let mut client = Client::new(address);
            while !client.get("/readyz").await.is_ok_and(|reply| reply.is_success()) {
                if Instant::now() > deadline {
                    return Err(format!("{address} is not ready").into());
                }
                sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(Self { command_addr, read_addr, _processes: processes })
    }

    /// Waits until all entries of what it was sent are written.
    async fn written(address: &str) -> Result<(), Failure> {
        let (begun, mut client) = (Instant::now(), Client::new(address));
        loop {
            let page = client.get("/metrics").await?;
            let page = String::from_utf8_lossy(&page.body);
            let count = |name: &str| -> f64 {
                let lines = page.lines().filter(|line| line.starts_with(name));
                lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
            };
            if count("agora_security_audit_dropped") > 0.0 {
                return Err("entries of the security audit log are lost".into());
            }
            if count("agora_security_audit_written") >= count("agora_security_audit_queued") {
                return Ok(());
            }
            if begun.elapsed() > Duration::from_secs(60) {
                return Err("the security audit log is not written".into());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn overhead(
    options: &AuditOptions,
    stack: &Stack,
    database_url: &str,
    report: &mut Report,
) -> Result<(), Failure> {
    let pool = PgPool::connect(database_url).await?;
    let time = Duration::from_secs(options.audit_seconds);
    let processors = std::thread::available_parallelism()?.get() as f64;
    // Each side has voters and posts of its own, so that no vote meets another side's; of the posts each pair of
    // processes has its share.
    let posts = (ROUNDS_OF_PROCESSES * options.audit_seconds as usize * VOTES_MAX).div_ceil(VOTERS);
    let pairs = options.audit_rounds.div_ceil(ROUNDS_OF_PROCESSES);
    let mut scenes = Vec::new();
    for _ in [true, false] {
        scenes.push(scene::set(stack, &scene::run_suffix(), VOTERS, posts * pairs).await?);
    }
    let mut sides = Vec::new();
    // Commands and reads a second of each round, with and without, and the processor time of each.
    let mut rates: [Vec<[f64; 2]>; 2] = Default::default();
    let mut costs: [Vec<[f64; 2]>; 2] = Default::default();
    for round in 0..options.audit_rounds {
        if round % ROUNDS_OF_PROCESSES == 0 {
            sides.clear();
            for (scene, told) in scenes.iter_mut().zip([true, false]) {
                let side = Side::start(database_url, told).await?;
                let posts = scene.posts.split_off(scene.posts.len() - posts);
                let scene = Scene { voters: scene.voters.clone(), posts };
                let votes = Arc::new(Votes::new(&side.command_addr, &scene));
                sides.push((side, votes, scene.posts));
            }
        }
        // Whoever is first has a colder machine.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for kind in [COMMANDS, READS] {
            // One right after the other: what else goes on where the machine stands changes within seconds.
            let (mut both, mut cost) = ([0.0_f64; 2], [0.0_f64; 2]);
            for index in order {
                let (side, votes, posts) = &sides[index];
                let begun = busy_us()?;
                let (rate, address) = if kind == COMMANDS {
                    let load = Load { connections: CONNECTIONS, time, rate: None };
                    let outcome = load::run(Arc::clone(votes), load).await?;
                    if votes.left() == 0 {
                        return Err("there are no votes left to be given".into());
                    }
                    (outcome.rate(), &side.command_addr)
                } else {
                    (read(&side.read_addr, posts, CONNECTIONS, time).await?, &side.read_addr)
                };
                let ended = busy_us()?;
                sleep(SETTLES).await;
                Side::written(address).await?;
                watch::reached(&pool, head(&pool).await?).await?;
                let (all, served) = (busy_us()?, rate * time.as_secs_f64());
                // What is still to be written and projected is not the next one's to pay for: as if the load had
                // gone on for as long as all processors need for it.
                let after = (all - ended) / processors / 1e6;
                both[index] = served / (time.as_secs_f64() + after);
                cost[index] = (all - begun) / served;
            }
            rates[kind].push(both);
            costs[kind].push(cost);
        }
        let [commands, reads] = [COMMANDS, READS].map(|kind| rates[kind][round]);
        say(&format!(
            "  round {}: {:.0} commands/s with the log, {:.0} without it; {:.0} and {:.0} reads/s",
            round + 1,
            commands[0],
            commands[1],
            reads[0],
            reads[1]
        ));
    }
    for (rates, what) in rates.iter().zip(["commands", "reads"]) {
        let ratios: Vec<f64> = rates.iter().map(|[with, without]| with / without).collect();
        let (ratio, mean) = (median(ratios.iter().copied()), mean(&ratios));
        let [with, without] = [0, 1].map(|side| median(rates.iter().map(|both| both[side])));
        report.line(
            &format!("{what} with the security audit log, median of {} rounds", rates.len()),
            format!(
                "{}, {ratio:.2} × those of the same round without it (median {}{mean})",
                peers::per_second(with),
                peers::per_second(without)
            ),
            "≥ 0.95 × those without it",
            Some(ratio >= 0.95),
        );
    }
    for (costs, what) in costs.iter().zip(["command", "read"]) {
        let ratio = median(costs.iter().map(|[with, without]| without / with));
        let [with, without] = [0, 1].map(|side| median(costs.iter().map(|both| both[side])));
        report.line(
            &format!("… processor time of the whole machine, load included, for a {what}, without and with it"),
            format!(
                "{without:.0} and {with:.0} µs: {ratio:.2} × as many in the same time (median)"
            ),
            "≥ 0.95 ×",
            Some(ratio >= 0.95),
        );
    }
    Ok(())
}

/// The geometric mean of ratios and its standard error; nothing where there are not two of them. (An arithmetic
/// one is too high by half of what the ratios vary by, squared.)
fn mean(ratios: &[f64]) -> String {
    let count = ratios.len() as f64;
    if ratios.len() < 2 {
        return String::new();
    }
    let mean = ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / count;
    let squares: f64 = ratios.iter().map(|ratio| (ratio.ln() - mean).powi(2)).sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    format!("; geometric mean {:.3}, standard error {error:.3}", mean.exp())
}

/// What all processors have worked until now, in microseconds; what a hypervisor took from them is no work.
fn busy_us() -> Result<f64, Failure> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/stat")?;
    let all = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let times: Vec<f64> = all.filter_map(|ticks| ticks.parse().ok()).collect();
    // user nice system idle iowait irq softirq
    let [user, nice, system, _, _, irq, softirq, ..] = times[..] else {
        return Err("/proc/stat does not say what processors do".into());
    };
    Ok((user + nice + system + irq + softirq) * 1e6 / TICKS_PER_SECOND)
}

/// Reads a second, with so many in flight.
async fn read(
    address: &str,
    posts: &[Uuid],
    connections: usize,
    time: Duration,
) -> Result<f64, Failure> {
    let (until, count) = (Instant::now() + time, Arc::new(AtomicU64::new(0)));
    let mut tasks = JoinSet::new();
    for number in 0..connections {
        let (count, mut reads) = (Arc::clone(&count), Reads::new(address));
        let posts = posts.to_vec();
        tasks.spawn(async move {
            for post in posts.iter().cycle().skip(number * 7) {
                if Instant::now() > until {
                    break;
                }
                reads.json(&format!("/v1/posts/{post}")).await?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(count.load(Ordering::Relaxed) as f64 / time.as_secs_f64())
}
