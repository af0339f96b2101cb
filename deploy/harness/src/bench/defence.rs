//! What defence costs and how soon it acts: a blocked request beside a served one, the block check alone,
//! and from an attack to the block while others are served.
//!
//! Clients of other addresses are told by `X-Forwarded-For`: `deploy/bench` lets this machine be the
//! trusted proxy.

use std::{
    fs,
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use agora_domain::security::network::Network;
use agora_event_store::blocklist::Blocklist;
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;
use tokio::{task::JoinSet, time::sleep};
use uuid::Uuid;

use super::{Arguments, Failure, http::Voters, paced::Paced, report::Report};
use crate::{
    agora::Commands,
    client::{self, Connection, status},
    load::{self, Load},
    scene::Stack,
};

const BLOCKED: &str = "203.0.113.66";
/// Requests of each side.
const REQUESTS: usize = 40_000;
const CONNECTIONS: usize = 16;
/// Addresses and networks on the list while the check is measured.
const LISTED: u32 = 100_000;
const CHECKS: u32 = 1_000_000;
/// Attacks one after the other, and what is served meanwhile.
const ATTACKS: u8 = 10;
const SERVED_PER_SECOND: u32 = 2_000;
/// Longer than entries of the security audit log wait.
const WRITTEN_AFTER: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(30);

/// Part of a run: measures and reports.
pub(super) async fn all(
    arguments: &Arguments,
    pool: &PgPool,
    voters: &Voters,
    report: &mut Report,
) -> Result<(), Failure> {
    let stack = &arguments.stack;
    block(stack).await?;
    let requests = if arguments.quick { REQUESTS / 10 } else { REQUESTS };
    let post = voters.posts.first().copied().unwrap_or_default();
    let path = format!("/v1/posts/{post}/score");

    let reads = Meter::new("AGORA_READ_PID", pool).await?;
    let served = get(&path, &stack.read_addr, None);
    let served = cost(&reads, &stack.read_addr, &served, 200, requests).await?;
    let refused = get(&path, &stack.read_addr, Some(BLOCKED));
    let refused = cost(&reads, &stack.read_addr, &refused, 403, requests).await?;
    compare(report, "a blocked read beside a served one", refused, served);

    let commands = Meter::new("AGORA_COMMAND_PID", pool).await?;
    let served = cost_of_votes(&commands, arguments, voters).await?;
    let refused = post_vote(&stack.command_addr);
    let refused = cost(&commands, &stack.command_addr, &refused, 403, requests).await?;
    compare(report, "a blocked command beside cast-vote", refused, served);

    let check = check_ns();
    report.line(
        "the block check, 100,000 addresses listed",
        format!("{check:.0} ns"),
        "< 5,000 ns",
        Some(check < 5_000.0),
    );

    let mut reactions = reactions(arguments, post).await?;
    reactions.sort_unstable();
    let (middle, worst) = (reactions[reactions.len() / 2], reactions[reactions.len() - 1]);
    report.line(
        "from an attack to its block, at 2,000 requests/s",
        format!(
            "p50 {} ms, at most {} ms ({ATTACKS} attacks)",
            middle.as_millis(),
            worst.as_millis()
        ),
        "≤ 1,000 ms",
        Some(worst <= Duration::from_secs(1)),
    );
    Ok(())
}

/// Of the service alone, and with what Postgres does for a request, at once or later.
fn compare(report: &mut Report, what: &str, refused: Cost, served: Cost) {
    for (of, refused, served) in [
        ("the service", refused.service, served.service),
        ("the service and Postgres", refused.sum(), served.sum()),
    ] {
        let ratio = refused / served;
        let measured = format!("{refused:.1} µs beside {served:.1} µs, {ratio:.3} ×");
        let what = format!("{what}, CPU of {of}");
        report.line(&what, measured, "< 0.1 × a served one", Some(ratio < 0.1));
    }
}

/// Puts an address on the blacklist and waits until both APIs know.
async fn block(stack: &Stack) -> Result<(), Failure> {
    let mut admin = Commands::new(&stack.command_addr);
    admin.log_in(&stack.admin_email, &stack.admin_password).await?;
    admin.send("blacklist-ip", &json!({ "address": BLOCKED, "reason": "A benchmark." })).await?;
    for address in [&stack.command_addr, &stack.read_addr] {
        blocked(address, BLOCKED).await?;
    }
    Ok(())
}

/// Waits until an address is refused; how long that took.
async fn blocked(address: &str, client: &str) -> Result<Duration, Failure> {
    let (begun, mut connection) = (Instant::now(), Connection::open(address).await?);
    let request = get("/problems/IPR-08", address, Some(client));
    loop {
        match connection.exchange(request.as_bytes(), |head, _| status(head)).await {
            Ok(403) => return Ok(begun.elapsed()),
            Ok(_) => {}
            Err(_) => connection = Connection::open(address).await?,
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("{client} is not blocked").into());
        }
        sleep(Duration::from_millis(5)).await;
    }
}

fn get(path: &str, host: &str, from: Option<&str>) -> String {
    let mut request = client::get(path, host, None);
    if let Some(from) = from {
        request.truncate(request.len() - 2);
        request.push_str(&format!("x-forwarded-for: {from}\r\n\r\n"));
    }
    request
}

fn post_vote(host: &str) -> String {
    let body = json!({ "target": { "kind": "post", "id": Uuid::nil() }, "vote_state": "upvote" });
    let body = body.to_string();
    format!(
        "POST /v1/commands/cast-vote HTTP/1.1\r\nhost: {host}\r\nx-forwarded-for: {BLOCKED}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Of a request, in microseconds of CPU.
#[derive(Clone, Copy, Debug)]
struct Cost {
    service: f64,
    postgres: f64,
}

impl Cost {
    fn sum(self) -> f64 {
        self.service + self.postgres
    }
}

/// Reads the CPU times of a service, and of Postgres.
struct Meter {
    service: String,
    postmaster: String,
}

/// In seconds, from a beginning of their own.
struct Reading {
    service: f64,
    postgres: f64,
}

impl Meter {
    /// `variable`: which says the service's pid.
    async fn new(variable: &str, pool: &PgPool) -> Result<Self, Failure> {
        let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(pool).await?;
        let postmaster =
            Stat::of(&backend.to_string()).ok_or("Postgres is not on this machine")?.parent;
        Ok(Self { service: std::env::var(variable)?, postmaster })
    }

    fn read(&self) -> Result<Reading, Failure> {
        let service = Stat::of(&self.service).ok_or("the service is gone")?.own;
        let all = fs::read_dir("/proc")?.flatten();
        let stats = all
            .filter_map(|entry| Some((entry.file_name(), Stat::of(entry.file_name().to_str()?)?)));
        let postgres = stats.map(|(pid, stat)| match stat {
            stat if *pid == *self.postmaster => stat.own + stat.ended,
            stat if stat.parent == self.postmaster => stat.own,
            _ => 0.0,
        });
        Ok(Reading { service, postgres: postgres.sum() })
    }

    /// What each of so many requests has cost since the reading.
    fn since(&self, before: &Reading, requests: usize) -> Result<Cost, Failure> {
        let now = self.read()?;
        let each = |seconds: f64| seconds * 1e6 / requests.max(1) as f64;
        Ok(Cost {
            service: each(now.service - before.service),
            postgres: each(now.postgres - before.postgres),
        })
    }
}

/// Of a process.
struct Stat {
    parent: String,
    /// Seconds of user and system time, and those of its children that have ended.
    own: f64,
    ended: f64,
}

impl Stat {
    fn of(pid: &str) -> Option<Self> {
        /// Linux counts in hundredths, whatever its own clock does.
        const TICKS: f64 = 100.0;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in brackets, may hold spaces.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(1);
        let parent = fields.next()?.to_owned();
        let mut times = fields.skip(9).map_while(|ticks| ticks.parse::<f64>().ok());
        let mut two = || Some((times.next()? + times.next()?) / TICKS);
        Some(Self { parent, own: two()?, ended: two()? })
    }
}

/// What a request costs. A lost connection is opened again: that is part of what a refusal costs.
async fn cost(
    meter: &Meter,
    address: &str,
    request: &str,
    expected: u16,
    requests: usize,
) -> Result<Cost, Failure> {
    let request: Arc<str> = request.into();
    let before = meter.read()?;
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (address, request) = (address.to_owned(), Arc::clone(&request));
        tasks.spawn(async move {
            let mut connection = Connection::open(&address).await?;
            for _ in 0..requests / CONNECTIONS {
                let got =
                    match connection.exchange(request.as_bytes(), |head, _| status(head)).await {
                        Ok(got) => got,
                        Err(_) => {
                            connection = Connection::open(&address).await?;
                            connection.exchange(request.as_bytes(), |head, _| status(head)).await?
                        }
                    };
                if got != expected {
                    return Err(format!("{got} instead of {expected}").into());
                }
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    // What a request leaves to be written is written by then.
    sleep(WRITTEN_AFTER).await;
    meter.since(&before, requests / CONNECTIONS * CONNECTIONS)
}

/// The same of a vote that is taken, in a load of them.
async fn cost_of_votes(
    meter: &Meter,
    arguments: &Arguments,
    voters: &Voters,
) -> Result<Cost, Failure> {
    let before = meter.read()?;
    let load =
        Load { connections: 64, time: arguments.short().min(Duration::from_secs(5)), rate: None };
    let outcome = load::run(Arc::clone(&voters.votes), load).await?;
    sleep(WRITTEN_AFTER).await;
    meter.since(&before, usize::try_from(outcome.accepted)?)
}

/// Nanoseconds of asking whether an address is refused, for addresses that are and that are not.
fn check_ns() -> f64 {
    let networks =
        (0..LISTED).map(|number| Network::of(Ipv4Addr::from_bits(0x0a00_0000 + number * 2).into()));
    let list = Blocklist::of_blocked(networks, DateTime::<Utc>::MAX_UTC);
    let now = || DateTime::<Utc>::UNIX_EPOCH;
    let begun = Instant::now();
    for number in 0..CHECKS {
        let address = IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + number % (2 * LISTED)));
        black_box(list.refuses(black_box(address), now));
    }
    begun.elapsed().as_nanos() as f64 / f64::from(CHECKS)
}

/// How long from the request that makes it an attack until the attacker is refused.
async fn reactions(arguments: &Arguments, post: Uuid) -> Result<Vec<Duration>, Failure> {
    let address = arguments.stack.read_addr.clone();
    let read = get(&format!("/v1/posts/{post}/score"), &address, None);
    let served = Paced {
        address: address.clone(),
        visits: Arc::new(vec![vec![read.into_bytes()]]),
        rate: SERVED_PER_SECOND,
        time: Duration::from_secs(u64::from(ATTACKS) * 2),
    };
    let serving = tokio::spawn(served.run());
    sleep(Duration::from_secs(1)).await;
    let mut reactions = Vec::new();
    for number in 0..ATTACKS {
        let attacker = format!("203.0.113.{}", 100 + number);
        let mut connection = Connection::open(&address).await?;
        let request = get("/.env", &address, Some(&attacker));
        for _ in 0..5 {
            connection.exchange(request.as_bytes(), |_, _| ()).await?;
        }
        reactions.push(blocked(&address, &attacker).await?);
    }
    let served = serving.await??;
    if served.failed > 0 {
        return Err(format!("{} honest requests were not served", served.failed).into());
    }
    Ok(reactions)
}
