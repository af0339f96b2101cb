//! Applies batches: tables, checkpoints and progress in one transaction, on one connection.

use agora_event_store::{
    Opener, Position, RecordedEvent,
    read::{self, to_db},
    vault::VaultError,
};
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    checkpoints::{self, Checkpoint, State},
    log::{self, Head},
    projection::{ApplyError, Projection},
};

/// Where a batch's events come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Log,
    /// The broker: what the log must give as digest of the same positions.
    Broker {
        digest: [u8; 32],
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Applied,
    /// The log holds something else at these positions: nothing was applied.
    Differs,
    /// Somebody else moved the progress, a projection was swapped, or the log began a new epoch:
    /// nothing was applied.
    Moved,
}

/// A projection as it is fed.
pub(super) struct Feed {
    pub(super) projection: &'static Projection,
    pub(super) generation: i64,
    /// Everything up to here is in the tables, or was not for this projection.
    pub(super) position: Position,
    /// What the checkpoint says; behind `position` by at most a second.
    stored: Position,
    pub(super) state: State,
}

pub(super) enum Failure {
    /// The feed of this index could not apply an event, and would not another time.
    Poison(usize, ApplyError),
    /// The feed of this index could not open what it must read.
    NoKeys(usize, VaultError),
    Moved,
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// All projections on one connection. Drop it where a database error comes out: the connection's
/// state is then unknown, and [`Applier::open`] reads everything again.
pub struct Applier {
    pub(super) connection: PgConnection,
    pub(super) opener: Opener,
    /// Not to ask the vault again before.
    pub(super) keys_asked_again: Option<Instant>,
    pub(super) position: Position,
    pub(super) edition: i64,
    pub(super) epoch: Uuid,
    pub(super) feeds: Vec<Feed>,
}

/// Moves the progress if it is where we know it, in the history we know, with the checkpoints of what the batch touches;
/// and asks the log for its digest. The first statement of a batch, so that a second runner waits
/// here and then finds it moved.
const ADVANCE: &str = "
    WITH moved AS (
        UPDATE read.progress SET position = $2, updated_at = clock_timestamp()
        WHERE position = $1 AND edition = $3
          AND epoch = (SELECT epoch FROM log.epochs ORDER BY number DESC LIMIT 1)
        RETURNING 1
    ), touched AS (
        UPDATE read.checkpoints c SET position = $2, updated_at = clock_timestamp()
        FROM unnest($4::text[], $5::bigint[]) AS u(projection, generation)
        WHERE c.projection = u.projection AND c.generation = u.generation
          AND c.state = 'running' AND c.position < $2 AND EXISTS (SELECT FROM moved)
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM touched),
           CASE WHEN $6 THEN (
               SELECT sha256(string_agg(e.entry_hash, ''::bytea))
               FROM (SELECT entry_hash FROM log.events
                     WHERE position > $1 AND position <= $2 ORDER BY position) e
           ) END";

impl Applier {
    /// Takes the projections up where their checkpoints are.
    pub async fn open(mut connection: PgConnection, opener: Opener) -> Result<Self, sqlx::Error> {
        checkpoints::register(&mut connection).await?;
        checkpoints::settle_versions(&mut connection).await?;
        super::laggards::retry_stopped(&mut connection).await?;
        let (position, edition, epoch) = (0, 0, Uuid::nil());
        let (keys_asked_again, feeds) = (None, Vec::new());
        let mut applier =
            Self { connection, opener, keys_asked_again, position, edition, epoch, feeds };
        applier.reload().await?;
        Ok(applier)
    }

    /// Reads again where everybody is.
    pub async fn reload(&mut self) -> Result<(), sqlx::Error> {
        let (progress, checkpoints) = checkpoints::load(&mut self.connection).await?;
        checkpoints::refuse_foreign(&mut self.connection).await?;
        self.position = progress.position;
        self.edition = progress.edition;
        self.epoch = progress.epoch;
        let feed = |checkpoint: Checkpoint| Feed {
            position: checkpoint.served(&progress),
            projection: checkpoint.projection,
            generation: checkpoint.generation,
            stored: checkpoint.position,
            state: checkpoint.state,
        };
        self.feeds = checkpoints.into_iter().map(feed).collect();
        Ok(())
    }

    /// What every running projection has seen.
    pub fn position(&self) -> Position {
        self.position
    }

    pub fn epoch(&self) -> Uuid {
        self.epoch
    }

    /// How many projections are stopped.
    pub fn stopped(&self) -> usize {
        self.feeds.iter().filter(|feed| feed.state == State::Stopped).count()
    }

    pub async fn head(&mut self) -> Result<Head, sqlx::Error> {
        log::head(&mut self.connection, self.epoch).await
    }

    /// The next events, from the log itself.
    pub async fn read_log(&mut self, limit: usize) -> Result<Vec<RecordedEvent>, sqlx::Error> {
        read::range(&mut self.connection, self.position, limit).await
    }

    /// Applies the events that follow directly on [`Self::position`]. A projection that cannot
    /// apply one of them is stopped before it, alone.
    pub async fn apply(
        &mut self,
        events: &[RecordedEvent],
        origin: Origin,
    ) -> Result<Outcome, sqlx::Error> {
        loop {
            match self.try_apply(events, origin).await {
                Ok(outcome) => return Ok(outcome),
                Err(Failure::Moved) => return Ok(Outcome::Moved),
                Err(Failure::Database(error)) => return Err(error),
                Err(Failure::NoKeys(feed, error)) => {
                    if !self.leave_behind(feed, &error).await? {
                        return Ok(Outcome::Moved);
                    }
                }
                Err(Failure::Poison(feed, _)) => {
                    let to = events.last().map_or(self.position, |event| event.position);
                    let wanted = self.wanted(feed, events);
                    match self.apply_alone(feed, &wanted, to).await {
                        // It is past the batch, or stopped: either way the others can go on.
                        Ok(()) => {}
                        Err(Failure::Database(error)) => return Err(error),
                        Err(Failure::NoKeys(feed, error)) => {
                            if !self.leave_behind(feed, &error).await? {
                                return Ok(Outcome::Moved);
                            }
                        }
                        Err(Failure::Moved | Failure::Poison(..)) => return Ok(Outcome::Moved),
                    }
                }
            }
        }
    }

    /// What of the events a feed has not seen and wants.
    pub(super) fn wanted<'e>(
        &self,
        feed: usize,
        events: &'e [RecordedEvent],
    ) -> Vec<&'e RecordedEvent> {
        let feed = &self.feeds[feed];
        let new = |event: &&RecordedEvent| event.position > feed.position;
        events.iter().filter(new).filter(|event| feed.projection.wants(event)).collect()
    }

    async fn try_apply(
        &mut self,
        events: &[RecordedEvent],
        origin: Origin,
    ) -> Result<Outcome, Failure> {
        let Some(to) = events.last().map(|event| event.position) else {
            return Ok(Outcome::Applied);
        };
        let touched: Vec<_> = (0..self.feeds.len())
            .filter(|feed| self.feeds[*feed].state == State::Running)
            .map(|feed| (feed, self.wanted(feed, events)))
            .filter(|(_, wanted)| !wanted.is_empty())
            .collect();
        let names: Vec<_> =
            touched.iter().map(|(feed, _)| self.feeds[*feed].projection.name).collect();
        let generations: Vec<_> =
            touched.iter().map(|(feed, _)| self.feeds[*feed].generation).collect();

        let mut tx = self.connection.begin().await?;
        let (moved, held, digest): (i64, i64, Option<Vec<u8>>) = sqlx::query_as(ADVANCE)
            .bind(to_db(self.position))
            .bind(to_db(to))
            .bind(self.edition)
            .bind(names)
            .bind(generations)
            .bind(matches!(origin, Origin::Broker { .. }))
            .fetch_one(&mut *tx)
            .await?;
        if moved != 1 || usize::try_from(held) != Ok(touched.len()) {
            tx.rollback().await?;
            return Err(Failure::Moved);
        }
        if let Origin::Broker { digest: claimed } = origin
            && digest.as_deref() != Some(claimed.as_slice())
        {
            tx.rollback().await?;
            return Ok(Outcome::Differs);
        }
        for (feed, wanted) in &touched {
            let projection = self.feeds[*feed].projection;
            if let Err(error) = projection.take(wanted, &self.opener, &mut tx).await {
                return Err(failure(*feed, error));
            }
        }
        tx.commit().await?;

        let touched: Vec<_> = touched.into_iter().map(|(feed, _)| feed).collect();
        self.position = to;
        for (index, feed) in self.feeds.iter_mut().enumerate() {
            if feed.state == State::Running {
                feed.position = feed.position.max(to);
                if touched.contains(&index) {
                    feed.stored = to;
                }
            }
        }
        Ok(Outcome::Applied)
    }

    /// One projection's events in a transaction of its own, with its checkpoint.
    pub(super) async fn apply_part(
        &mut self,
        feed: usize,
        events: &[&RecordedEvent],
        to: Position,
    ) -> Result<(), Failure> {
        let Feed { projection, generation, state, .. } = self.feeds[feed];
        let mut tx = self.connection.begin().await?;
        let held = sqlx::query(
            "UPDATE read.checkpoints SET position = $4, updated_at = clock_timestamp()
             WHERE projection = $1 AND generation = $2 AND state = $3 AND position = $5",
        )
        .bind(projection.name)
        .bind(generation)
        .bind(state.as_str())
        .bind(to_db(to))
        .bind(to_db(self.feeds[feed].stored))
        .execute(&mut *tx)
        .await?;
        if held.rows_affected() != 1 {
            tx.rollback().await?;
            return Err(Failure::Moved);
        }
        if !events.is_empty()
            && let Err(error) = projection.take(events, &self.opener, &mut tx).await
        {
            return Err(failure(feed, error));
        }
        tx.commit().await?;
        let feed = &mut self.feeds[feed];
        feed.position = to;
        feed.stored = to;
        Ok(())
    }

    /// Writes the checkpoints of projections that had nothing to do lately.
    pub async fn flush(&mut self) -> Result<(), sqlx::Error> {
        let behind: Vec<_> = self
            .feeds
            .iter_mut()
            .filter(|feed| feed.state == State::Running && feed.stored < feed.position)
            .collect();
        if behind.is_empty() {
            return Ok(());
        }
        // Another generation has its own checkpoint: nothing of it is touched here.
        let stored: Vec<String> = sqlx::query_scalar(
            "UPDATE read.checkpoints c SET position = u.position, updated_at = clock_timestamp()
             FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS u(name, generation, position)
             WHERE c.projection = u.name AND c.generation = u.generation
               AND c.state = 'running' AND c.position < u.position
             RETURNING c.projection",
        )
        .bind(behind.iter().map(|feed| feed.projection.name).collect::<Vec<_>>())
        .bind(behind.iter().map(|feed| feed.generation).collect::<Vec<_>>())
        .bind(behind.iter().map(|feed| to_db(feed.position)).collect::<Vec<_>>())
        .fetch_all(&mut self.connection)
        .await?;
        for feed in behind {
            if stored.iter().any(|name| name == feed.projection.name) {
                feed.stored = feed.position;
            }
        }
        Ok(())
    }

    /// Lets go of the leadership in good order.
    pub async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "the connection was gone already");
        }
    }

    /// Takes notice of another epoch. Where the log has lost what the tables hold, every projection
    /// stops: only a rebuild can take lost events out again.
    pub async fn check_history(&mut self, head: Head) -> Result<(), sqlx::Error> {
        let lost =
            head.position < self.position || head.kept.is_some_and(|kept| kept < self.position);
        if head.epoch == self.epoch && !lost {
            return Ok(());
        }
        let mut tx = self.connection.begin().await?;
        checkpoints::lock_progress(&mut tx).await?;
        if lost {
            tracing::error!(
                position = self.position,
                head = head.position,
                "the log no longer holds what was projected: run `projectors rebuild --all`"
            );
            sqlx::query(
                "UPDATE read.checkpoints SET state = 'stopped', poison_position = NULL,
                     error = 'the log lost events that are in these tables: run `projectors '
                         || 'rebuild --all`', updated_at = clock_timestamp()",
            )
            .execute(&mut *tx)
            .await?;
        }
        sqlx::query("UPDATE read.progress SET epoch = $1, position = least(position, $2)")
            .bind(head.epoch)
            .bind(to_db(head.kept.unwrap_or(head.position).min(head.position)))
            .execute(&mut *tx)
            .await?;
        checkpoints::raise_edition(&mut tx).await?;
        tx.commit().await?;
        self.reload().await
    }
}

pub(super) fn failure(feed: usize, error: ApplyError) -> Failure {
    match error {
        error if error.is_poison() => Failure::Poison(feed, error),
        ApplyError::Database(error) => Failure::Database(error),
        ApplyError::Vault(error) => Failure::NoKeys(feed, error),
        error @ ApplyError::Payload { .. } => Failure::Poison(feed, error),
    }
}
