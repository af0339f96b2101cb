//! The file that keeps records while Postgres is away: one JSON object a line.

use std::path::PathBuf;

use serde::{Serialize, de::DeserializeOwned};
use tokio::{fs, io::AsyncWriteExt};

/// Past this size records are dropped, and counted: a full disk would stop more than this log.
const BYTES_MAX: u64 = 64 << 20;

pub(super) struct Spill {
    path: PathBuf,
    /// Counter of what does not fit any more.
    lost: &'static str,
}

impl Spill {
    pub(super) fn new(path: PathBuf, lost: &'static str) -> Self {
        Self { path, lost }
    }

    pub(super) async fn keep(&self, rows: &[impl Serialize]) {
        if let Err(error) = self.try_keep(rows).await {
            metrics::counter!(self.lost).increment(rows.len() as u64);
            tracing::error!(%error, records = rows.len(), "records are lost");
        }
    }

    async fn try_keep(&self, rows: &[impl Serialize]) -> std::io::Result<()> {
        let mut file =
            fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path).await?;
        if file.metadata().await?.len() > BYTES_MAX {
            return Err(std::io::Error::other("the spill file is full"));
        }
        let mut lines = String::new();
        for row in rows {
            lines.push_str(&serde_json::to_string(row)?);
            lines.push('\n');
        }
        file.write_all(lines.as_bytes()).await?;
        file.sync_data().await
    }

    /// What is kept; `None` where nothing is. A line that a crash cut short is passed over.
    pub(super) async fn kept<R: DeserializeOwned>(&self) -> Option<Vec<R>> {
        let text = fs::read_to_string(&self.path).await.ok()?;
        let rows: Vec<R> =
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        (!rows.is_empty()).then_some(rows)
    }

    pub(super) async fn clear(&self) {
        if let Err(error) = fs::remove_file(&self.path).await {
            tracing::warn!(%error, "the spill file could not be removed; its records are stored");
        }
    }
}
