//! Commands in: HTTP → authenticate → parse → decide → one unit to the log → reply.
//!
//! **Architecture invariant.** A command's way has four hops: the route ([`http`]), the use case
//! (one file in [`commands`]), the aggregate (in the domain), the log. Nothing is answered as done
//! before the log has it.

pub mod accounts;
pub mod addresses;
pub mod admins;
pub mod app;
pub mod authenticate;
pub mod bootstrap;
pub mod command;
pub mod commands;
pub mod communities;
pub mod consents;
pub mod decision;
pub mod deletions;
pub mod detection;
mod drop_registration;
pub mod erase;
pub mod execute;
mod expire_session;
pub mod exports;
pub mod fields;
pub mod guests;
pub mod http;
pub mod incidents;
pub mod integrations;
pub mod mail_tokens;
pub mod moderations;
pub mod openapi;
pub mod organizations;
pub mod passwords;
pub mod permission;
pub mod policies;
pub mod posts;
pub mod provider;
pub mod reauthentication;
pub mod refusal;
pub mod reply;
pub mod reports;
pub mod service_accounts;
pub mod sessions;
pub mod throttle;

pub use app::{App, Settings};
pub use command::Command;
