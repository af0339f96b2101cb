//! The file that keeps security records while Postgres is away: one JSON object a line.

use std::path::PathBuf;

use tokio::{fs, io::AsyncWriteExt};

use super::Row;

/// Past this size records are dropped, and counted: a full disk would stop more than this log.
const BYTES_MAX: u64 = 64 << 20;

pub(super) struct Spill {
    path: PathBuf,
}

impl Spill {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) async fn keep(&self, rows: &[Row]) {
        if let Err(error) = self.try_keep(rows).await {
            metrics::counter!("agora_security_records_lost").increment(rows.len() as u64);
            tracing::error!(%error, records = rows.len(), "security records are lost");
        }
    }

    async fn try_keep(&self, rows: &[Row]) -> std::io::Result<()> {
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
    pub(super) async fn kept(&self) -> Option<Vec<Row>> {
        let text = fs::read_to_string(&self.path).await.ok()?;
        let rows: Vec<Row> =
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        (!rows.is_empty()).then_some(rows)
    }

    pub(super) async fn clear(&self) {
        if let Err(error) = fs::remove_file(&self.path).await {
            tracing::warn!(%error, "the spill file could not be removed; its records are stored");
        }
    }
}
