//! Processes that span streams and time: what follows from an event, or from its time having come.
//!
//! A process manager decides and does nothing itself; `process-managers/` runs it, keeps its
//! wake-ups, and sends its commands. The ids of the events that those cause derive from the cause,
//! so that a replay does nothing twice.

pub mod detection;
pub mod erasure;
pub mod exports;
pub mod ip_retention;
pub mod mail;
pub mod policy_notices;
pub mod registration_expiry;
pub mod session_expiry;

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What a process wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Reaction<C> {
    /// To be asked again at a time. A later wake-up of the same key takes the earlier one's place.
    WakeUp(WakeUp),
    /// Not to be asked again.
    Cancel { key: Uuid },
    /// A command to be sent.
    Send { command: C, cause: Uuid },
}

/// A time to come, and what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WakeUp {
    pub key: Uuid,
    pub at: DateTime<Utc>,
    /// The event that caused it.
    pub cause: Uuid,
}
