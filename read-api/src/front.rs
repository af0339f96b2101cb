//! What stands before the routes here: blocked addresses, rate limits, and what is noted of attacks.

use std::sync::Arc;

use agora_domain::site::settings::Setting;
use agora_event_store::{
    Opener,
    blocklist::Blocklist,
    configured,
    notices::{Notice, Notices},
};
use agora_service::{
    clock,
    config::HttpArgs,
    http::{Exempt, Front, Gate, Watcher},
    rate_limits::{Class, POLICIES, RateLimits},
};
use axum::http::Method;

use crate::app::App;

/// Starts what keeps it up to date, and gives it.
pub fn start(app: &App, arguments: &HttpArgs) -> Front {
    let (pool, blocklist) = (app.primary.clone(), Blocklist::default());
    let opener = Opener::new(app.opener.vault().clone());
    tokio::spawn(blocklist.clone().follow(pool.clone(), opener, app.security.clone()));
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
    tokio::spawn(notices.clone().write_for_ever(app.security.clone()));
    let watcher: Watcher = Arc::new(move |noticed| {
        let ((kind, action), status) = (noticed.what.record(), noticed.status);
        notices.note(Notice { kind, action, status, address: Some(noticed.address) });
    });
    let allowed = blocklist.clone();
    let exempt: Exempt = Arc::new(move |address| allowed.allows(address, clock::now));
    let gate: Gate = Arc::new(move |address| blocklist.refuses(address, clock::now));
    Front::new(arguments).refusing(gate).limiting(limits, classify, exempt, watcher)
}

/// Probes are never counted; whoever may reach them is the operator's choice.
fn classify(_: &Method, path: &str) -> Option<Class> {
    match path {
        "/healthz" | "/readyz" | "/metrics" => None,
        _ if path.starts_with("/v1/search/") => Some(Class::Search),
        _ => Some(Class::Read),
    }
}
