//! The one place where services ask for the time and for new ids. Decisions are pure: they get
//! both as arguments, and `clippy.toml` bans the rest.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The time now, in the microseconds that the log keeps.
pub fn now() -> DateTime<Utc> {
    #[expect(clippy::disallowed_methods, reason = "the services' one clock")]
    let now = SystemTime::now();
    // Each request asks for it, and `Utc::now` cut to microseconds takes half as long again.
    let micros = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// A new id: UUIDv7, so that ids made later sort later and indexes stay dense.
pub fn new_id() -> Uuid {
    #[expect(clippy::disallowed_methods, reason = "the services' one source of ids")]
    Uuid::now_v7()
}
