//! After a fault: waits until a stack has healed by itself, and collects what the checker looks at.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use agora_event_store::read;
use sqlx::{Connection, PgConnection, Row};
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    checker::{self, Checkpoint, Observed, Violation},
    fold,
    stack::{Stack, StackError},
    workload::{Cast, History},
};

/// I9: how long healing may take without a person.
pub const HEALING: Duration = Duration::from_secs(25);

/// Waits for the stack to heal, then checks every invariant.
pub async fn verdict(
    stack: &mut Stack,
    cast: &Cast,
    history: History,
) -> Result<Vec<Violation>, StackError> {
    let observed = observe(stack, cast, history).await?;
    Ok(checker::check(&observed))
}

pub async fn observe(
    stack: &mut Stack,
    cast: &Cast,
    history: History,
) -> Result<Observed, StackError> {
    let not_ready = stack.ready().await.err().map(|error| error.to_string());
    let mut connection = PgConnection::connect(&stack.postgres.owner_url("agora")).await?;
    let found = database(&mut connection).await?;
    Ok(Observed {
        sent: history.sent,
        seen: history.seen,
        bad_errors: history.bad_errors,
        logs: stack.logs(),
        secrets: cast.secrets.clone(),
        not_healed: not_ready.or(found.not_healed),
        ..found
    })
}

/// What can be seen in the database alone, once everything that follows the log is at its head.
pub async fn database(connection: &mut PgConnection) -> Result<Observed, sqlx::Error> {
    let not_healed = settle(connection).await?;
    Ok(Observed {
        events: fold::events(connection).await?,
        wrong_hashes: wrong_hashes(connection).await?,
        tables: fold::live(connection).await?,
        checkpoints: checkpoints(connection).await?,
        wake_ups: wake_ups(connection).await?,
        not_healed,
        ..Observed::default()
    })
}

/// The sessions whose end the process `session-expiry` waits for.
async fn wake_ups(connection: &mut PgConnection) -> Result<BTreeSet<Uuid>, sqlx::Error> {
    let keys: Vec<Uuid> =
        sqlx::query_scalar("SELECT key FROM process.wake_ups WHERE process = 'session_expiry'")
            .fetch_all(connection)
            .await?;
    Ok(keys.into_iter().collect())
}

/// Waits until everything that follows the log is at its head; says what is not in time.
async fn settle(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    let deadline = Instant::now() + HEALING;
    loop {
        let head = read::to_db(read::head(connection).await?);
        let late: Vec<_> = checkpoints(connection)
            .await?
            .into_iter()
            .filter(|it| it.position != head || !it.is_running)
            .map(|it| format!("{} at {}", it.name, it.position))
            .collect();
        if late.is_empty() {
            return Ok(None);
        }
        if Instant::now() > deadline {
            let seconds = HEALING.as_secs();
            return Ok(Some(format!(
                "after {seconds} s the log is at {head}: {}",
                late.join(", ")
            )));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Of projections what they serve; of processes what they have read.
async fn checkpoints(connection: &mut PgConnection) -> Result<Vec<Checkpoint>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT projection AS name, read.served_position(projection) AS position,
                state = 'running' AS is_running
         FROM read.checkpoints
         UNION ALL
         SELECT process, position, true FROM process.checkpoints
         ORDER BY name",
    )
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Checkpoint {
                name: row.try_get("name")?,
                position: row.try_get("position")?,
                is_running: row.try_get("is_running")?,
            })
        })
        .collect()
}

async fn wrong_hashes(connection: &mut PgConnection) -> Result<Vec<i64>, sqlx::Error> {
    let events = read::range(connection, 0, usize::MAX).await?;
    let hashes: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT entry_hash FROM log.events ORDER BY position")
            .fetch_all(connection)
            .await?;
    let wrong = events.iter().zip(hashes).filter(|(event, hash)| event.entry_hash() != **hash);
    Ok(wrong.map(|(event, _)| read::to_db(event.position)).collect())
}
