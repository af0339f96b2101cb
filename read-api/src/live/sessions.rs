//! The sessions of those who listen are looked up again every second: a stream is one request that
//! lasts, and a revocation holds for it too (SES-04).

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use agora_domain::ids::SessionId;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    access::{Roles, permissions, still_open},
    app::{App, Shared},
};

const INTERVAL: Duration = Duration::from_secs(1);
/// Sessions that could not be looked up for so long are taken to have ended.
const TRUST: Duration = Duration::from_secs(10);

type Key = (SessionId, &'static str);

/// Sessions with the routes that they listen on.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<Key, Weak<CancellationToken>>>);

impl Sessions {
    /// Cancelled when the session may not listen on the route any more.
    pub(super) fn watch(&self, session: SessionId, route: &'static str) -> Arc<CancellationToken> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = all.entry((session, route)).or_default();
        slot.upgrade().unwrap_or_else(|| {
            let watched = Arc::default();
            *slot = Arc::downgrade(&watched);
            watched
        })
    }

    fn watched(&self) -> HashSet<Key> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, watched| watched.strong_count() > 0);
        all.keys().copied().collect()
    }

    /// Ends the streams of those that may not go on.
    fn keep(&self, may: impl Fn(&Key) -> bool) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, watched) in all.extract_if(|key, _| !may(key)) {
            if let Some(watched) = watched.upgrade() {
                watched.cancel();
            }
        }
    }
}

/// Looks sessions up for ever.
pub(super) async fn look_after(app: &Shared) {
    let mut looked_up = Instant::now();
    loop {
        sleep(INTERVAL).await;
        let sessions = &app.live.sessions;
        let watched = sessions.watched();
        match look_up(app, &watched).await {
            Ok(open) => {
                looked_up = Instant::now();
                sessions.keep(|key| {
                    let roles = open.get(&key.0);
                    // Who has come since then was let in just now.
                    !watched.contains(key)
                        || roles.is_some_and(|roles| permissions::may(*roles, key.1))
                });
            }
            Err(error) if looked_up.elapsed() > TRUST => {
                tracing::warn!(%error, "live streams end: sessions cannot be looked up");
                sessions.keep(|_| false);
            }
            Err(error) => tracing::debug!(%error, "sessions of live streams are not looked up"),
        }
    }
}

async fn look_up(
    app: &App,
    watched: &HashSet<Key>,
) -> Result<HashMap<SessionId, Roles>, sqlx::Error> {
    let mut ids: Vec<SessionId> = watched.iter().map(|(session, _)| *session).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() { Ok(HashMap::new()) } else { still_open(app, &ids).await }
}
