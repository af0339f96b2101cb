//! Puts new tables in the place of the live ones, in one short transaction.

use std::time::{Duration, Instant};

use agora_event_store::{Position, read::to_db};
use sqlx::{Connection, PgConnection};

use super::{RebuildError, build::Build, checkpoint, level};
use crate::{checkpoints, log};

/// What may be left to apply while the projectors wait.
const REST_MAX: Position = 2_000;
/// How long to try: locks of readers, a projector that runs ahead.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the position and the generation of the tables that are live then.
pub(super) async fn swap(
    connection: &mut PgConnection,
    build: &mut Build,
) -> Result<(Position, i64), RebuildError> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(20);
    loop {
        let (progress, live) = checkpoint(build.projection, connection).await?;
        let head = log::head(connection, progress.epoch).await?.position;
        build.catch_up(head.max(level(&progress, &live)), connection).await?;
        match attempt(connection, build).await {
            Ok(Some(swapped)) => return Ok(swapped),
            // The projectors have moved on meanwhile.
            Ok(None) => {}
            Err(RebuildError::Database(error)) if is_contention(&error) => {
                tracing::debug!(%error, "the tables are in use: trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
            Err(error) => return Err(error),
        }
        if began.elapsed() > PATIENCE {
            return Err(RebuildError::Locked);
        }
    }
}

async fn attempt(
    connection: &mut PgConnection,
    build: &mut Build,
) -> Result<Option<(Position, i64)>, RebuildError> {
    let mut tx = connection.begin().await?;
    // Short, because whoever reads waits behind this lock once it is asked for.
    sqlx::query(
        "SELECT set_config('lock_timeout', '200ms', true), \
                        set_config('synchronous_commit', 'on', true)",
    )
    .execute(&mut *tx)
    .await?;
    checkpoints::lock_progress(&mut tx).await?;
    let (progress, live) = checkpoint(build.projection, &mut tx).await?;
    let to = build.position.max(level(&progress, &live));
    if to - build.position > REST_MAX {
        tx.rollback().await?;
        return Ok(None);
    }
    let rest = build.catch_up_within(to, &mut tx).await?;
    let generation: i64 = sqlx::query_scalar("SELECT read.swap_rebuild($1, $2, $3, $4)")
        .bind(build.projection.name)
        .bind(live.generation)
        .bind(build.projection.version)
        .bind(to_db(to))
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    build.position = to;
    build.events += rest;
    Ok(Some((to, generation)))
}

/// A lock that was not to be had, a deadlock that was resolved, a swap by somebody else.
fn is_contention(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| ["55P03", "40P01", "40001"].contains(&code.as_ref()))
}
