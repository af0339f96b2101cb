//! Writes the search tables anew where somebody who was erased asks for it (docs/erasure.md): no word
//! stays in dead rows then. Once for all who have asked by the time it begins.

use std::time::Duration;

use indicatif::ProgressBar;
use sqlx::{ConnectOptions, PgConnection};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{checkpoints, databases::Databases, rebuild, search};

/// How often it is looked whether anybody has asked.
const LOOK: Duration = Duration::from_secs(1);
/// After a failure it is looked again after so long.
const PAUSE: Duration = Duration::from_secs(10);
/// Transactions that may still see what is gone have so long to end, a backup among them.
const PATIENCE: Duration = Duration::from_secs(3_600);
const ASKED_EVERY: Duration = Duration::from_millis(250);
/// As for a projection's rebuild, of which it is a whole.
const LOCK: &str = "SELECT pg_try_advisory_lock(418347, hashtext('search_rewrites'))";

/// Keeps at it until stopped. Of several instances that try at once one does it.
pub async fn run(databases: Databases, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pause = match rewrite(&databases).await {
            Ok(0) => LOOK,
            Ok(requests) => {
                tracing::info!(requests, "the search tables were written anew");
                LOOK
            }
            Err(error) => {
                tracing::warn!(error, "the search tables are not written anew yet");
                PAUSE
            }
        };
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

/// Does what was asked for; says for how many requests.
///
/// # Errors
/// Where the tables are as they were: it is to be tried again.
pub async fn rewrite(databases: &Databases) -> Result<u64, String> {
    let says = |error: sqlx::Error| error.to_string();
    let mut connection = checkpoints::live(databases.log.clone()).connect().await.map_err(says)?;
    // It ends with the connection.
    let is_ours: bool = sqlx::query_scalar(LOCK).fetch_one(&mut connection).await.map_err(says)?;
    if !is_ours {
        return Ok(0);
    }
    let newest: Option<i64> =
        sqlx::query_scalar("SELECT max(number) FROM search.rewrites WHERE done_at IS NULL")
            .fetch_one(&mut connection)
            .await
            .map_err(says)?;
    let Some(newest) = newest else { return Ok(0) };
    let personal = search::personal();
    let rebuilt = rebuild::run(databases, &personal, false, &ProgressBar::hidden()).await;
    for rebuilt in rebuilt.map_err(|error| error.to_string())? {
        rebuilt.result.map_err(|error| format!("{}: {error}", rebuilt.name))?;
    }
    let undone = leave_nothing(&mut connection).await.map_err(says)?;
    settle(&mut connection, newest, undone).await.map_err(says)
}

/// Of tables that are gone the planner's statistics and the write-ahead log still hold words: both are
/// written anew, or over. What the database does not let be done is returned.
///
/// # Errors
/// Where the database fails, or a transaction that may see the old statistics does not end.
pub async fn leave_nothing(
    connection: &mut PgConnection,
) -> Result<Option<&'static str>, sqlx::Error> {
    let gone: String =
        sqlx::query_scalar("SELECT pg_current_xact_id()::text").fetch_one(&mut *connection).await?;
    let deadline = Instant::now() + PATIENCE;
    let are_rewritten = loop {
        let rewritten = sqlx::query_scalar("SELECT search.rewrite_statistics($1::text::xid8)")
            .bind(&gone)
            .fetch_one(&mut *connection)
            .await;
        match rewritten {
            Err(error) if is_in_use(&error) && Instant::now() < deadline => {
                sleep(ASKED_EVERY).await
            }
            rewritten => break rewritten?,
        }
    };
    let is_flushed: bool =
        sqlx::query_scalar("SELECT log.flush_wal()").fetch_one(connection).await?;
    Ok(match (are_rewritten, is_flushed) {
        (true, true) => None,
        (false, true) => Some("statistics_not_rewritten"),
        (true, false) => Some("wal_not_flushed"),
        (false, false) => Some("statistics_and_wal_remain"),
    })
}

/// In use, or locked by somebody.
fn is_in_use(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == "55006" || code == "55P03")
}

async fn settle(
    connection: &mut PgConnection,
    newest: i64,
    undone: Option<&str>,
) -> Result<u64, sqlx::Error> {
    let settled = sqlx::query(
        "UPDATE search.rewrites SET done_at = clock_timestamp(), left_undone = $2
         WHERE done_at IS NULL AND number <= $1",
    )
    .bind(newest)
    .bind(undone)
    .execute(connection)
    .await?;
    Ok(settled.rows_affected())
}
