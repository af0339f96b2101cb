//! What may happen in Agora: aggregates, commands, events and value types.
//!
//! **Architecture invariant.** This crate is pure: no I/O, no clock, no randomness. Time, ids and
//! randomness arrive in commands, so a decision taken twice on the same state gives the same events.
//! A test fails the build if `sqlx`, `axum` or `async-nats` reach it.

pub mod actor;
pub mod aggregate;
pub mod changes;
pub mod ids;
pub mod permissions;
pub mod personal;
pub mod refusal;
pub mod registry;
pub mod values;

pub mod community;
pub mod compliance;
pub mod content;
pub mod exports;
pub mod identity;
pub mod process_managers;
pub mod security;
pub mod site;

pub use actor::{Actor, ActorKind};
pub use aggregate::{Decide, StoredName};
pub use personal::{Category as PersonalCategory, Personal, Subject};
pub use refusal::{Refusal, RefusalKind, RuleBreak};
