//! Faults that really happen to real processes, and what must hold after each.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests make their own ids, and what they share may panic as they do"
)]

mod backup;
mod conformance;
mod entities;
mod erasure;
mod faults;
mod installation;
