//! Destroys the keys of days whose retention has ended: what was sealed for nobody known (the address
//! for which a new password was asked, where guests and refused requests came from) cannot be opened
//! after that, in no copy of the log.

use std::time::Duration;

use agora_event_store::{Vault, vault::VaultError};
use agora_service::clock;
use chrono::{DateTime, Days, Utc};
use tokio_util::sync::CancellationToken;

const INTERVAL: Duration = Duration::from_secs(3_600);

#[derive(clap::Args, Clone, Copy, Debug)]
pub struct RetentionArgs {
    /// For how many days what is sealed for nobody known can be opened. Not less than the retention
    /// of searches, whose guests' addresses are among it
    #[arg(
        long,
        env = "AGORA_DAY_KEYS_DAYS",
        default_value_t = 90,
        value_parser = clap::value_parser!(u16).range(1..=3_650)
    )]
    pub day_keys_days: u16,
}

/// Keeps at it until stopped. It does not matter how many instances do.
pub async fn run(vault: Vault, retention: RetentionArgs, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match destroy(&vault, retention, clock::now()).await {
            Ok(0) => {}
            Ok(keys) => tracing::info!(keys, "the keys of days past were destroyed"),
            Err(error) => tracing::warn!(%error, "keys of days past are not destroyed"),
        }
        stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await;
    }
}

/// Destroys what is due; says how many keys.
///
/// # Errors
/// If the vault cannot be reached.
pub async fn destroy(
    vault: &Vault,
    retention: RetentionArgs,
    now: DateTime<Utc>,
) -> Result<u64, VaultError> {
    let days = Days::new(retention.day_keys_days.into());
    match now.date_naive().checked_sub_days(days) {
        Some(first_kept) => vault.destroy_days_before(first_kept).await,
        None => Ok(0),
    }
}
