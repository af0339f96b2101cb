//! One process applies: the one whose connection holds the advisory lock. The lock only keeps the
//! others from trying in vain; that nothing is applied twice rests on the checkpoints.

use std::time::Duration;

use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};
use tokio::sync::watch;
use tracing::{info, warn};

use super::{Phase, within};
use crate::checkpoints;

/// 'agora' in ASCII, plus two: the numbers before are the log's head lock and that of the security
/// records' partitions.
const LOCK: i64 = 418_347_184_739;
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
        let locking = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK);
        let locked: bool = within(locking.fetch_one(&mut connection)).await?;
        if locked {
            return Ok(connection);
        }
        if !waiting {
            waiting = true;
            info!("another process applies: standing by");
        }
        phase.send_if_modified(|phase| std::mem::replace(phase, Phase::Standby) != Phase::Standby);
        within(end_stalled(&mut connection)).await?;
        tokio::time::sleep(WATCH).await;
    }
}

/// A leader asks its database something every second. One that has not for ten is paused or cut off:
/// its session is ended, so that the lock is free. Where that is not permitted, nothing happens.
async fn end_stalled(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let ended = sqlx::query_scalar::<_, bool>(
        "SELECT pg_terminate_backend(a.pid)
         FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
           AND (l.classid::bigint << 32 | l.objid::bigint) = $1
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND a.state LIKE 'idle%' AND a.state_change < clock_timestamp() - interval '10 s'
           AND pg_has_role(a.usesysid, 'MEMBER')",
    )
    .bind(LOCK)
    .fetch_all(connection)
    .await?;
    if ended.contains(&true) {
        warn!("the applying process has stalled: its session was ended");
    }
    Ok(())
}
