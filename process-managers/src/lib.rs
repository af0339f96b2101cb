//! Runs the domain's process managers: a file and a line in [`processes`] each.
//!
//! **Architecture invariant.** A process reads the log, never the broker or a read table, and acts
//! through commands and mails alone. Wake-ups and the checkpoint move in one transaction; a command that is
//! sent twice has the same event ids, so the log takes it once.

pub mod detection;
pub mod erasure;
pub mod exports;
pub mod geoip;
pub mod mail;
pub mod processes;
pub mod retention;
pub mod runner;
pub mod security_audit;
