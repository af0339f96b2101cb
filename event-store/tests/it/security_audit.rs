//! The security audit log (E27): everything is told once, whatever is away; nothing is changed; what is
//! personal goes with its key.

mod chain;
mod clients;
mod outages;
mod privacy;
mod table;

use std::{path::PathBuf, sync::Arc};

use agora_domain::security::audit::{AuditEventType, AuditResult};
use agora_event_store::{
    security_audit::{Entry, Person, Row, SecurityAudit, SpoolAt, Store, fill_in},
    testing::TestDatabase,
};
use agora_service::{
    client_address::ClientAddress,
    geoip::Countries,
    http::{
        access::{Known, Said},
        complete_audited,
    },
    problem::Problem,
};
use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, request::Builder},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tower::ServiceExt;
use uuid::Uuid;

use crate::common::id;

const ADDRESS: &str = "203.0.113.77";

async fn pool(database: &TestDatabase) -> PgPool {
    PgPool::connect(&database.url_as("agora_writer")).await.unwrap()
}

/// A folder of a test's own.
fn spool() -> SpoolAt {
    let folder: PathBuf = std::env::temp_dir().join(format!("agora-audit-{}", id()));
    SpoolAt { folder, service: "test", bytes_max: 64 << 20 }
}

async fn started() -> (TestDatabase, SecurityAudit, SpoolAt) {
    let (database, at) = (TestDatabase::new().await, spool());
    let audit =
        SecurityAudit::start(pool(&database).await, database.vault(), &at, Countries::default())
            .unwrap();
    (database, audit, at)
}

async fn store(database: &TestDatabase) -> Store {
    Store::new(pool(database).await, database.vault())
}

fn entry(user: Option<Uuid>) -> Entry {
    entry_at(Utc::now(), user)
}

fn entry_at(at: DateTime<Utc>, user: Option<Uuid>) -> Entry {
    let mut entry = Entry::at(at, AuditEventType::ApiAccess, AuditResult::Success);
    entry.endpoint = Some("/v1/commands/cast-vote".into());
    entry.response_code = Some(200);
    entry.person = Person {
        user,
        kind: user.map(|_| "member".into()),
        session: user,
        ip: Some(ADDRESS.parse().unwrap()),
        said: Arc::new(Said {
            user_agent: Some("a browser".into()),
            referrer: Some("https://agora.example/page".into()),
            headers: Some(r#"{"accept":"text/html"}"#.into()),
        }),
    };
    entry
}

async fn count(database: &TestDatabase) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM log.security_audit_entries")
        .fetch_one(&database.pool)
        .await
        .unwrap()
}

async fn rows(database: &TestDatabase) -> Vec<Row> {
    let statement = format!(
        "SELECT {} FROM log.security_audit_entries ORDER BY recorded_at, log_id",
        Row::COLUMNS
    );
    let mut connection = database.pool.acquire().await.unwrap();
    let mut rows: Vec<Row> = sqlx::query_as(&statement).fetch_all(&mut *connection).await.unwrap();
    fill_in(&mut connection, &mut rows).await.unwrap();
    rows
}

/// Some routes, seen by a log.
fn api(audit: &SecurityAudit) -> Router {
    let known = |user: Uuid, response: Response| {
        let mut response = response;
        let actor = Some(("member", user));
        response.extensions_mut().insert(Known { actor, session: Some(user), ..Known::default() });
        response
    };
    let routes = Router::new()
        .route("/healthz", get(|| async { "well" }))
        .route("/v1/slow", get(std::future::pending::<&str>))
        .route(
            "/v1/commands/{name}",
            post(move |body: Bytes| async move {
                known(Uuid::from_u128(7), body.len().to_string().into_response())
            }),
        )
        .route(
            "/v1/commands/log-in",
            post(|| async { Problem::unauthenticated("No.").with_rule("CRD-12").into_response() }),
        )
        .route("/v1/forbidden", get(|| async { Problem::forbidden("No.").into_response() }))
        .route(
            "/v1/stream",
            get(|| async {
                let parts = ["one", "two!"].map(|part| Ok::<_, std::io::Error>(Bytes::from(part)));
                Body::from_stream(futures::stream::iter(parts))
            }),
        );
    complete_audited(routes, Some(audit.door()))
}

async fn send(api: &Router, request: Builder, body: &'static str) -> u16 {
    send_body(api, request, Body::from(body)).await
}

async fn send_body(api: &Router, request: Builder, body: Body) -> u16 {
    let mut request = request.body(body).unwrap();
    request.extensions_mut().insert(ClientAddress::of(ADDRESS.parse().unwrap()));
    let response = api.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    http_body_util::BodyExt::collect(response.into_body()).await.unwrap();
    status
}

fn request(method: &str, path: &str) -> Builder {
    Request::builder().method(method).uri(path)
}
