//! What the security audit log costs the APIs, with it and without it side by side, and how fast it is
//! searched by each documented filter.

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

use agora_domain::security::audit::{AuditEventType, AuditResult, RiskScore};
use agora_event_store::{
    Vault,
    security_audit::{Entry, GATHER, Person, Store},
};
use agora_service::clock;
use chrono::TimeDelta;
use indicatif::HumanCount;
use sqlx::PgPool;
use tokio::{task::JoinSet, time::sleep};
use uuid::Uuid;

use super::{
    Failure, head, peers,
    report::{Report, median},
    watch,
};
use crate::{
    agora::{Commands, Reads},
    client::Client,
    load::{self, Load, Votes},
    progress::say,
    scene::{self, Stack},
    stack::Process,
};

/// How the security audit log is measured.
#[derive(Clone, Debug, clap::Args)]
pub struct AuditOptions {
    /// Of each round, of each side: with the security audit log and without it by turns
    #[arg(long, default_value_t = 3)]
    audit_seconds: u64,
    #[arg(long, default_value_t = 30)]
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
        fill(options, &pool, report).await?;
        searches(options, stack, &pool, vault, report).await?;
    }
    Ok(())
}

/// In flight.
const CONNECTIONS: usize = 64;
const VOTERS: usize = 200;
/// Votes a second that there must be enough of.
const VOTES_MAX: usize = 15_000;

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

    /// Waits until all entries of a load of so long are written; the share of both times that the load was.
    async fn share(&self, load: Duration, address: &str) -> Result<f64, Failure> {
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
                // How long entries wait for others is no work. Who writes may be as late without its showing: of
                // what entries cost, that hides as much as this time is of the load's.
                let late = begun.elapsed().saturating_sub(GATHER);
                return Ok(load.as_secs_f64() / (load + late).as_secs_f64());
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
    let mut sides = Vec::new();
    for told in [true, false] {
        let side = Side::start(database_url, told).await?;
        // Each has voters and posts of its own, so that no vote meets another side's.
        let run = scene::run_suffix();
        let seconds = options.audit_rounds * options.audit_seconds as usize;
        let posts = (seconds * VOTES_MAX).div_ceil(VOTERS);
        let scene = scene::set(stack, &run, VOTERS, posts).await?;
        let votes = Arc::new(Votes::new(&side.command_addr, &scene));
        sides.push((side, votes, scene.posts));
    }
    // Commands and reads a second of each round, with and without, and the processor time of each.
    let mut rates: [Vec<[f64; 2]>; 2] = Default::default();
    let mut costs: [Vec<[f64; 2]>; 2] = Default::default();
    for round in 0..options.audit_rounds {
        // Whoever is first has a colder machine.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for kind in [COMMANDS, READS] {
            // One right after the other: what else goes on where the machine stands changes within seconds.
            let (mut both, mut cost) = ([0.0_f64; 2], [0.0_f64; 2]);
            for index in order {
                let (side, votes, posts) = &sides[index];
                let begun = busy_us()?;
                let (served, address) = if kind == COMMANDS {
                    let load = Load { connections: CONNECTIONS, time, rate: None };
                    let outcome = load::run(Arc::clone(votes), load).await?;
                    if votes.left() == 0 {
                        return Err("there are no votes left to be given".into());
                    }
                    (outcome.rate(), &side.command_addr)
                } else {
                    (read(&side.read_addr, posts, CONNECTIONS, time).await?, &side.read_addr)
                };
                both[index] = served * side.share(time, address).await?;
                // What is still to be projected is not the next one's to pay for.
                watch::reached(&pool, head(&pool).await?).await?;
                cost[index] = (busy_us()? - begun) / (served * time.as_secs_f64());
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

/// Rows that are nobody's: found by time, type, result and risk, as they would be. Of 500 that come within a
/// second the first of each partition has a client, to which the others refer.
const FILL: &str = "
    INSERT INTO log.security_audit (recorded_at, log_id, retention_category, event_type, event_result,
        segment, user_key, ip_key, session_key, endpoint, http_method, response_code,
        request_size_bytes, response_size_bytes, processing_time_ms, risk_score, sealed,
        sealed_in_recorded_at, sealed_in_log_id)
    SELECT second + g % 500 * interval '1 ms', md5(g::text)::uuid,
        (CASE WHEN g % 50 = 0 THEN 'SECURITY' ELSE 'OPERATIONAL' END)::log.retention_category,
        (CASE WHEN g % 100 = 0 THEN 'LOGIN' ELSE 'API_ACCESS' END)::log.security_event_type,
        (CASE WHEN g % 50 = 0 THEN 'BLOCKED' WHEN g % 20 = 0 THEN 'FAILURE' ELSE 'SUCCESS' END)
            ::log.security_event_result,
        1, hashint8extended(g % 100000, 1), hashint8extended(g % 200000, 2),
        hashint8extended(g % 200000, 3), '/v1/commands/cast-vote', 'POST', 200, 120, 300, 2,
        CASE WHEN g % 50 = 0 THEN 60 WHEN g % 20 = 0 THEN 40 ELSE 0 END,
        CASE WHEN g = first THEN decode(repeat('ab', 200), 'hex') END,
        CASE WHEN g > first THEN second + first % 500 * interval '1 ms' END,
        CASE WHEN g > first THEN md5(first::text)::uuid END
    FROM (
        SELECT g, second, g - g % 500 + CASE WHEN g % 50 = 0 THEN 0 ELSE 1 END AS first
        FROM generate_series($1::bigint, $1 + 499999, 500) block
        CROSS JOIN LATERAL (SELECT now() - random() * $2 * interval '1 day' + block * interval '0') s (second)
        CROSS JOIN generate_series(block, block + 499) g) e";

async fn fill(options: &AuditOptions, pool: &PgPool, report: &mut Report) -> Result<(), Failure> {
    for day in 0..=options.audit_days {
        sqlx::query("SELECT log.prepare_security_audit((now() - $1 * interval '1 day')::date)")
            .bind(f64::from(day))
            .execute(pool)
            .await?;
    }
    let begun = Instant::now();
    let mut filled = 0;
    while filled < options.audit_rows {
        sqlx::query(FILL)
            .bind(i64::try_from(filled)?)
            .bind(f64::from(options.audit_days))
            .execute(pool)
            .await?;
        filled += 500_000;
    }
    sqlx::query(
        "SELECT log.mark_security_audit(day, retention_category) FROM log.security_audit_leaves",
    )
    .execute(pool)
    .await?;
    // What holds something has a chain; nobody verifies this one.
    sqlx::query(
        "INSERT INTO log.security_audit_segments (day, retention_category, number, entries, total, mac)
         SELECT day, retention_category, 1, 1, 1, sha256('') FROM log.security_audit_leaves
         WHERE retention_category IN ('OPERATIONAL', 'SECURITY') ON CONFLICT DO NOTHING",
    )
    .execute(pool)
    .await?;
    let rows = HumanCount(filled);
    report.line(
        &format!("security audit log filled with {rows} entries of {} days", options.audit_days),
        peers::per_second(filled as f64 / begun.elapsed().as_secs_f64()),
        "—",
        None,
    );
    Ok(())
}

async fn searches(
    options: &AuditOptions,
    stack: &Stack,
    pool: &PgPool,
    vault: Vault,
    report: &mut Report,
) -> Result<(), Failure> {
    let (user, session) = (clock::new_id(), clock::new_id());
    let wanted: Vec<Entry> = (0..400_u32)
        .map(|number| {
            let hours = i64::from(number) * i64::from(options.audit_days) * 24 / 400;
            let at = clock::now() - TimeDelta::hours(hours);
            let mut entry = Entry::at(at, AuditEventType::ApiAccess, AuditResult::Suspicious);
            entry.risk_score = RiskScore::try_from(95).unwrap_or_default();
            entry.person = Person {
                user: Some(user),
                kind: Some("member".into()),
                session: Some(session),
                ip: "198.51.100.77".parse().ok(),
                ..Person::default()
            };
            entry
        })
        .collect();
    Store::new(pool.clone(), vault).write(&wanted).await?;
    sqlx::query("VACUUM (ANALYZE) log.security_audit").execute(pool).await?;
    sqlx::query("VACUUM (ANALYZE) log.security_audit_tracks").execute(pool).await?;

    let mut admin = Commands::new(&stack.command_addr);
    let session_of = admin.log_in(&stack.admin_email, &stack.admin_password).await?;
    let mut reads = Reads::new(&stack.read_addr);
    reads.act_as(&session_of);
    let ago = |days: u32| {
        let at = clock::now() - TimeDelta::days(days.into());
        at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    let from_to =
        format!("from={}&to={}", ago(options.audit_days / 2 + 1), ago(options.audit_days / 2));
    for (named, filter) in [
        ("without a filter", String::new()),
        ("by user", format!("user={user}")),
        ("by address", "ip=198.51.100.77".to_owned()),
        ("by an address that is nowhere", "ip=198.51.100.78".to_owned()),
        ("by session", format!("session={session}")),
        ("by a rare type", "type=LOGIN".to_owned()),
        ("by a type that is nowhere", "type=DATA_EXPORT".to_owned()),
        ("by a frequent result", "result=BLOCKED".to_owned()),
        ("by a rare result", "result=SUSPICIOUS".to_owned()),
        ("by a frequent risk", "risk_min=50".to_owned()),
        ("by a rare risk", "risk_min=90".to_owned()),
        ("by time", from_to),
        ("by user, type and risk", format!("user={user}&type=API_ACCESS&risk_min=90")),
    ] {
        let mut times = load::histogram();
        for _ in 0..options.audit_searches {
            let begun = Instant::now();
            let page = reads.json(&format!("/v1/security-audit-logs?limit=50&{filter}")).await?;
            let found = page["items"].as_array().map_or(0, Vec::len);
            if found != if named.contains("nowhere") { 0 } else { 50 } {
                return Err(format!("{found} entries were found {named}").into());
            }
            times.saturating_record(begun.elapsed().as_micros() as u64);
        }
        let [p50, p99] = [0.5, 0.99].map(|it| times.value_at_quantile(it) as f64 / 1_000.0);
        report.line(
            &format!("search of {} security audit entries {named}", HumanCount(options.audit_rows)),
            format!("p50 {p50:.1} ms, p99 {p99:.1} ms"),
            "p99 < 50 ms",
            Some(p99 < 50.0),
        );
    }
    Ok(())
}
