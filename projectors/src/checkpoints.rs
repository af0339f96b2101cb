//! `read.checkpoints` and `read.progress`: how far each projection is.
//!
//! The progress row's position is what every *running* projection has seen. Its edition is raised in
//! each transaction that starts, stops or swaps a projection, and whoever moves the position must know
//! the edition: so nobody moves it past a projection that it does not feed.

use std::time::Duration;

use agora_event_store::{Position, read::from_db};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tracing::log::LevelFilter;
use uuid::Uuid;

use crate::{projection::Projection, projections};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Gets every event with the others.
    Running,
    /// New, or stopped before: reads the log until it is where the others are.
    CatchingUp,
    /// Could not apply an event, or was made by other code. Readers still see what it has.
    Stopped,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::CatchingUp => "catching_up",
            Self::Stopped => "stopped",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "running" => Self::Running,
            "catching_up" => Self::CatchingUp,
            _ => Self::Stopped,
        }
    }
}

#[derive(Clone)]
pub struct Checkpoint {
    pub projection: &'static Projection,
    pub version: i32,
    pub generation: i64,
    pub position: Position,
    pub state: State,
    pub error: Option<String>,
    pub poison_position: Option<Position>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub position: Position,
    pub edition: i64,
    pub epoch: Uuid,
}

impl Checkpoint {
    /// The position up to which the tables hold every event: `read.served_position`.
    pub fn served(&self, progress: &Progress) -> Position {
        match self.state {
            State::Running => self.position.max(progress.position),
            State::CatchingUp | State::Stopped => self.position,
        }
    }
}

/// Connects so that unqualified names mean the live read tables.
pub fn live(options: PgConnectOptions) -> PgConnectOptions {
    settings(options, "read")
}

/// Connects so that unqualified names mean the tables that a rebuild makes.
pub fn build(options: PgConnectOptions) -> PgConnectOptions {
    settings(options, "read_build").options([("synchronous_commit", "off")])
}

fn settings(options: PgConnectOptions, search_path: &str) -> PgConnectOptions {
    let options = options
        .application_name("agora-projectors")
        .log_statements(LevelFilter::Trace)
        .log_slow_statements(LevelFilter::Warn, Duration::from_secs(30));
    options.options([
        ("search_path", search_path),
        ("timezone", "UTC"),
        // Unnested arrays are over-estimated, and LLVM would take milliseconds for microseconds.
        ("jit", "off"),
        // A process that is paused in a transaction must not hold its locks for ever, nor a dead
        // peer its session.
        ("idle_in_transaction_session_timeout", "30s"),
        ("tcp_keepalives_idle", "5"),
        ("tcp_keepalives_interval", "2"),
        ("tcp_keepalives_count", "3"),
    ])
}

/// Locks the progress row: the first step of whatever changes a projection's state.
pub async fn lock_progress(connection: &mut PgConnection) -> Result<Progress, sqlx::Error> {
    let (position, edition, epoch): (i64, i64, Uuid) =
        sqlx::query_as("SELECT position, edition, epoch FROM read.progress FOR UPDATE")
            .fetch_one(connection)
            .await?;
    Ok(Progress { position: from_db(position), edition, epoch })
}

/// Says that a projection's state has changed; the caller holds the lock.
pub async fn raise_edition(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("UPDATE read.progress SET edition = edition + 1 RETURNING edition")
        .fetch_one(connection)
        .await
}

/// Names and versions of what this build can feed.
fn known() -> (Vec<&'static str>, Vec<i32>) {
    projections::ALL.iter().map(|projection| (projection.name, projection.version)).unzip()
}

/// Gives each registered projection its checkpoint.
pub async fn register(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut tx = connection.begin().await?;
    let progress = lock_progress(&mut tx).await?;
    let (names, versions) = known();
    // In an empty log everybody has seen everything.
    let state = if progress.position == 0 { State::Running } else { State::CatchingUp };
    let added = sqlx::query(
        "INSERT INTO read.checkpoints (projection, version, state)
         SELECT name, version, $3 FROM unnest($1::text[], $2::integer[]) AS u(name, version)
         ON CONFLICT (projection) DO NOTHING",
    )
    .bind(names)
    .bind(versions)
    .bind(state.as_str())
    .execute(&mut *tx)
    .await?;
    if added.rows_affected() > 0 {
        raise_edition(&mut tx).await?;
    }
    tx.commit().await
}

/// Stops the projections that this build cannot feed, and takes up again those that were stopped
/// only for their version and that it can. For who is about to feed them, and nobody else: the
/// leader's build decides.
pub async fn settle_versions(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut tx = connection.begin().await?;
    lock_progress(&mut tx).await?;
    let (names, versions) = known();
    let stopped = sqlx::query(
        "UPDATE read.checkpoints c SET state = 'stopped', poison_position = NULL,
             updated_at = clock_timestamp(),
             error = coalesce(format('made by version %s, and this is version %s: run `projectors '
                 || 'rebuild %s`', c.version, u.version, c.projection), 'not in this build')
         FROM read.checkpoints o
         LEFT JOIN unnest($1::text[], $2::integer[]) AS u(name, version) ON u.name = o.projection
         WHERE o.projection = c.projection AND c.version IS DISTINCT FROM u.version
           AND (c.state <> 'stopped' OR c.poison_position IS NOT NULL)",
    )
    .bind(&names)
    .bind(&versions)
    .execute(&mut *tx)
    .await?;
    let resumed = sqlx::query(
        "UPDATE read.checkpoints c SET state = 'catching_up', error = NULL,
             updated_at = clock_timestamp()
         FROM unnest($1::text[], $2::integer[]) AS u(name, version)
         WHERE u.name = c.projection AND u.version = c.version AND c.state = 'stopped'
           AND c.poison_position IS NULL
           AND (c.error LIKE 'made by version %' OR c.error = 'not in this build')",
    )
    .bind(names)
    .bind(versions)
    .execute(&mut *tx)
    .await?;
    if stopped.rows_affected() + resumed.rows_affected() > 0 {
        raise_edition(&mut tx).await?;
    }
    tx.commit().await
}

/// Refuses to feed while anything that is fed is not what this build knows (a newer build's, swapped
/// in meanwhile): moving on would apply the wrong code, or skip events for ever. Asked after what is
/// fed was loaded: a swap that comes later raises the edition.
///
/// # Errors
/// Where there is one.
pub async fn refuse_foreign(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let (names, versions) = known();
    let foreign: Option<String> = sqlx::query_scalar(
        "SELECT c.projection FROM read.checkpoints c
         LEFT JOIN unnest($1::text[], $2::integer[]) AS u(name, version) ON u.name = c.projection
         WHERE c.version IS DISTINCT FROM u.version
           AND (c.state = 'running' OR c.state = 'catching_up' AND u.name IS NOT NULL) LIMIT 1",
    )
    .bind(names)
    .bind(versions)
    .fetch_optional(connection)
    .await?;
    match foreign {
        None => Ok(()),
        Some(name) => Err(sqlx::Error::Decode(
            format!("the projection `{name}` runs in a version that this build does not have")
                .into(),
        )),
    }
}

/// All registered projections' checkpoints and the progress, from one snapshot.
pub async fn load(
    connection: &mut PgConnection,
) -> Result<(Progress, Vec<Checkpoint>), sqlx::Error> {
    // Without any checkpoint there is still the progress.
    type Row = (
        i64,
        i64,
        Uuid,
        Option<String>,
        Option<i32>,
        Option<i64>,
        Option<i64>,
        Option<String>,
        Option<String>,
        Option<i64>,
    );
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT p.position, p.edition, p.epoch, c.projection, c.version, c.generation, c.position,
             c.state, c.error, c.poison_position
         FROM read.progress p LEFT JOIN read.checkpoints c ON true ORDER BY c.projection",
    )
    .fetch_all(&mut *connection)
    .await?;
    let Some((position, edition, epoch, ..)) = rows.first() else {
        return Err(sqlx::Error::RowNotFound);
    };
    let progress = Progress { position: from_db(*position), edition: *edition, epoch: *epoch };
    let checkpoints = rows
        .into_iter()
        .filter_map(|(_, _, _, name, version, generation, position, state, error, poison)| {
            Some(Checkpoint {
                projection: projections::find(&name?)?,
                version: version?,
                generation: generation?,
                position: from_db(position?),
                state: State::parse(&state?),
                error,
                poison_position: poison.map(from_db),
            })
        })
        .collect();
    Ok((progress, checkpoints))
}
