//! What of the log belongs into the security audit log (SAL-05): logins and their ends, exports, changes of
//! consents, incidents, what admins do. Copied from the events, so that none of it can be lost: an entry has
//! its event's id, and is there once however often the log is read.
//!
//! Also makes the coming days' partitions, and drops those whose retention is over (SAL-09).

mod entries;
mod retention;

use std::time::Duration;

use agora_command_api::App;
use agora_domain::security::audit::RetentionCategory;
use agora_event_store::{
    Opener, read,
    security_audit::{AuditError, LeafName, Store},
};
use agora_service::geoip::Countries;
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
    // Once, by whoever takes the lease first: it goes through days of entries.
    let mut marking = false;
    while !stop.is_cancelled() {
        if let Err(error) = hold_and_follow(&app, &countries, &mut marking, &stop).await {
            tracing::warn!(%error, "the security audit log waits for the database");
        }
        stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await;
    }
}

async fn hold_and_follow(
    app: &App,
    countries: &Countries,
    marking: &mut bool,
    stop: &CancellationToken,
) -> Result<(), AuditError> {
    let Some(mut connection) = take_lease(app, NAME).await? else { return Ok(()) };
    let follower = Follower::new(app, countries.clone());
    if !std::mem::replace(marking, true) {
        tokio::spawn(mark_what_is_new(app.log.pool().clone()));
    }
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

/// Days, of which today is one, whose entries may be of a writer of before migration 1101: what a spool held,
/// too.
const MARKED_DAYS: usize = 8;

/// Has entries found by searches that such writers have written since.
async fn mark_what_is_new(pool: PgPool) {
    let today = agora_service::clock::now().date_naive();
    for day in today.iter_days().rev().take(MARKED_DAYS) {
        for category in RetentionCategory::ALL {
            let leaf = LeafName { day, category: *category };
            match mark(&pool, leaf).await {
                Ok(0) => {}
                Ok(marks) => {
                    tracing::info!(marks, %day, "entries of an older writer can be searched for");
                }
                Err(error) => {
                    tracing::warn!(%error, %day, "entries of an older writer may not be found by searches");
                }
            }
        }
    }
}

/// Writes down what the entries of a leaf are found by, where it is missing; says how much was.
async fn mark(pool: &PgPool, leaf: LeafName) -> Result<i64, sqlx::Error> {
    let (table, category) = (leaf.table(), leaf.category.as_str());
    // Looked for while others write; the turn is taken where something is to be done.
    let is_there: Option<String> =
        sqlx::query_scalar("SELECT to_regclass($1)::text").bind(&table).fetch_one(pool).await?;
    if is_there.is_none() {
        return Ok(0);
    }
    let missing = format!(
        "SELECT EXISTS (
             SELECT user_key, ip_key, session_key FROM {table}
             WHERE num_nonnulls(user_key, ip_key, session_key) > 0
             EXCEPT
             SELECT user_key, ip_key, session_key FROM log.security_audit_tracks
             WHERE day = $1 AND retention_category = $2::text::log.retention_category
         ) OR EXISTS (
             SELECT event_type, event_result, risk_score FROM {table} WHERE risk_score IS NOT NULL
             EXCEPT
             SELECT event_type, event_result, risk_score FROM log.security_audit_kinds
             WHERE day = $1 AND retention_category = $2::text::log.retention_category)"
    );
    let is_missing: bool =
        sqlx::query_scalar(&missing).bind(leaf.day).bind(category).fetch_one(pool).await?;
    if !is_missing {
        return Ok(0);
    }
    let mut transaction = pool.begin().await?;
    // A place among the leaf's writers, as each of them takes it.
    sqlx::query("SELECT log.security_audit_end($1::text::log.retention_category, $2)")
        .bind(category)
        .bind(leaf.day)
        .execute(&mut *transaction)
        .await?;
    let marks =
        sqlx::query_scalar("SELECT log.mark_security_audit($1, $2::text::log.retention_category)")
            .bind(leaf.day)
            .bind(category)
            .fetch_one(&mut *transaction)
            .await?;
    transaction.commit().await?;
    Ok(marks)
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
