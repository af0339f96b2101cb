//! What stands before the routes of both APIs, fed from the log's database: blocked addresses, rate limits,
//! and what is noted of attacks.

use std::sync::Arc;

use agora_domain::site::settings::Setting;
use agora_service::{
    clock,
    config::HttpArgs,
    http::{Classify, Exempt, Front, Gate, Watcher},
    rate_limits::{POLICIES, RateLimits},
};
use sqlx::PgPool;

use crate::{
    Opener, Vault,
    blocklist::Blocklist,
    configured,
    notices::{Notice, Notices},
    security::SecurityLog,
};

/// Starts what keeps it up to date, and gives it. `classify` says which limit a request counts for.
pub fn start(
    pool: PgPool,
    vault: Vault,
    security: &SecurityLog,
    arguments: &HttpArgs,
    classify: Classify,
) -> Front {
    let blocklist = Blocklist::default();
    let follow = blocklist.clone().follow(pool.clone(), Opener::new(vault), security.clone());
    tokio::spawn(follow);
    let limits = RateLimits::default();
    let settings = POLICIES.iter().filter_map(|policy| Setting::find(policy.setting)).collect();
    tokio::spawn({
        let limits = limits.clone();
        configured::follow(pool, settings, move |numbers| {
            limits.set(|policy| numbers.get(policy.setting).copied().unwrap_or_default());
        })
    });
    tokio::spawn(limits.clone().sweep_for_ever());
    let notices = Notices::default();
    tokio::spawn(notices.clone().write_for_ever(security.clone()));
    let watcher: Watcher = Arc::new(move |noticed| {
        let ((kind, action), status) = (noticed.what.record(), noticed.status);
        notices.note(Notice { kind, action, status, address: Some(noticed.address) });
    });
    let allowed = blocklist.clone();
    let exempt: Exempt = Arc::new(move |address| allowed.allows(address, clock::now));
    let gate: Gate = Arc::new(move |address| blocklist.refuses(address, clock::now));
    Front::new(arguments).refusing(gate).limiting(limits, classify, exempt, watcher)
}
