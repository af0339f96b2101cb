//! The command API as its clients see it: over HTTP, on a real Postgres. One binary, so that it is
//! linked once.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests make their own ids, and what they share may panic as they do"
)]

mod account_ends;
mod admins;
mod appeals;
mod bad_bodies;
mod bad_requests;
mod categories;
mod comments;
mod common;
mod communities;
mod community_rules;
mod configuration;
mod consents;
mod credentials;
mod deletions;
mod deprecation;
mod export_bodies;
mod export_quota;
mod exports;
mod guests;
mod guests_content;
mod idempotency;
mod incidents;
mod integrations;
mod ip_lists;
mod kernel;
mod law;
mod limits;
mod mail;
mod matrix;
mod members;
mod memberships;
mod organizations;
mod owasp;
mod personal_data;
mod policies;
mod posts;
mod processing_limits;
mod rate_limits;
mod registry;
mod reports;
mod service_accounts;
mod session_ends;
mod sessions;
mod subject_exports;
mod two_instances;
mod votes;
