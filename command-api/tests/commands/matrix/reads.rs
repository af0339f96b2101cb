//! The read API in the test's process, on the same database.

use std::{sync::Arc, time::Duration};

use agora_event_store::{
    Opener,
    searches::{SearchLog, Settings},
    security::SecurityLog,
    security_audit::{SecurityAudit, SpoolAt},
};
use agora_projectors::{
    checkpoints,
    runner::applier::{Applier, Origin},
};
use agora_read_api::{
    access::{Activity, IssuedSessions},
    app::App,
    cursor::Cursors,
    downloads::{Downloads, count::Counter},
    freshness::Projected,
    http,
    live::{self, Limits, Live},
    search::KeptFound,
    together::Together,
};
use agora_service::{client_address::ClientAddress, clock, geoip::Countries, objects::Objects};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use chrono::TimeDelta;
use object_store::memory::InMemory;
use sqlx::{ConnectOptions, postgres::PgPoolOptions};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::scene::Shows;
use crate::common::{Answer, CLIENT, World};

/// Applies everything in the log to the read tables, and serves them.
pub async fn serve(world: &World) -> Router {
    let database = &world.database;
    let options = checkpoints::live(database.connect_as("agora_projector"));
    let opener = Opener::new(database.vault());
    let mut applier = Applier::open(options.connect().await.unwrap(), opener).await.unwrap();
    let head = applier.head().await.unwrap();
    applier.check_history(head).await.unwrap();
    loop {
        let events = applier.read_log(2_000).await.unwrap();
        if events.is_empty() {
            break;
        }
        applier.apply(&events, Origin::Log).await.unwrap();
    }
    applier.flush().await.unwrap();

    let reads = PgPoolOptions::new()
        .max_connections(4)
        .connect(&database.url_as("agora_reader"))
        .await
        .unwrap();
    let vault = database.vault();
    let settings = Settings { default_consent: false, retention_days: 90 };
    let objects = Objects::of(Arc::new(InMemory::new()));
    // Nothing is downloaded, and so nothing counted.
    let downloads = Downloads::new(objects, Counter::new("http://127.0.0.1:9").unwrap());
    let spool = SpoolAt {
        folder: std::env::temp_dir().join(format!("agora-spool-{}", clock::new_id())),
        service: "read-api",
        bytes_max: 1 << 20,
    };
    let security_audit =
        SecurityAudit::start(reads.clone(), vault.clone(), &spool, Countries::default()).unwrap();
    // The file is open, and that is enough.
    std::fs::remove_dir_all(spool.folder).unwrap();
    let app = App {
        downloads,
        security_audit,
        controller: None,
        reads: reads.clone(),
        rankings: reads.clone(),
        audit_searches: reads.clone(),
        primary: reads.clone(),
        cursors: Cursors::new(vault.masters()),
        security: SecurityLog::start(reads.clone(), vault.clone(), None),
        searches: SearchLog::start(reads.clone(), vault.clone(), None, settings),
        activity: Activity::start(reads.clone(), TimeDelta::days(7)),
        issued_sessions: IssuedSessions::new(reads.clone()),
        consent_gate: Together::new("consents", reads.clone()),
        opener: Opener::new(vault),
        live: Live::new(Limits::default(), CancellationToken::new()),
        projected: Projected::default(),
        warm_lists: Arc::default(),
        searched: KeptFound::new(Duration::ZERO),
    };
    let app = Arc::new(app);
    tokio::spawn(live::run(Arc::clone(&app)));
    agora_service::http::complete(http::router(app))
}

pub async fn get(router: &Router, shows: &Shows, path: &str) -> Answer {
    let mut request = Request::get(path).extension(ClientAddress::of(CLIENT.parse().unwrap()));
    if let Some((name, value)) = shows.header() {
        request = request.header(name, value);
    }
    let request = request.body(Body::empty()).unwrap();
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let streams = parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
    // A live stream does not end.
    let body = if streams { Body::empty() } else { body };
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    Answer::new(parts.status.as_u16(), parts.headers, bytes.to_vec())
}
