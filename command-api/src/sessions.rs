//! What several commands do to sessions: end them, and note that they are used.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use agora_domain::{
    Actor,
    identity::{
        principal_sessions::{
            CloseAllSessions, CloseSession, PrincipalSessions, PrincipalSessionsCommand,
        },
        session::{RevokeSession, Session, SessionCommand},
        values::RevocationCause,
    },
    ids::SessionId,
};
use agora_service::problem::Problem;
use chrono::{DateTime, TimeDelta, Utc};
use lru::LruCache;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    authenticate::SESSION_TOKEN,
    decision::Decision,
    permission::Roles,
    refusal::{CommandError, unavailable},
};

/// Where commands that change a principal's list of sessions wait for each other.
pub fn queue(principal: Actor) -> String {
    PrincipalSessions::stream_id(principal)
}

/// Whether the sender may end other people's sessions (SES-06).
pub fn administers(decision: &Decision<'_>) -> bool {
    let sender = decision.caller.principal.as_ref();
    sender.is_some_and(|principal| principal.roles.include(Roles::ADMIN))
}

/// Who ends another session of its own must have logged in lately (SES-12): a stolen token alone is
/// not enough to lock its owner out. A login that is sent with the present token renews it (SES-09).
pub fn require_recent_login(
    decision: &Decision<'_>,
    target: Option<SessionId>,
) -> Result<(), CommandError> {
    let Some(sender) = &decision.caller.principal else { return Ok(()) };
    let session_id = sender.require_session()?;
    if target == Some(session_id) {
        return Ok(());
    }
    let issued_at = issued_at(session_id);
    let window = i64::from(decision.app.settings.recent_login_seconds);
    if issued_at.is_some_and(|issued_at| decision.now - issued_at < TimeDelta::seconds(window)) {
        return Ok(());
    }
    let detail = "Ending other sessions needs a recent login: send log-in with this token, and use \
                  the token that it returns.";
    Err(Problem::unauthenticated(detail).with_rule("SES-12").into())
}

/// Revokes one session: its event, its token's claim. The principal's list is the caller's work.
pub async fn revoke(
    decision: &mut Decision<'_>,
    session_id: SessionId,
    revoked_by: Actor,
    cause: RevocationCause,
) -> Result<(), CommandError> {
    let session = decision.load::<Session>(session_id.to_string()).await?;
    let revoke = SessionCommand::Revoke(RevokeSession { revoked_by, cause });
    decision.decide_on_target(&session, revoke).await?;
    decision.release(SESSION_TOKEN, session_id);
    Ok(())
}

/// Revokes one session and takes it from its principal's list.
pub async fn end(
    decision: &mut Decision<'_>,
    principal: Actor,
    session_id: SessionId,
    revoked_by: Actor,
    cause: RevocationCause,
) -> Result<(), CommandError> {
    revoke(decision, session_id, revoked_by, cause).await?;
    let list = PrincipalSessions::stream_id(principal);
    let list = decision.load::<PrincipalSessions>(list).await?;
    let close = PrincipalSessionsCommand::Close(CloseSession { session_id });
    decision.decide(&list, close).await
}

/// Revokes all sessions of a principal, but one (SES-11).
pub async fn end_all(
    decision: &mut Decision<'_>,
    principal: Actor,
    except: Option<SessionId>,
    revoked_by: Actor,
    cause: RevocationCause,
) -> Result<(), CommandError> {
    let list = PrincipalSessions::stream_id(principal);
    let list = decision.load::<PrincipalSessions>(list).await?;
    for session_id in list.state.all_except(except) {
        let session = decision.load::<Session>(session_id.to_string()).await?;
        let revoke = SessionCommand::Revoke(RevokeSession { revoked_by, cause });
        decision.decide(&session, revoke).await?;
        decision.release(SESSION_TOKEN, session_id);
    }
    decision.decide(&list, PrincipalSessionsCommand::CloseAll(CloseAllSessions { except })).await
}

/// When a session was made: its id is a UUIDv7.
fn issued_at(session_id: SessionId) -> Option<DateTime<Utc>> {
    let (seconds, nanoseconds) = session_id.0.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
}

/// When sessions were last used (SES-10). Not an event: it is written in groups, at most once a
/// minute for each session, and what a crash loses is less than that.
pub struct Activity {
    pool: PgPool,
    idle: TimeDelta,
    seen: Arc<Mutex<Seen>>,
}

struct Seen {
    last: LruCache<SessionId, DateTime<Utc>>,
    unwritten: HashMap<SessionId, DateTime<Utc>>,
}

const SESSIONS_MAX: usize = 100_000;
const FLUSH: Duration = Duration::from_secs(5);
/// A use is noted again after so long.
const RESOLUTION: TimeDelta = TimeDelta::seconds(60);

impl Activity {
    pub fn start(pool: PgPool, idle_seconds: u32) -> Self {
        let size = NonZeroUsize::new(SESSIONS_MAX).expect("the constant is not zero");
        let seen = Seen { last: LruCache::new(size), unwritten: HashMap::new() };
        let seen = Arc::new(Mutex::new(seen));
        tokio::spawn(flush(pool.clone(), Arc::downgrade(&seen)));
        Self { pool, idle: TimeDelta::seconds(i64::from(idle_seconds)), seen }
    }

    /// Notes a use. False where the session was idle for too long before it; a session that was
    /// never used is as old as its login.
    pub async fn touch(&self, session_id: SessionId, now: DateTime<Utc>) -> Result<bool, Problem> {
        let last = self.lock().last.get(&session_id).copied();
        let last = match last {
            Some(last) if now - last < RESOLUTION => return Ok(true),
            Some(last) if now - last < self.idle => Some(last),
            // Another instance, or the read API, may have seen it since.
            _ => self.stored(session_id).await?.or_else(|| issued_at(session_id)),
        };
        if last.is_some_and(|last| now - last >= self.idle) {
            return Ok(false);
        }
        let mut seen = self.lock();
        seen.last.put(session_id, now);
        seen.unwritten.insert(session_id, now);
        Ok(true)
    }

    async fn stored(&self, session_id: SessionId) -> Result<Option<DateTime<Utc>>, Problem> {
        sqlx::query_scalar("SELECT last_used_at FROM log.session_activity WHERE session_id = $1")
            .bind(session_id.0)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| {
                tracing::error!(%error, "cannot read a session's last use");
                unavailable()
            })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes uses in groups, until the [`Activity`] is gone.
async fn flush(pool: PgPool, seen: std::sync::Weak<Mutex<Seen>>) {
    loop {
        tokio::time::sleep(FLUSH).await;
        let Some(seen) = seen.upgrade() else { return };
        let unwritten =
            std::mem::take(&mut seen.lock().unwrap_or_else(PoisonError::into_inner).unwritten);
        if unwritten.is_empty() {
            continue;
        }
        let (ids, times): (Vec<Uuid>, Vec<DateTime<Utc>>) =
            unwritten.into_iter().map(|(session_id, time)| (session_id.0, time)).unzip();
        let written = sqlx::query(
            "INSERT INTO log.session_activity AS a (session_id, last_used_at)
             SELECT * FROM unnest($1::uuid[], $2::timestamptz[])
             ON CONFLICT (session_id) DO UPDATE
                SET last_used_at = greatest(a.last_used_at, excluded.last_used_at)",
        )
        .bind(ids)
        .bind(times)
        .execute(&pool)
        .await;
        if let Err(error) = written {
            tracing::warn!(%error, "sessions' last uses could not be written");
        }
    }
}
