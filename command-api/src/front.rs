//! What stands before the routes here: blocked addresses, rate limits, and what is noted of attacks.

use agora_service::{config::HttpArgs, http::Front, rate_limits::Class};
use axum::http::Method;

use crate::{App, commands};

/// Commands that check a secret, or have a mail sent for whoever asks.
const LOGINS: &[&str] = &[
    "confirm-email",
    commands::log_in::NAME,
    "register-member",
    "request-password-reset",
    "reset-password",
    "start-password-reset",
];

/// Starts what keeps it up to date, and gives it.
pub fn start(app: &App, arguments: &HttpArgs) -> Front {
    agora_event_store::front::start(
        app.log.pool().clone(),
        app.log.vault().clone(),
        &app.security,
        arguments,
        classify,
    )
}

/// Probes are never counted; whoever may reach them is the operator's choice.
fn classify(_: &Method, path: &str) -> Option<Class> {
    match path.strip_prefix("/v1/commands/") {
        Some(name) if LOGINS.contains(&name) => Some(Class::Login),
        Some(_) => Some(Class::Write),
        None if matches!(path, "/healthz" | "/readyz" | "/metrics") => None,
        None => Some(Class::Read),
    }
}

#[cfg(test)]
mod tests {
    use agora_domain::site::settings::Setting;
    use agora_service::rate_limits::POLICIES;

    use super::*;

    #[test]
    fn inc_12_every_login_is_a_command_and_every_policy_has_its_setting() {
        for login in LOGINS {
            assert!(commands::all().iter().any(|command| command.name == *login), "{login}");
        }
        for policy in &POLICIES {
            assert!(Setting::find(policy.setting).is_some(), "{}", policy.setting);
        }
        let class = |path| classify(&Method::POST, path);
        assert_eq!(class("/v1/commands/log-in"), Some(Class::Login));
        assert_eq!(class("/v1/commands/cast-vote"), Some(Class::Write));
        assert_eq!((class("/openapi.json"), class("/healthz")), (Some(Class::Read), None));
    }
}
