//! What the binaries share: configuration, logs and metrics, shutdown, problem documents, the
//! HTTP edge, connections to Postgres and NATS.
//!
//! **Architecture invariant.** Nothing here knows the domain or the log; what only one service
//! needs lives in that service.

pub mod client_address;
pub mod clock;
pub mod config;
pub mod deprecation;
pub mod geoip;
pub mod health;
pub mod http;
pub mod nats;
pub mod objects;
pub mod patterns;
pub mod postgres;
pub mod problem;
pub mod rate_limits;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
