//! `process.export_jobs`: who makes which export, and when it is tried again.

use std::time::Duration;

use agora_domain::ids::ExportJobId;
use agora_event_store::{
    Position,
    read::{from_db, to_db},
};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

/// A job that this worker has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub job_id: ExportJobId,
    /// The event that asked for it.
    pub cause: Uuid,
    /// Where that stands in the log.
    pub position: Position,
    /// No two attempts share it.
    pub number: u32,
    /// How many attempts there were that nobody stopped, this one counted.
    pub attempt: u32,
    pub last_code: Option<String>,
    /// The first attempt began so long ago.
    pub age: Duration,
    /// Of this attempt alone.
    pub lease: Uuid,
}

#[derive(FromRow)]
struct Row {
    job_id: Uuid,
    cause: Uuid,
    position: i64,
    attempts: i32,
    given_back: i32,
    last_code: Option<String>,
    age: f64,
}

/// What is there already stays as it is.
pub async fn add(
    pool: &PgPool,
    job_id: ExportJobId,
    cause: Uuid,
    position: Position,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO process.export_jobs (job_id, cause, position) VALUES ($1, $2, $3)
         ON CONFLICT (job_id) DO NOTHING",
    )
    .bind(job_id.0)
    .bind(cause)
    .bind(to_db(position))
    .execute(pool)
    .await?;
    Ok(())
}

/// Takes the job that has waited longest, for as long as a lease lasts. Of many workers that ask at
/// once each gets another.
pub async fn take(
    pool: &PgPool,
    lease: Uuid,
    lasting: Duration,
) -> Result<Option<Taken>, sqlx::Error> {
    let row: Option<Row> = sqlx::query_as(
        "WITH next AS (
             SELECT job_id FROM process.export_jobs
             WHERE not_before <= clock_timestamp()
               AND (lease_until IS NULL OR lease_until < clock_timestamp())
             ORDER BY not_before, position LIMIT 1
             FOR UPDATE SKIP LOCKED)
         UPDATE process.export_jobs j
         SET lease = $1, lease_until = clock_timestamp() + make_interval(secs => $2),
             attempts = attempts + 1, begun_at = coalesce(begun_at, clock_timestamp())
         FROM next WHERE j.job_id = next.job_id
         RETURNING j.job_id, j.cause, j.position, j.attempts, j.given_back, j.last_code,
                   extract(epoch FROM clock_timestamp() - j.begun_at)::float8 AS age",
    )
    .bind(lease)
    .bind(lasting.as_secs_f64())
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Taken {
        job_id: ExportJobId(row.job_id),
        cause: row.cause,
        position: from_db(row.position),
        number: u32::try_from(row.attempts).unwrap_or(u32::MAX),
        attempt: u32::try_from(row.attempts - row.given_back).unwrap_or(u32::MAX),
        last_code: row.last_code,
        age: Duration::try_from_secs_f64(row.age).unwrap_or_default(),
        lease,
    }))
}

/// Keeps a job for as long again; false where another has it by now.
pub async fn renew(pool: &PgPool, taken: &Taken, lasting: Duration) -> Result<bool, sqlx::Error> {
    let renewed = sqlx::query(
        "UPDATE process.export_jobs
         SET lease_until = clock_timestamp() + make_interval(secs => $3)
         WHERE job_id = $1 AND lease = $2",
    )
    .bind(taken.job_id.0)
    .bind(taken.lease)
    .bind(lasting.as_secs_f64())
    .execute(pool)
    .await?;
    Ok(renewed.rows_affected() == 1)
}

/// Lets a job wait after a failure.
pub async fn postpone(
    pool: &PgPool,
    taken: &Taken,
    code: &str,
    pause: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE process.export_jobs
         SET lease = NULL, lease_until = NULL, last_code = $3,
             not_before = clock_timestamp() + make_interval(secs => $4)
         WHERE job_id = $1 AND lease = $2",
    )
    .bind(taken.job_id.0)
    .bind(taken.lease)
    .bind(code)
    .bind(pause.as_secs_f64())
    .execute(pool)
    .await?;
    Ok(())
}

/// Gives a job back: this worker stops. How long nobody works then is no time that it took.
pub async fn give_back(pool: &PgPool, taken: &Taken) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE process.export_jobs
         SET lease = NULL, lease_until = NULL, given_back = given_back + 1, begun_at = NULL
         WHERE job_id = $1 AND lease = $2",
    )
    .bind(taken.job_id.0)
    .bind(taken.lease)
    .execute(pool)
    .await?;
    Ok(())
}

/// Takes a job away whose export has ended.
pub async fn remove(pool: &PgPool, job_id: ExportJobId) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM process.export_jobs WHERE job_id = $1")
        .bind(job_id.0)
        .execute(pool)
        .await?;
    Ok(())
}
