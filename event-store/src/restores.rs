//! Whether the database is one that is being restored (DDR-16, docs/backups.md). Nothing may serve from it
//! until the erasures that its backup does not know have been carried out again.

use std::time::Duration;

use sqlx::PgPool;

const UNFINISHED: &str = "a restore of this database is unfinished, and erasures may be missing from it: \
     end it with deploy/restore (docs/backups.md)";

/// A service that begins does not wait longer than this for Postgres.
const PATIENCE: Duration = Duration::from_secs(3);

/// Refuses to begin on a database whose restore is unfinished. While Postgres is away a service begins all
/// the same, and [`ready`] says so once it is back.
///
/// # Errors
/// Says in words for an operator what to do.
pub async fn refuse_unfinished(pool: &PgPool) -> Result<(), String> {
    match tokio::time::timeout(PATIENCE, is_unfinished(pool)).await {
        Ok(Ok(true)) => Err(UNFINISHED.to_owned()),
        Ok(Ok(false) | Err(_)) | Err(_) => Ok(()),
    }
}

/// Whether nothing speaks against serving: a readiness check.
///
/// # Errors
/// Says in words for an operator what does.
pub async fn ready(pool: PgPool) -> Result<(), String> {
    match is_unfinished(&pool).await {
        Ok(false) => Ok(()),
        Ok(true) => Err(UNFINISHED.to_owned()),
        Err(error) => Err(format!("Postgres does not answer: {error}")),
    }
}

async fn is_unfinished(pool: &PgPool) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM log.restores WHERE finished_at IS NULL)")
        .fetch_one(pool)
        .await
}
