//! Projections against real Postgres and NATS; every test has a database of its own.

#![expect(unreachable_pub, reason = "helpers for the modules beside them")]

mod scene;

mod broker;
mod poison;
mod readers;
mod rebuild;
mod rows;
mod runners;
mod story;
