//! Projections that are not where the others are: poisoned ones, which stop, and ones that were
//! stopped or are new, which read the log until they are level.

use std::time::Duration;

use agora_event_store::{Position, RecordedEvent, read::to_db, vault::VaultError};
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;

use super::applier::{Applier, Failure};
use crate::{
    checkpoints::{self, State},
    log,
    projection::{ApplyError, Columns},
};

/// How many positions a laggard takes at once; in between, the others get their batch.
const WINDOW: Position = 2_000;
/// How long the vault is left alone once it has not answered.
const VAULT_PAUSE: Duration = Duration::from_secs(5);

/// After a restart, poisoned projections get another chance: the code may know better now. Those
/// that only a rebuild can help stay as they are.
pub(super) async fn retry_stopped(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut tx = connection.begin().await?;
    checkpoints::lock_progress(&mut tx).await?;
    let retried = sqlx::query(
        "UPDATE read.checkpoints SET state = 'catching_up', updated_at = clock_timestamp()
         WHERE state = 'stopped' AND poison_position IS NOT NULL",
    )
    .execute(&mut *tx)
    .await?;
    if retried.rows_affected() > 0 {
        checkpoints::raise_edition(&mut tx).await?;
    }
    tx.commit().await
}

impl Applier {
    /// Whether any projection has to catch up with the others.
    pub fn has_laggards(&self) -> bool {
        self.laggard().is_some()
    }

    /// The first that can go on now: while the vault is away, those that need it cannot.
    fn laggard(&self) -> Option<usize> {
        let no_keys = self.keys_asked_again.is_some_and(|at| Instant::now() < at);
        self.feeds.iter().position(|feed| {
            feed.state == State::CatchingUp
                && !(no_keys && feed.projection.columns == Columns::Opened)
        })
    }

    /// Lets the others go on without a projection that cannot have its keys now; false where
    /// somebody else moved something meanwhile.
    pub(super) async fn leave_behind(
        &mut self,
        index: usize,
        error: &VaultError,
    ) -> Result<bool, sqlx::Error> {
        let feed = &self.feeds[index];
        let (name, generation, position) = (feed.projection.name, feed.generation, feed.position);
        tracing::warn!(projection = name, %error, "the others go on without it until the vault is back");
        self.keys_asked_again = Some(Instant::now() + VAULT_PAUSE);
        let mut tx = self.connection.begin().await?;
        if checkpoints::lock_progress(&mut tx).await?.edition != self.edition {
            tx.rollback().await?;
            return Ok(false);
        }
        sqlx::query(
            "UPDATE read.checkpoints
             SET state = 'catching_up', position = greatest(position, $3),
                 updated_at = clock_timestamp()
             WHERE projection = $1 AND generation = $2 AND state = 'running'",
        )
        .bind(name)
        .bind(generation)
        .bind(to_db(position))
        .execute(&mut *tx)
        .await?;
        checkpoints::raise_edition(&mut tx).await?;
        tx.commit().await?;
        self.reload().await?;
        Ok(true)
    }

    /// Brings the first laggard a step on; when it is level, it runs with the others.
    pub async fn catch_up_step(&mut self) -> Result<(), sqlx::Error> {
        let Some(index) = self.laggard() else { return Ok(()) };
        let feed = &self.feeds[index];
        let (projection, after) = (feed.projection, feed.position);
        let step = if after < self.position {
            let to = self.position.min(after + WINDOW);
            let (types, columns) = (projection.event_types, projection.columns);
            let events = log::copy(&mut self.connection, after, to, types, columns).await?;
            let events: Vec<_> = events.iter().collect();
            self.apply_alone(index, &events, to).await
        } else {
            self.start(index).await
        };
        match step {
            Ok(()) => Ok(()),
            Err(Failure::Database(error)) => Err(error),
            Err(Failure::NoKeys(_, error)) => {
                tracing::warn!(%error, "the vault is still away");
                self.keys_asked_again = Some(Instant::now() + VAULT_PAUSE);
                Ok(())
            }
            Err(Failure::Moved | Failure::Poison(..)) => self.reload().await,
        }
    }

    /// Applies one projection's events up to `to`, apart from the others. Where an event cannot be
    /// applied, halving finds it, everything before it is applied, and the projection stops there.
    pub(super) async fn apply_alone(
        &mut self,
        feed: usize,
        events: &[&RecordedEvent],
        to: Position,
    ) -> Result<(), Failure> {
        let mut parts = vec![(events, to)];
        while let Some((part, to)) = parts.pop() {
            match self.apply_part(feed, part, to).await {
                Ok(()) => {}
                Err(Failure::Poison(_, error)) => match part {
                    [] => return Err(Failure::Moved),
                    [event] => return self.stop(feed, event.position, &error).await,
                    _ => {
                        let (first, second) = part.split_at(part.len() / 2);
                        let middle = first.last().map_or(to, |event| event.position);
                        parts.push((second, to));
                        parts.push((first, middle));
                    }
                },
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Stops a projection before the event that it cannot apply.
    async fn stop(
        &mut self,
        index: usize,
        poison: Position,
        error: &ApplyError,
    ) -> Result<(), Failure> {
        let error = described(error);
        let feed = &self.feeds[index];
        tracing::error!(
            projection = feed.projection.name,
            position = poison,
            error,
            "a projection cannot apply an event and stops there; the others go on. Mend the code, \
             then restart, or run `projectors rebuild {}`",
            feed.projection.name
        );
        metrics::counter!("agora_projection_poisoned_total", "projection" => feed.projection.name)
            .increment(1);
        let before = poison.saturating_sub(1).max(feed.position);
        let generation = feed.generation;
        let mut tx = self.connection.begin().await?;
        if checkpoints::lock_progress(&mut tx).await?.edition != self.edition {
            tx.rollback().await?;
            return Err(Failure::Moved);
        }
        sqlx::query(
            "UPDATE read.checkpoints
             SET state = 'stopped', position = greatest(position, $3), error = $4,
                 poison_position = $5, updated_at = clock_timestamp()
             WHERE projection = $1 AND generation = $2",
        )
        .bind(feed.projection.name)
        .bind(generation)
        .bind(to_db(before))
        .bind(error)
        .bind(to_db(poison))
        .execute(&mut *tx)
        .await?;
        checkpoints::raise_edition(&mut tx).await?;
        tx.commit().await?;
        Ok(self.reload().await?)
    }

    /// Lets a projection that is level run with the others.
    async fn start(&mut self, index: usize) -> Result<(), Failure> {
        let feed = &self.feeds[index];
        let (name, generation) = (feed.projection.name, feed.generation);
        let mut tx = self.connection.begin().await?;
        let progress = checkpoints::lock_progress(&mut tx).await?;
        if progress.edition != self.edition || progress.position != self.position {
            tx.rollback().await?;
            return Err(Failure::Moved);
        }
        sqlx::query(
            "UPDATE read.checkpoints SET state = 'running', error = NULL, poison_position = NULL,
                 updated_at = clock_timestamp()
             WHERE projection = $1 AND generation = $2 AND state = 'catching_up'",
        )
        .bind(name)
        .bind(generation)
        .execute(&mut *tx)
        .await?;
        checkpoints::raise_edition(&mut tx).await?;
        tx.commit().await?;
        tracing::info!(projection = name, position = self.position, "a projection is level again");
        Ok(self.reload().await?)
    }
}

/// For operators: what went wrong, without the values that Postgres quotes in its details.
fn described(error: &ApplyError) -> String {
    match error {
        ApplyError::Database(sqlx::Error::Database(error)) => {
            let code = error.code().unwrap_or_default();
            let table = error.table().map(|table| format!(", table {table}")).unwrap_or_default();
            let rule = error.constraint().map(|name| format!(", rule {name}")).unwrap_or_default();
            format!("SQLSTATE {code}{table}{rule}: {}", error.message())
        }
        error => error.to_string(),
    }
}
