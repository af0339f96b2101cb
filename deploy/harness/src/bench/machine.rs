//! What was measured on.

use std::{fs, process::Command};

use sqlx::PgPool;

/// Settings of Postgres that decide about speed and safety.
const SETTINGS: [&str; 14] = [
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "wal_compression",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "max_connections",
    "jit",
    "commit_delay",
    "data_checksums",
    "autovacuum",
];

pub(super) struct Machine {
    pub(super) lines: Vec<(String, String)>,
}

pub(super) async fn describe(pool: &PgPool) -> Result<Machine, sqlx::Error> {
    let mut settings = Vec::new();
    for name in SETTINGS {
        let value: String =
            sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(pool).await?;
        settings.push(format!("`{name} = {value}`"));
    }
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kib: u64 = field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
    let lines = [
        ("Date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("Commit", said("git", &["rev-parse", "--short=12", "HEAD"])),
        ("Processor", format!("{}, {cores} cores", field("/proc/cpuinfo", "model name"))),
        ("Memory", format!("{:.1} GiB", kib as f64 / 1_048_576.0)),
        ("Kernel", said("uname", &["-sr"])),
        ("NATS", said("nats-server", &["--version"])),
        ("Postgres", settings.join(", ")),
    ];
    Ok(Machine { lines: lines.map(|(name, value)| (name.to_owned(), value)).to_vec() })
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned()).unwrap_or_default()
}
