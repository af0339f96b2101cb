//! The read API: what the platform shows, from read tables that have reached the position that the
//! client asks for, and the log itself for those who audit it.
//!
//! A read goes: `access` (who asks, may they) → a handler in `routes` with its query → `freshness`
//! (has the data reached the position) → `rows` (personal fields opened) → `reply`.
//!
//! **Architecture invariants.** Nothing here writes, but for security records. No read table is
//! asked who somebody is: sessions and roles come from the log. A statement gives its rows together
//! with the position that they reflect, so no answer claims more than it shows.

pub mod access;
pub mod app;
pub mod config;
pub mod cursor;
pub mod downloads;
pub mod error;
pub mod exported;
pub mod freshness;
pub mod front;
pub mod http;
pub mod live;
pub mod openapi;
pub mod paging;
pub mod params;
pub mod ranked;
pub mod removal;
pub mod replay;
pub mod reply;
pub mod request;
pub mod routes;
pub mod rows;
pub mod search;
pub mod security_audit;
pub mod together;
