//! Rebuilding projections: new tables beside the live ones, straight from the log, swapped in one
//! short transaction. Needs no broker, and works whether or not projectors run.

use std::time::{Duration, Instant};

use agora_event_store::{Position, vault::VaultError};
use indicatif::ProgressBar;
use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};

use crate::{
    checkpoints::{self, Checkpoint, Progress, State},
    databases::Databases,
    log,
    projection::{ApplyError, Projection},
};
use build::Build;
pub use verify::Difference;

mod build;
mod swap;
pub mod verify;

/// First half of the advisory lock that keeps two rebuilds of one projection apart.
const LOCK: i32 = 418_347;

#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error("the database failed, and nothing was swapped; run the rebuild again: {0}")]
    Database(#[from] sqlx::Error),
    #[error("an event cannot be applied, and nothing was swapped; mend the projection first: {0}")]
    Apply(ApplyError),
    #[error("the vault failed, and nothing was swapped; run the rebuild again: {0}")]
    Vault(VaultError),
    #[error("another rebuild of this projection is running; wait until it has ended")]
    Busy,
    #[error("{} rows differ from the live tables, so nothing was swapped", .0.len())]
    Differs(Vec<Difference>),
    #[error(
        "the tables stayed locked for a minute, so nothing was swapped; look for long \
             transactions in pg_stat_activity, then run the rebuild again"
    )]
    Locked,
}

impl From<ApplyError> for RebuildError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Database(error) if !ApplyError::is_transient(&error) => {
                Self::Apply(ApplyError::Database(error))
            }
            ApplyError::Database(error) => Self::Database(error),
            ApplyError::Vault(error) => Self::Vault(error),
            error => Self::Apply(error),
        }
    }
}

/// What came of a rebuild.
#[derive(Debug)]
pub struct Rebuilt {
    pub name: &'static str,
    /// Wanted events that were applied.
    pub events: u64,
    /// From the start of the whole run.
    pub took: Duration,
    pub result: Result<Swapped, RebuildError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swapped {
    pub position: Position,
    pub generation: i64,
    /// Rows compared with the live tables, where that was asked for.
    pub verified_rows: Option<u64>,
}

/// Rebuilds the projections; each succeeds or fails alone.
///
/// # Errors
/// Where the database cannot be reached at all.
pub async fn run(
    databases: &Databases,
    chosen: &[&'static Projection],
    verify: bool,
    bar: &ProgressBar,
) -> Result<Vec<Rebuilt>, RebuildError> {
    let began = Instant::now();
    let connect = &databases.log;
    let mut connection = checkpoints::build(connect.clone()).connect().await?;
    checkpoints::register(&mut connection).await?;
    let mut builds = Vec::with_capacity(chosen.len());
    for projection in chosen.iter().copied() {
        let mut build = Build::new(projection, databases.opener.clone());
        let begun = begin(projection, &mut connection).await;
        build.note(begun);
        builds.push(build);
    }
    let target = first_target(&mut connection, &builds, verify).await?;
    bar.set_length(target);
    build::all(connect, &mut connection, &mut builds, target, bar).await?;
    let mut rebuilt = Vec::with_capacity(builds.len());
    for mut build in builds {
        bar.set_message(build.projection.name);
        let result = finish(connect, &mut connection, &mut build, verify).await;
        let name = build.projection.name;
        if !matches!(result, Ok(_) | Err(RebuildError::Busy)) {
            // What is left by this is dropped by the next rebuild.
            if let Err(error) = drop_build(name, &mut connection).await {
                tracing::warn!(%error, "what the rebuild of {name} made could not be dropped");
            }
        }
        unlock(name, &mut connection).await?;
        rebuilt.push(Rebuilt { name, events: build.events, took: began.elapsed(), result });
    }
    bar.finish_and_clear();
    Ok(rebuilt)
}

async fn begin(projection: &Projection, connection: &mut PgConnection) -> Result<(), RebuildError> {
    let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1, hashtext($2))")
        .bind(LOCK)
        .bind(projection.name)
        .fetch_one(&mut *connection)
        .await?;
    if !locked {
        return Err(RebuildError::Busy);
    }
    sqlx::query("SELECT read.begin_rebuild($1)").bind(projection.name).execute(connection).await?;
    Ok(())
}

/// How far the first pass goes: to the head, or, where live and new tables are to be compared, to
/// where the live ones are.
async fn first_target(
    connection: &mut PgConnection,
    builds: &[Build],
    verify: bool,
) -> Result<Position, RebuildError> {
    let (progress, checkpoints) = checkpoints::load(connection).await?;
    let head = log::head(connection, progress.epoch).await?.position;
    if !verify {
        return Ok(head);
    }
    let served = builds.iter().filter_map(|build| {
        let name = build.projection.name;
        let checkpoint = checkpoints.iter().find(|one| one.projection.name == name)?;
        Some(checkpoint.served(&progress))
    });
    Ok(served.min().unwrap_or(head).min(head))
}

async fn finish(
    connect: &PgConnectOptions,
    connection: &mut PgConnection,
    build: &mut Build,
    verify: bool,
) -> Result<Swapped, RebuildError> {
    if let Some(error) = build.failed.take() {
        return Err(error);
    }
    sqlx::query("SELECT read.index_rebuild($1)")
        .bind(build.projection.name)
        .execute(&mut *connection)
        .await?;
    let verified_rows = if verify {
        let verified = verify::against_live(connect, connection, build).await?;
        if !verified.differences.is_empty() {
            return Err(RebuildError::Differs(verified.differences));
        }
        Some(verified.rows)
    } else {
        None
    };
    let (position, generation) = swap::swap(connection, build).await?;
    Ok(Swapped { position, generation, verified_rows })
}

/// The projection's own checkpoint with the progress.
async fn checkpoint(
    projection: &Projection,
    connection: &mut PgConnection,
) -> Result<(Progress, Checkpoint), sqlx::Error> {
    let (progress, checkpoints) = checkpoints::load(connection).await?;
    let own = checkpoints.into_iter().find(|one| one.projection.name == projection.name);
    Ok((progress, own.ok_or(sqlx::Error::RowNotFound)?))
}

/// How far new tables must be to take the place of the live ones: readers never go back, and who
/// runs has seen what the progress counts. What a stopped projection says of itself may be of a
/// history that the log has lost.
fn level(progress: &Progress, checkpoint: &Checkpoint) -> Position {
    match checkpoint.state {
        State::Running => checkpoint.served(progress),
        State::CatchingUp | State::Stopped => progress.position,
    }
}

async fn drop_build(name: &str, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT read.drop_rebuild($1)").bind(name).execute(connection).await?;
    Ok(())
}

async fn unlock(name: &str, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_unlock($1, hashtext($2))")
        .bind(LOCK)
        .bind(name)
        .execute(connection)
        .await?;
    Ok(())
}
