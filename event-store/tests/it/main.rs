//! The log against real Postgres and NATS; every test has a database of its own.

#![expect(
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers for the modules beside them; tests make their own ids"
)]

mod common;

mod appending;
mod bad_data;
mod claims;
mod cqrs;
mod entry_hash;
mod immutability;
mod ledger;
mod lost_connections;
mod migrations;
mod plans;
mod races;
mod receipts;
mod relay;
mod sealing;
mod security_audit;
mod security_records;
mod short_streams;
mod stale_cache;
mod vault;
