//! One state of the read tables: what a position of the log gives, no more and no less.

use std::time::Duration;

use agora_event_store::{Position, read::from_db};
use sqlx::{Connection, PgConnection, Postgres, Transaction};

/// How often the read tables are looked at while they lag.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The read tables do not show yet what was there when the export was asked for.
    #[error("the read tables have reached position {reached}, not yet {wanted}")]
    Behind { reached: Position, wanted: Position },
}

/// Begins one of these tables that shows at least what the log held at `wanted`. Waits for the
/// projectors for at most `patience`.
///
/// # Errors
/// Where they have not come so far by then.
pub async fn begin<'c>(
    connection: &'c mut PgConnection,
    tables: &[&'static str],
    wanted: Position,
    patience: Duration,
) -> Result<(Position, Transaction<'c, Postgres>), SnapshotError> {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        let reached = reached(&mut *connection, tables).await?;
        if reached >= wanted {
            break;
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(SnapshotError::Behind { reached, wanted });
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let mut transaction = connection.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .execute(&mut *transaction)
        .await?;
    // Before the snapshot is taken: one that is older than a rebuild's swap would see no rows.
    let names: Vec<String> = tables.iter().map(|table| format!("read.{table}")).collect();
    let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
    sqlx::query(&lock).execute(&mut *transaction).await?;
    let position = reached(&mut transaction, tables).await?;
    Ok((position, transaction))
}

/// How much of the log all of the tables show.
async fn reached(
    connection: &mut PgConnection,
    tables: &[&'static str],
) -> Result<Position, sqlx::Error> {
    let reached: Option<i64> = sqlx::query_scalar(
        "SELECT min(coalesce(read.served_position(t.projection), 0))
         FROM read.projection_tables t WHERE t.table_name = ANY ($1)",
    )
    .bind(tables)
    .fetch_one(connection)
    .await?;
    Ok(from_db(reached.unwrap_or(0)))
}
