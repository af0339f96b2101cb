//! Writes the search tables anew where somebody who was erased asks for it (docs/erasure.md): no word
//! stays in dead rows then. Once for all who have asked by the time it begins.

use std::time::Duration;

use indicatif::ProgressBar;
use sqlx::{ConnectOptions, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::{checkpoints, databases::Databases, rebuild, search};

/// How often it is looked whether anybody has asked.
const LOOK: Duration = Duration::from_secs(1);
/// After a failure it is looked again after so long.
const PAUSE: Duration = Duration::from_secs(10);

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
    settle(&mut connection, newest).await.map_err(says)
}

async fn settle(connection: &mut PgConnection, newest: i64) -> Result<u64, sqlx::Error> {
    let settled = sqlx::query(
        "UPDATE search.rewrites SET done_at = clock_timestamp()
         WHERE done_at IS NULL AND number <= $1",
    )
    .bind(newest)
    .execute(connection)
    .await?;
    Ok(settled.rows_affected())
}
