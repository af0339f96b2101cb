//! The log: append, load, read on, sealing of personal data, relay to NATS.
//!
//! **Architecture invariant.** The table `log.events` is the truth and `log.append` is the one way
//! into it. Everything here that remembers something (caches, rings, cursors) may forget it at any
//! time: a forgotten thing costs a query, never a wrong event.

pub mod appender;
pub mod blocklist;
pub mod cache;
pub mod configured;
mod copy;
pub mod erasures;
pub mod front;
pub mod lease;
pub mod load;
pub mod log;
pub mod migrate;
pub mod notices;
pub mod read;
pub mod recent;
mod records;
pub mod relay;
pub mod restores;
pub mod seal;
pub mod searches;
pub mod security;
pub mod security_audit;
pub mod store;
pub mod stream;
pub mod testing;
pub mod unit;
pub mod upcast;
pub mod vault;

pub use appender::{AppendError, Appended};
pub use load::{LoadError, Loaded};
pub use log::{EventLog, LogConfig};
pub use read::{EventFilter, RecordedEvent};
pub use seal::{Opened, Opener};
pub use stream::StreamName;
pub use unit::{Guard, Receipt, StoredReceipt, Unit};
pub use vault::{MasterKeys, Vault};

/// A place in the log's total order: 1, 2, 3 … with no gap, in commit order. 0 is before the first.
pub type Position = u64;
