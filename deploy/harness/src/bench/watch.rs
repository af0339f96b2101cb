//! The services from outside: memory, and how far the projections are.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use sqlx::PgPool;
use tokio::time::sleep;

/// The services' pids, as `.agora/env` names them.
const PIDS: [(&str, &str); 4] = [
    ("command-api", "AGORA_COMMAND_PID"),
    ("read-api", "AGORA_READ_PID"),
    ("projectors", "AGORA_PROJECTORS_PID"),
    ("process-managers", "AGORA_PROCESS_MANAGERS_PID"),
];

pub(super) type Memory = BTreeMap<&'static str, f64>;

/// Resident memory by service, of those whose pid is known.
pub(super) fn memory_mb() -> Memory {
    let resident = |variable: &str| {
        let pid = std::env::var(variable).ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
        Some(kib / 1_024.0)
    };
    PIDS.iter().filter_map(|(name, variable)| Some((*name, resident(variable)?))).collect()
}

pub(super) fn largest(mut one: Memory, other: &Memory) -> Memory {
    for (name, value) in other {
        let known = one.entry(name).or_insert(0.0);
        *known = known.max(*value);
    }
    one
}

/// What the slowest projection serves.
pub(super) async fn served(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT coalesce(min(read.served_position(projection)), 0) FROM read.checkpoints",
    )
    .fetch_one(pool)
    .await
}

/// Waits until the projections have reached a position; how long that took.
pub(super) async fn reached(pool: &PgPool, position: i64) -> Result<Duration, sqlx::Error> {
    let begun = Instant::now();
    while served(pool).await? < position {
        sleep(Duration::from_millis(5)).await;
    }
    Ok(begun.elapsed())
}
