//! Connections to Postgres.

use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, Connection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// What a pool is for.
#[derive(Clone, Debug)]
pub struct Pool<'a> {
    pub url: &'a str,
    /// Shown in `pg_stat_activity`.
    pub application_name: &'a str,
    pub max_connections: u32,
    /// Ends statements that run longer; `None` for rebuilds and migrations.
    pub statement_timeout: Option<Duration>,
    /// When statements are planned.
    pub plans: Plans,
}

/// When a statement is planned.
#[derive(Clone, Copy, Debug)]
pub enum Plans {
    /// Postgres weighs for each statement whether its plan is kept.
    Weighed,
    /// Once for all values: for statements that take longer to plan than to run, whatever is asked.
    Once,
    /// Once, and by indexes wherever there is one, which a plan of tables that are still empty would not use:
    /// for statements that look up single rows.
    Lookups,
}

/// A connection that was unused for so long may have died meanwhile, as in a restart of Postgres.
const SUSPECT_AFTER: Duration = Duration::from_secs(1);

impl Pool<'_> {
    /// A pool that connects when it is first used, so that a service starts, and tells by
    /// `/readyz` what it waits for, while Postgres is still away.
    ///
    /// # Errors
    /// Where the URL is not one of Postgres.
    pub fn open(&self) -> Result<PgPool, sqlx::Error> {
        let timeout_ms = self.statement_timeout.map_or(0, |limit| limit.as_millis());
        let (plans, scans) = match self.plans {
            Plans::Weighed => ("auto", "on"),
            Plans::Once => ("force_generic_plan", "on"),
            Plans::Lookups => ("force_generic_plan", "off"),
        };
        let options = PgConnectOptions::from_str(self.url)?
            .application_name(self.application_name)
            .options([
                ("statement_timeout", timeout_ms.to_string().as_str()),
                ("idle_in_transaction_session_timeout", "60s"),
                ("timezone", "UTC"),
                // Estimates of unnested arrays are far too high and would start LLVM for
                // milliseconds in statements that take microseconds.
                ("jit", "off"),
                ("plan_cache_mode", plans),
                ("enable_seqscan", scans),
            ])
            .log_statements(tracing::log::LevelFilter::Trace)
            .log_slow_statements(tracing::log::LevelFilter::Warn, Duration::from_secs(5));
        Ok(PgPoolOptions::new()
            .max_connections(self.max_connections)
            .acquire_timeout(Duration::from_secs(5))
            // sqlx would ping a pooled connection at each acquire: under load a round trip for
            // nothing.
            .test_before_acquire(false)
            .before_acquire(|connection, state| {
                Box::pin(async move {
                    if state.idle_for >= SUSPECT_AFTER {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .idle_timeout(Duration::from_secs(300))
            .connect_lazy_with(options))
    }
}

/// Whether Postgres answers: a readiness check.
///
/// # Errors
/// Says in words for an operator what did not work.
pub async fn ready(pool: PgPool) -> Result<(), String> {
    sqlx::query("SELECT 1")
        .execute(&pool)
        .await
        .map(|_| ())
        .map_err(|error| format!("Postgres does not answer: {error}"))
}
