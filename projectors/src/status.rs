//! `projectors status`: where each projection is, how fast it moves, and what is wrong with it.

use std::time::Duration;

use serde::Serialize;
use sqlx::{ConnectOptions, postgres::PgConnectOptions};

use crate::{
    checkpoints::{self, State},
    log,
};

/// Between the two looks that give the rate.
const SAMPLE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Of the log.
    pub head: u64,
    pub projections: Vec<ProjectionStatus>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ProjectionStatus {
    pub name: &'static str,
    pub state: &'static str,
    pub position: u64,
    pub lag_events: u64,
    /// How fast the position moved in the last second.
    pub events_per_second: u64,
    pub version: i32,
    pub generation: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poison_position: Option<u64>,
}

impl Status {
    /// Looks twice, a second apart.
    pub async fn read(connect: &PgConnectOptions) -> Result<Self, sqlx::Error> {
        let mut connection = checkpoints::live(connect.clone()).connect().await?;
        let (progress, before) = checkpoints::load(&mut connection).await?;
        let before: Vec<_> = before.iter().map(|checkpoint| checkpoint.served(&progress)).collect();
        tokio::time::sleep(SAMPLE).await;
        let (progress, now) = checkpoints::load(&mut connection).await?;
        let head = log::head(&mut connection, progress.epoch).await?.position;
        let projections = now
            .into_iter()
            .zip(before)
            .map(|(checkpoint, before)| {
                let position = checkpoint.served(&progress);
                ProjectionStatus {
                    name: checkpoint.projection.name,
                    state: checkpoint.state.as_str(),
                    position,
                    lag_events: head.saturating_sub(position),
                    events_per_second: position.saturating_sub(before),
                    version: checkpoint.version,
                    generation: checkpoint.generation,
                    error: checkpoint.error.filter(|_| checkpoint.state != State::Running),
                    poison_position: checkpoint.poison_position,
                }
            })
            .collect();
        Ok(Self { head, projections })
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut lines = vec![format!(
            "{:<20} {:<12} {:>12} {:>10} {:>10} {:>4}",
            "PROJECTION", "STATE", "POSITION", "LAG", "EVENTS/S", "GEN"
        )];
        for projection in &self.projections {
            lines.push(format!(
                "{:<20} {:<12} {:>12} {:>10} {:>10} {:>4}",
                projection.name,
                projection.state,
                projection.position,
                projection.lag_events,
                projection.events_per_second,
                projection.generation
            ));
            if let Some(error) = &projection.error {
                let at = projection.poison_position.map(|at| format!(" at {at}"));
                lines.push(format!("  stopped{}: {error}", at.unwrap_or_default()));
            }
        }
        lines.push(format!("log: {}", self.head));
        lines.join("\n")
    }
}
