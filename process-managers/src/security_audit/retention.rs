//! Partitions: those of the coming days, and those whose retention is over (SAL-09).

use agora_command_api::App;
use agora_domain::{
    PersonalCategory,
    security::{
        audit::{CASE_KEPT, RetentionCategory},
        incident::Incident,
    },
};
use agora_event_store::{LoadError, security_audit::LeafName, vault::VaultError};
use chrono::{DateTime, Days, NaiveDate, Utc};
use uuid::Uuid;

#[derive(Debug, thiserror::Error)]
pub enum HouseError {
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Days for which partitions are made ahead.
const AHEAD: u64 = 3;

/// Makes the coming days' partitions and drops those that are over, with their keys; says how many.
///
/// # Errors
/// Where the database or the vault cannot be used, or somebody reads a partition that is to go. What was
/// done stays done.
pub async fn keep_house(app: &App, now: DateTime<Utc>) -> Result<u64, HouseError> {
    let pool = app.log.pool();
    for ahead in 0..=AHEAD {
        if let Some(day) = now.date_naive().checked_add_days(Days::new(ahead)) {
            sqlx::query("SELECT log.prepare_security_audit($1)").bind(day).execute(pool).await?;
        }
    }
    let dropped: Vec<(NaiveDate, String)> = sqlx::query_as(
        "SELECT dropped_day, dropped_category FROM log.drop_security_audit($1, $2, $3, $4, $5)",
    )
    .bind(RetentionCategory::Operational.first_kept(now))
    .bind(RetentionCategory::Security.first_kept(now))
    .bind(RetentionCategory::Compliance.first_kept(now))
    .bind(RetentionCategory::Forensic.first_kept(now))
    .bind(held(app, now).await?)
    .fetch_all(pool)
    .await?;
    // Also what was dropped by one that was killed before it came to the keys.
    let keyless: Vec<(NaiveDate, String)> = sqlx::query_as(
        "SELECT day, retention_category::text FROM log.security_audit_leaves
         WHERE dropped_at > clock_timestamp() - interval '7 days'",
    )
    .fetch_all(pool)
    .await?;
    for (day, category) in keyless {
        if let Ok(category) = category.parse() {
            let subject = LeafName { day, category }.subject();
            app.log.vault().destroy(&subject, &[PersonalCategory::Network]).await?;
        }
    }
    Ok(dropped.len() as u64)
}

/// The cases that are open, or were closed less than a year ago, among those whose entries would go. Asked
/// of the log: a read table may be behind.
async fn held(app: &App, now: DateTime<Utc>) -> Result<Vec<Uuid>, HouseError> {
    let due: Vec<Uuid> = sqlx::query_scalar(
        "SELECT DISTINCT case_id FROM log.security_audit
         WHERE retention_category = 'FORENSIC' AND recorded_at < $1 AND case_id IS NOT NULL",
    )
    .bind(RetentionCategory::Forensic.first_kept(now).and_time(chrono::NaiveTime::MIN).and_utc())
    .fetch_all(app.log.pool())
    .await?;
    let mut held = Vec::new();
    for case in due {
        let incident = app.log.load_fresh::<Incident>(&case.to_string()).await?;
        let last: Option<DateTime<Utc>> =
            sqlx::query_scalar("SELECT max(recorded_at) FROM log.stream('incident', $1)")
                .bind(case.to_string())
                .fetch_one(app.log.pool())
                .await?;
        let is_closed = incident.state.get().is_some_and(|standing| standing.is_final());
        let is_over =
            last.and_then(|last| last.checked_add_months(CASE_KEPT)).is_some_and(|it| it < now);
        if !(is_closed && is_over) {
            held.push(case);
        }
    }
    Ok(held)
}
