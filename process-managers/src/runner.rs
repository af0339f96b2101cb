//! Runs one process: takes in events, keeps wake-ups, sends what is due.

use std::time::Duration;

use agora_command_api::App;
use agora_domain::process_managers::{Reaction, WakeUp};
use agora_event_store::{LoadError, Position, RecordedEvent, lease, read};
use agora_service::problem::Kind;
use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::processes::Process;

/// How often a process looks for new events and for what is due.
const PAUSE: Duration = Duration::from_secs(1);
/// A process that has asked Postgres nothing for so long is paused or cut off.
const STALLED: Duration = Duration::from_secs(60);
/// Events or wake-ups that are taken at a time.
const BATCH: i64 = 500;

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("a command could not be sent now: {0}")]
    Unavailable(String),
}

/// Runs until stopped. Of several instances one holds the process's lease; failures are logged and
/// tried again. What is under way when the stop comes is ended first: a mail that was sent, but whose
/// wake-up is still there, would be sent again.
pub async fn run<P: Process>(process: P, app: App, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = hold_lease(&process, &app, &stop).await {
            tracing::warn!(process = P::NAME, %error, "the process begins anew");
        }
        pause(&stop).await;
    }
}

/// A stop ends it.
async fn pause(stop: &CancellationToken) {
    stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
}

async fn hold_lease<P: Process>(
    process: &P,
    app: &App,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    // Nothing is under way yet, so a stop need not wait for Postgres.
    let Some(taken) = stop.run_until_cancelled(take_lease(app, P::NAME)).await else {
        return Ok(());
    };
    let Some(mut connection) = taken? else { return Ok(()) };
    while !stop.is_cancelled() {
        while !stop.is_cancelled() && take_in(process, app, &mut connection).await? {}
        while act(process, app, &mut connection, stop).await? {}
        pause(stop).await;
    }
    Ok(())
}

/// The connection that holds the process's lease; none where another instance does.
pub(crate) async fn take_lease(app: &App, name: &str) -> Result<Option<PgConnection>, sqlx::Error> {
    let options = app.log.pool().connect_options();
    let mut connection = lease::connect(PgConnectOptions::clone(&options)).await?;
    let number = sqlx::query_scalar("SELECT hashtextextended($1, 0)")
        .bind(format!("agora/process/{name}"))
        .fetch_one(&mut connection)
        .await?;
    let taken = lease::take(&mut connection, number, STALLED).await?;
    Ok(taken.then_some(connection))
}

/// Takes in the next events; false where there are no more.
async fn take_in<P: Process>(
    process: &P,
    app: &App,
    connection: &mut PgConnection,
) -> Result<bool, RunError> {
    let position: Option<i64> =
        sqlx::query_scalar("SELECT position FROM process.checkpoints WHERE process = $1")
            .bind(P::NAME)
            .fetch_optional(&mut *connection)
            .await?;
    let position = position.unwrap_or(0);
    let head = read::head(connection).await?;
    let events = wanted::<P>(connection, position, head).await?;
    let full = events.len() as i64 == BATCH;
    let reached = match events.last() {
        Some(last) if full => last.position,
        _ => head,
    };
    if read::to_db(reached) == position {
        return Ok(false);
    }
    let mut reactions = Vec::new();
    for event in &events {
        reactions.extend(process.on_event(app, event).await?);
    }
    let mut transaction = connection.begin().await?;
    for reaction in reactions {
        keep::<P>(&mut transaction, reaction).await?;
    }
    sqlx::query(
        "INSERT INTO process.checkpoints (process, position) VALUES ($1, $2)
         ON CONFLICT (process) DO UPDATE SET position = $2, updated_at = clock_timestamp()",
    )
    .bind(P::NAME)
    .bind(read::to_db(reached))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    metrics::gauge!("agora_process_position", "process" => P::NAME).set(reached as f64);
    Ok(full)
}

/// The events that the process reacts to, up to a head, so that what lies between them is passed.
async fn wanted<P: Process>(
    connection: &mut PgConnection,
    position: i64,
    head: Position,
) -> Result<Vec<RecordedEvent>, sqlx::Error> {
    let types: Vec<String> = P::EVENT_TYPES.iter().map(|name| (*name).to_owned()).collect();
    read::of_types(connection, read::from_db(position), head, BATCH, &types).await
}

async fn keep<P: Process>(
    connection: &mut PgConnection,
    reaction: Reaction<P::Command>,
) -> Result<(), sqlx::Error> {
    match reaction {
        Reaction::WakeUp(WakeUp { key, at, cause }) => {
            sqlx::query(
                "INSERT INTO process.wake_ups (process, key, at, cause) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (process, key) DO UPDATE SET at = $3, cause = $4, attempts = 0",
            )
            .bind(P::NAME)
            .bind(key)
            .bind(at)
            .bind(cause)
            .execute(connection)
            .await?;
        }
        Reaction::Cancel { key } => cancel(connection, P::NAME, key).await?,
        // A process that has to act at once asks to be woken now: acting needs the commit first.
        Reaction::Send { cause, .. } => {
            tracing::error!(process = P::NAME, %cause, "events only give wake-ups: not sent");
        }
    }
    Ok(())
}

async fn cancel(
    connection: &mut PgConnection,
    process: &str,
    key: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM process.wake_ups WHERE process = $1 AND key = $2")
        .bind(process)
        .bind(key)
        .execute(connection)
        .await?;
    Ok(())
}

/// Acts on what is due; false where nothing more is, or once it is stopped.
async fn act<P: Process>(
    process: &P,
    app: &App,
    connection: &mut PgConnection,
    stop: &CancellationToken,
) -> Result<bool, RunError> {
    let due: Vec<(Uuid, DateTime<Utc>, Uuid)> = sqlx::query_as(
        "SELECT key, at, cause FROM process.wake_ups
         WHERE process = $1 AND at <= clock_timestamp() ORDER BY at LIMIT $2",
    )
    .bind(P::NAME)
    .bind(BATCH)
    .fetch_all(&mut *connection)
    .await?;
    let full = due.len() as i64 == BATCH;
    for (key, at, cause) in due {
        if stop.is_cancelled() {
            return Ok(false);
        }
        let due = WakeUp { key, at, cause };
        match react(process, app, connection, due).await {
            // After the command: a crash in between sends it again, with the same event ids.
            Ok(()) => done(connection, P::NAME, due).await?,
            Err(RunError::Unavailable(reason)) => {
                tracing::warn!(process = P::NAME, reason, "a command has to wait");
                postpone(connection, P::NAME, due).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(full)
}

async fn react<P: Process>(
    process: &P,
    app: &App,
    connection: &mut PgConnection,
    due: WakeUp,
) -> Result<(), RunError> {
    for reaction in process.on_wake_up(due) {
        match reaction {
            Reaction::Send { command, cause } => send(process, app, command, cause).await?,
            other => keep::<P>(connection, other).await?,
        }
    }
    Ok(())
}

/// Takes a wake-up away, unless it has been set anew meanwhile.
async fn done(
    connection: &mut PgConnection,
    process: &str,
    WakeUp { key, at, cause }: WakeUp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM process.wake_ups WHERE process = $1 AND key = $2 AND at = $3 AND cause = $4",
    )
    .bind(process)
    .bind(key)
    .bind(at)
    .bind(cause)
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets a wake-up wait, so that one that fails keeps no others from their turn: ten seconds, and
/// twice as long each time, up to ten minutes.
async fn postpone(
    connection: &mut PgConnection,
    process: &str,
    WakeUp { key, at, cause }: WakeUp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE process.wake_ups
         SET at = clock_timestamp() + interval '10 seconds' * least(60, power(2, least(attempts, 6))),
             attempts = attempts + 1
         WHERE process = $1 AND key = $2 AND at = $3 AND cause = $4",
    )
    .bind(process)
    .bind(key)
    .bind(at)
    .bind(cause)
    .execute(connection)
    .await?;
    Ok(())
}

async fn send<P: Process>(
    process: &P,
    app: &App,
    command: P::Command,
    cause: Uuid,
) -> Result<(), RunError> {
    match process.send(app, command, cause).await {
        Ok(()) => {
            metrics::counter!("agora_process_commands", "process" => P::NAME).increment(1);
            Ok(())
        }
        // A conflict is others' haste, not an answer.
        Err(problem)
            if problem.kind.status().is_server_error()
                || matches!(problem.kind, Kind::Conflict | Kind::TooManyRequests) =>
        {
            Err(RunError::Unavailable(problem.detail.into_owned()))
        }
        Err(problem) => {
            tracing::info!(process = P::NAME, rule = problem.rule, "nothing left to do");
            Ok(())
        }
    }
}
