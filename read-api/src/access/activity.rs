//! When sessions were last used: one that lies idle for too long ends (SES-10). Not an event: it is
//! written in groups, a session at most once a minute, and what a crash loses is less than that.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use agora_domain::ids::SessionId;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use uuid::Uuid;

const FLUSH: Duration = Duration::from_secs(5);
/// A use is noted again after so long.
const RESOLUTION: TimeDelta = TimeDelta::seconds(60);

type Uses = Mutex<HashMap<SessionId, DateTime<Utc>>>;

pub struct Activity {
    idle: TimeDelta,
    unwritten: Arc<Uses>,
}

impl Activity {
    /// `idle`: how long a session may lie unused. Must run inside tokio.
    pub fn start(primary: PgPool, idle: TimeDelta) -> Self {
        let unwritten = Arc::<Uses>::default();
        tokio::spawn(flush(primary, Arc::downgrade(&unwritten)));
        Self { idle, unwritten }
    }

    /// Whether a session that was last used then is idle for too long by now.
    pub(super) fn is_idle(&self, last: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        now - last >= self.idle
    }

    /// Notes a use; false where the session was idle for too long before it. `last` is the last use
    /// that was written, by this service or the command API.
    pub(super) fn touch(
        &self,
        session_id: SessionId,
        last: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> bool {
        if last.is_some_and(|last| self.is_idle(last, now)) {
            return false;
        }
        if last.is_none_or(|last| now - last >= RESOLUTION) {
            self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).insert(session_id, now);
        }
        true
    }
}

/// Writes uses in groups, until the [`Activity`] is gone.
async fn flush(primary: PgPool, unwritten: Weak<Uses>) {
    loop {
        tokio::time::sleep(FLUSH).await;
        let Some(unwritten) = unwritten.upgrade() else { return };
        let uses = std::mem::take(&mut *unwritten.lock().unwrap_or_else(PoisonError::into_inner));
        drop(unwritten);
        if uses.is_empty() {
            continue;
        }
        let (ids, times): (Vec<Uuid>, Vec<DateTime<Utc>>) =
            uses.into_iter().map(|(session_id, time)| (session_id.0, time)).unzip();
        let written = sqlx::query(
            "INSERT INTO log.session_activity AS a (session_id, last_used_at)
             SELECT * FROM unnest($1::uuid[], $2::timestamptz[])
             ON CONFLICT (session_id) DO UPDATE
                SET last_used_at = greatest(a.last_used_at, excluded.last_used_at)",
        )
        .bind(ids)
        .bind(times)
        .execute(&primary)
        .await;
        if let Err(error) = written {
            tracing::warn!(%error, "sessions' last uses could not be written");
        }
    }
}
