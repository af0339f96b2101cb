//! Rebuilds by the `projectors` binary, beside a `COPY` of the same log.

use std::{process::Command, time::Instant};

use sqlx::PgPool;

use super::{Arguments, Failure, head};
use crate::stack::binaries;

pub(super) struct Rebuilt {
    pub(super) name: String,
    /// That the projection wanted.
    pub(super) events: u64,
    pub(super) head: i64,
    /// The whole log by the time of the whole run, start and swap included.
    pub(super) log_events_per_second: f64,
}

impl Rebuilt {
    /// The least rate, beside that of `COPY`. Those with heavy traffic have most of the events to
    /// read, and are the ones that somebody waits for.
    pub(super) fn goal(&self) -> f64 {
        match self.name.as_str() {
            "post_scores" => 0.4,
            "post_votes" | "comment_scores" | "comment_votes" | "comments" => 0.3,
            _ => 0.15,
        }
    }
}

/// Every projection, one after the other.
pub(super) async fn all(arguments: &Arguments, pool: &PgPool) -> Result<Vec<Rebuilt>, Failure> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT projection FROM read.checkpoints ORDER BY projection <> 'post_scores', projection",
    )
    .fetch_all(pool)
    .await?;
    let head = head(pool).await?;
    let url = arguments.projector_url.as_ref().unwrap_or(&arguments.database_url);
    let mut rebuilt = Vec::new();
    for name in names {
        let mut command = Command::new(binaries().join("projectors"));
        command.args(["rebuild", &name]).env("DATABASE_URL", url);
        let begun = Instant::now();
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let seconds = begun.elapsed().as_secs_f64();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        // `post_scores   4711 events, live at position …`
        let events = text.split_whitespace().nth(1).and_then(|number| number.parse().ok());
        rebuilt.push(Rebuilt {
            name,
            events: events.unwrap_or(0),
            head,
            log_events_per_second: head as f64 / seconds,
        });
    }
    Ok(rebuilt)
}
