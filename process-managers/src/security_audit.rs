//! What of the log belongs into the security audit log (SAL-05): logins and their ends, exports, changes of
//! consents, incidents, what admins do. Copied from the events, so that none of it can be lost: an entry has
//! its event's id, and is there once however often the log is read.
//!
//! Also makes the coming days' partitions, and drops those whose retention is over (SAL-09).

mod entries;
mod retention;

use std::time::Duration;

use agora_command_api::App;
use agora_event_store::{
    Opener, read,
    security_audit::{AuditError, Store},
};
use agora_service::geoip::Countries;
use chrono::NaiveDate;
use sqlx::{PgConnection, PgPool};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use retention::keep_house;

use crate::runner::take_lease;

/// Of its lease and its checkpoint.
const NAME: &str = "security_audit";
const EVERY: Duration = Duration::from_millis(500);
const HOUSEKEEPING: Duration = Duration::from_secs(3_600);
/// Events of one look, and positions.
const BATCH: i64 = 500;
const WINDOW: u64 = 20_000;

/// Follows until told to stop. Of several instances one holds the lease.
pub async fn run(app: App, countries: Countries, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = hold_and_follow(&app, &countries, &stop).await {
            tracing::warn!(%error, "the security audit log waits for the database");
        }
        stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await;
    }
}

async fn hold_and_follow(
    app: &App,
    countries: &Countries,
    stop: &CancellationToken,
) -> Result<(), AuditError> {
    let Some(mut connection) = take_lease(app, NAME).await? else { return Ok(()) };
    let follower = Follower::new(app, countries.clone());
    tokio::spawn(track_what_is_new(app.log.pool().clone()));
    let mut next_house = Instant::now();
    while !stop.is_cancelled() {
        while !stop.is_cancelled() && follower.look(&mut connection).await? {}
        if Instant::now() >= next_house {
            // What keeps a partition from being dropped keeps nothing from being written.
            match keep_house(app, agora_service::clock::now()).await {
                Ok(0) => {}
                Ok(leaves) => tracing::info!(leaves, "security audit partitions were dropped"),
                Err(error) => {
                    tracing::warn!(%error, "the security audit log's partitions are not kept");
                }
            }
            next_house = Instant::now() + HOUSEKEEPING;
        }
        stop.run_until_cancelled(tokio::time::sleep(EVERY)).await;
    }
    Ok(())
}

/// Days whose entries may be of a writer of before migration 1100: what a spool held, too.
const TRACKED_DAYS: i32 = 7;

/// Has entries found by user, address and session that such writers have written since.
async fn track_what_is_new(pool: PgPool) {
    match track_days(&pool).await {
        Ok(0) => {}
        Ok(tracks) => tracing::info!(tracks, "entries of an older writer can be searched for"),
        Err(error) => {
            tracing::warn!(%error, "what an older writer has written may not be found by searches");
        }
    }
}

async fn track_days(pool: &PgPool) -> Result<i64, sqlx::Error> {
    let leaves: Vec<(NaiveDate, String)> = sqlx::query_as(
        "SELECT day, retention_category::text FROM log.security_audit_leaves
         WHERE dropped_at IS NULL AND day BETWEEN $1 - $2 AND $1",
    )
    .bind(agora_service::clock::now().date_naive())
    .bind(TRACKED_DAYS)
    .fetch_all(pool)
    .await?;
    let mut tracks = 0;
    for (day, category) in leaves {
        let mut transaction = pool.begin().await?;
        // A place among the leaf's writers, as each of them takes it.
        sqlx::query("SELECT log.security_audit_end($1::text::log.retention_category, $2)")
            .bind(&category)
            .bind(day)
            .execute(&mut *transaction)
            .await?;
        let added: i64 = sqlx::query_scalar(
            "SELECT log.track_security_audit($1, $2::text::log.retention_category)",
        )
        .bind(day)
        .bind(&category)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        tracks += added;
    }
    Ok(tracks)
}

/// Copies from the log.
pub struct Follower {
    opener: Opener,
    store: Store,
}

impl Follower {
    pub fn new(app: &App, countries: Countries) -> Self {
        let vault = app.log.vault().clone();
        let store = Store::new(app.log.pool().clone(), vault.clone()).locating(countries);
        Self { opener: Opener::new(vault), store }
    }

    /// Copies what is new; false where there is no more.
    ///
    /// # Errors
    /// Where the database or the vault cannot be asked. Then it is done again.
    pub async fn look(&self, connection: &mut PgConnection) -> Result<bool, AuditError> {
        let position: Option<i64> =
            sqlx::query_scalar("SELECT position FROM process.checkpoints WHERE process = $1")
                .bind(NAME)
                .fetch_optional(&mut *connection)
                .await?;
        let position = read::from_db(position.unwrap_or(0));
        let head = read::head(connection).await?;
        let up_to = head.min(position + WINDOW);
        if up_to == position {
            return Ok(false);
        }
        let (events, reached) = entries::events(connection, position, up_to, BATCH).await?;
        let entries = entries::of(&self.opener, &events, agora_service::clock::now()).await?;
        // It begins again where the one before it stopped, which may have written more than it noted.
        self.store.write_again(&entries).await?;
        sqlx::query(
            "INSERT INTO process.checkpoints (process, position) VALUES ($1, $2)
             ON CONFLICT (process) DO UPDATE SET position = $2, updated_at = clock_timestamp()",
        )
        .bind(NAME)
        .bind(read::to_db(reached))
        .execute(connection)
        .await?;
        metrics::counter!("agora_security_audit_copied").increment(entries.len() as u64);
        metrics::gauge!("agora_process_position", "process" => NAME).set(reached as f64);
        Ok(reached < head)
    }
}
