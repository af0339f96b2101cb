//! The read API as its clients see it, on a real Postgres: events into the log, projections applied,
//! requests through the whole router. A file for each group of routes.

#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test crate exports nothing, and its helpers may fail loudly as tests do"
)]

mod fixtures;
mod listener;
mod world;

mod access;
mod audit;
mod bad_input;
mod comments;
mod community_rules;
mod compliance;
mod configuration;
mod deletions;
mod downloads;
mod export_plans;
mod exports;
mod feeds;
mod freshness;
mod guests;
mod integrations;
mod live;
mod moderation;
mod openapi;
mod own;
mod plans;
mod process;
mod public;
mod rate_limits;
mod reports;
mod search;
mod search_logs;
mod security;
mod security_audit_logs;
mod security_audit_plans;
mod service_accounts;
