//! The read API as its clients see it, on a real Postgres: events into the log, projections applied,
//! requests through the whole router. A file for each group of routes.

#![expect(unreachable_pub, reason = "a test crate exports nothing")]

mod world;

mod access;
mod audit;
mod bad_input;
mod freshness;
mod openapi;
mod own;
mod public;
