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
const PATIENCE: Duration = Duration::from_secs(30);

/// Part of a run: measures and reports.
pub(super) async fn all(
    arguments: &Arguments,
    voters: &Voters,
    report: &mut Report,
) -> Result<(), Failure> {
    let stack = &arguments.stack;
    block(stack).await?;
    let requests = if arguments.quick { REQUESTS / 10 } else { REQUESTS };
    let post = voters.posts.first().copied().unwrap_or_default();
    let path = format!("/v1/posts/{post}/score");

    let served = get(&path, &stack.read_addr, None);
    let served = cost_us("AGORA_READ_PID", &stack.read_addr, &served, 200, requests).await?;
    let refused = get(&path, &stack.read_addr, Some(BLOCKED));
    let refused = cost_us("AGORA_READ_PID", &stack.read_addr, &refused, 403, requests).await?;
    compare(report, "a blocked read beside a served one, CPU of the service", refused, served);

    let served = vote_us(arguments, voters).await?;
    let refused = post_vote(&stack.command_addr);
    let refused =
        cost_us("AGORA_COMMAND_PID", &stack.command_addr, &refused, 403, requests).await?;
    compare(report, "a blocked command beside cast-vote, CPU of the service", refused, served);

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

fn compare(report: &mut Report, what: &str, refused: f64, served: f64) {
    let ratio = refused / served;
    let measured = format!("{refused:.1} µs beside {served:.1} µs, {ratio:.3} ×");
    report.line(what, measured, "< 0.1 × a served one", Some(ratio < 0.1));
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

/// Microseconds of CPU that a service takes for a request. A lost connection is opened again: that is part
/// of what a refusal costs.
async fn cost_us(
    pid: &str,
    address: &str,
    request: &str,
    expected: u16,
    requests: usize,
) -> Result<f64, Failure> {
    let request: Arc<str> = request.into();
    let before = cpu_seconds(pid)?;
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
    let done = requests / CONNECTIONS * CONNECTIONS;
    Ok((cpu_seconds(pid)? - before) * 1e6 / done as f64)
}

/// The same of a vote that is taken, in a load of them.
async fn vote_us(arguments: &Arguments, voters: &Voters) -> Result<f64, Failure> {
    let before = cpu_seconds("AGORA_COMMAND_PID")?;
    let load =
        Load { connections: 64, time: arguments.short().min(Duration::from_secs(5)), rate: None };
    let outcome = load::run(Arc::clone(&voters.votes), load).await?;
    let spent = cpu_seconds("AGORA_COMMAND_PID")? - before;
    Ok(spent * 1e6 / outcome.accepted.max(1) as f64)
}

/// User and system time of a service.
fn cpu_seconds(pid: &str) -> Result<f64, Failure> {
    /// Linux counts in hundredths, whatever its own clock does.
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{}/stat", std::env::var(pid)?))?;
    // The name, in brackets, may hold spaces.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    let ticks: f64 = ticks.collect::<Result<Vec<_>, _>>()?.into_iter().sum();
    Ok(ticks / TICKS)
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
