//! `/healthz` (the process lives), `/readyz` (it can serve), `/metrics` (Prometheus).

use std::{pin::Pin, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tracing::warn;

use crate::{problem::Problem, telemetry::Metrics};

/// A check's verdict; the error is for operators and goes to the log and to `/readyz`, so it must
/// hold neither personal data nor secrets.
pub type Verdict = Result<(), String>;
type Check = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Verdict> + Send>> + Send + Sync>;

/// How long a readiness check may take before it counts as failed.
const CHECK_LIMIT: Duration = Duration::from_secs(2);

/// The named checks that say whether a service is ready.
#[derive(Clone, Default)]
pub struct Health {
    checks: Vec<(&'static str, Check)>,
}

impl Health {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check.
    #[must_use]
    pub fn check<F, Fut>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Verdict> + Send + 'static,
    {
        self.checks.push((name, Arc::new(move || Box::pin(check()))));
        self
    }

    /// The three routes, to be merged into a service's own.
    pub fn routes(self, metrics: Metrics) -> Router {
        Router::new()
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz).with_state(Arc::new(self)))
            .route("/metrics", get(render).with_state(metrics))
    }
}

async fn healthz() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(json!({ "status": "ok" }))).into_response()
}

async fn readyz(State(health): State<Arc<Health>>) -> Response {
    let verdicts = futures::future::join_all(health.checks.iter().map(|(name, check)| async {
        let verdict = tokio::time::timeout(CHECK_LIMIT, check()).await;
        (*name, verdict.unwrap_or_else(|_| Err("no answer within 2 s".to_owned())))
    }))
    .await;
    let failed: Vec<_> = verdicts.iter().filter(|(_, verdict)| verdict.is_err()).collect();
    if failed.is_empty() {
        let checks: Vec<_> = verdicts.iter().map(|(name, _)| *name).collect();
        let body = Json(json!({ "status": "ready", "checks": checks }));
        return ([(header::CACHE_CONTROL, "no-store")], body).into_response();
    }
    let mut names = Vec::new();
    for (name, verdict) in failed {
        // The reason stays in the log: addresses and names of databases are not for everybody.
        warn!(check = name, reason = verdict.as_ref().err(), "not ready");
        names.push(*name);
    }
    Problem::unavailable(format!("Not ready: {}.", names.join(", "))).into_response()
}

async fn render(State(metrics): State<Metrics>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], metrics.render())
        .into_response()
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt;

    use super::*;

    async fn status_of(health: Health) -> u16 {
        let request = Request::get("/readyz").body(Body::empty()).unwrap();
        health.routes(Metrics::detached()).oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn ready_only_when_every_check_is() {
        let good = Health::new().check("database", || async { Ok(()) });
        assert_eq!(status_of(good.clone()).await, 200);
        let bad = good.check("broker", || async { Err("away".to_owned()) });
        assert_eq!(status_of(bad).await, 503);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_is_a_failed_check() {
        let hanging = Health::new().check("database", std::future::pending::<Verdict>);
        assert_eq!(status_of(hanging).await, 503);
    }
}
