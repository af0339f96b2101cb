//! Projections against real Postgres and NATS; every test has a database of its own.

#![expect(
    unreachable_pub,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers for the modules beside them"
)]

mod scene;

mod broker;
mod cli;
mod domain;
mod poison;
mod readers;
mod rebuild;
mod rows;
mod rows_of_compliance;
mod rows_of_content;
mod rows_of_erasure;
mod rows_of_exports;
mod rows_of_guests;
mod rows_of_reports;
mod rows_of_security;
mod runners;
mod search;
mod story;
mod story_of_compliance;
mod story_of_exports;
mod story_of_reports;
mod story_of_security;
