//! One process applies: the one whose connection holds the advisory lock. The lock only keeps the
//! others from trying in vain; that nothing is applied twice rests on the checkpoints.

use std::time::Duration;

use agora_event_store::lease;
use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};
use tokio::sync::watch;
use tracing::info;

use super::{Phase, within};
use crate::checkpoints;

/// 'agora' in ASCII, plus two: the numbers before are the log's head lock and that of the security
/// records' partitions.
const LOCK: i64 = 418_347_184_739;
/// A leader asks its database something every second: one that has not for so long is paused or cut
/// off.
const STALLED: Duration = Duration::from_secs(10);
/// How often a standby looks whether the leader is still there.
const WATCH: Duration = Duration::from_millis(300);

/// Waits until this process may apply. The lock lives as long as the connection.
pub(super) async fn elected(
    connect: &PgConnectOptions,
    phase: &watch::Sender<Phase>,
) -> Result<PgConnection, sqlx::Error> {
    let mut connection = within(checkpoints::live(connect.clone()).connect()).await?;
    let mut waiting = false;
    loop {
        if within(lease::take(&mut connection, LOCK, STALLED)).await? {
            return Ok(connection);
        }
        if !waiting {
            waiting = true;
            info!("another process applies: standing by");
        }
        phase.send_if_modified(|phase| std::mem::replace(phase, Phase::Standby) != Phase::Standby);
        tokio::time::sleep(WATCH).await;
    }
}
