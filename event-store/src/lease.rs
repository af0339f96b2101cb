//! A lease: of several processes one does the work. It is an advisory lock, so it lives as long as the
//! connection that took it, and whoever loses the connection has lost the lease.

use std::time::Duration;

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

/// Connects so that a dead peer is noticed within seconds: the server would keep its session, and so
/// its lease, for hours.
pub async fn connect(options: PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    PgConnection::connect_with(&options.options([
        ("tcp_keepalives_idle", "5"),
        ("tcp_keepalives_interval", "2"),
        ("tcp_keepalives_count", "3"),
    ]))
    .await
}

/// Takes the lease of this number, if nobody has it. Ends the session of a holder that has stalled,
/// so that the next attempt can succeed.
pub async fn take(
    connection: &mut PgConnection,
    lease: i64,
    stalled_after: Duration,
) -> Result<bool, sqlx::Error> {
    let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(lease)
        .fetch_one(&mut *connection)
        .await?;
    if !taken && end_stalled(connection, lease, stalled_after).await? {
        tracing::warn!(lease, "the holder of a lease has stalled: its session was ended");
    }
    Ok(taken)
}

/// A holder asks its database something all the time. One that has not for so long is paused or cut
/// off. Where ending it is not permitted, nothing happens.
async fn end_stalled(
    connection: &mut PgConnection,
    lease: i64,
    after: Duration,
) -> Result<bool, sqlx::Error> {
    let ended: Vec<bool> = sqlx::query_scalar(
        "SELECT pg_terminate_backend(a.pid)
         FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
           AND (l.classid::bigint << 32 | l.objid::bigint) = $1
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND a.state LIKE 'idle%' AND a.state_change < clock_timestamp() - make_interval(secs => $2)
           AND pg_has_role(a.usesysid, 'MEMBER')",
    )
    .bind(lease)
    .bind(after.as_secs_f64())
    .fetch_all(connection)
    .await?;
    Ok(ended.contains(&true))
}
