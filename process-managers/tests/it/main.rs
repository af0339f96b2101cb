//! Processes on a real Postgres, with a mail server on loopback. One binary, so that it is linked
//! once.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests make their own ids, and what they share may panic as they do"
)]

mod attack;
mod detection;
mod erasure;
mod exports;
mod geoip;
mod ip_retention;
mod mail;
mod policy_notices;
mod retention;
mod security_audit;
mod smtp_server;
mod subject_data;
mod subject_story;
mod world;
