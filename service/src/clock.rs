//! The one place where services ask for the time and for new ids. Decisions are pure: they get
//! both as arguments, and `clippy.toml` bans the rest.

use chrono::{DateTime, SubsecRound, Utc};
use uuid::Uuid;

/// The time now, in the microseconds that the log keeps.
pub fn now() -> DateTime<Utc> {
    #[expect(clippy::disallowed_methods, reason = "the services' one clock")]
    let now = Utc::now();
    now.trunc_subsecs(6)
}

/// A new id: UUIDv7, so that ids made later sort later and indexes stay dense.
pub fn new_id() -> Uuid {
    #[expect(clippy::disallowed_methods, reason = "the services' one source of ids")]
    Uuid::now_v7()
}
