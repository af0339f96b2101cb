//! Projections: events in, read tables out.
//!
//! **Architecture invariant.** The log is the truth and the broker a carrier: what a message says is
//! compared with the log before it is applied, and whatever the broker loses, doubles, reorders or
//! invents changes no row. Read tables and checkpoints move in one transaction, so nothing is ever
//! applied twice or skipped.

pub mod checkpoints;
pub mod databases;
mod exports;
pub mod log;
pub mod message;
pub mod projection;
pub mod projections;
pub mod ranks;
pub mod rebuild;
pub mod runner;
pub mod search;
pub mod search_rewrites;
pub mod status;
pub mod votes;
