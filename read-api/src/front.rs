//! What stands before the routes here: blocked addresses, rate limits, and what is noted of attacks.

use agora_service::{config::HttpArgs, http::Front, rate_limits::Class};
use axum::http::Method;

use crate::app::App;

/// Starts what keeps it up to date, and gives it.
pub fn start(app: &App, arguments: &HttpArgs) -> Front {
    agora_event_store::front::start(
        app.primary.clone(),
        app.opener.vault().clone(),
        &app.security,
        arguments,
        classify,
    )
}

/// Probes are never counted; whoever may reach them is the operator's choice.
fn classify(_: &Method, path: &str) -> Option<Class> {
    match path {
        "/healthz" | "/readyz" | "/metrics" => None,
        _ if path.starts_with("/v1/search/") => Some(Class::Search),
        _ => Some(Class::Read),
    }
}
