//! A platform for one test: its database, its log, its projections, its read API.

use std::{sync::Arc, time::Duration};

use agora_domain::{Actor, Decide, PersonalCategory, ids::SessionId};
use agora_event_store::{
    Appended, EventLog, Opener, Position, Unit, Vault,
    log::Draft,
    read,
    searches::{self, SearchLog},
    security::SecurityLog,
    security_audit::{SecurityAudit, SpoolAt},
    testing::TestDatabase,
};
use agora_projectors::{
    checkpoints,
    runner::applier::{Applier, Origin},
};
use agora_read_api::{
    access::{Activity, IssuedSessions},
    app::{App, Shared},
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
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode},
};
use chrono::TimeDelta;
use http_body_util::BodyExt;
use object_store::{ObjectStore, memory::InMemory};
use serde_json::Value;
use sqlx::{ConnectOptions, PgPool, postgres::PgPoolOptions};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

/// Where all requests of a test come from.
pub const CLIENT: &str = "198.51.100.7";

pub struct World {
    pub database: Arc<TestDatabase>,
    pub log: EventLog,
    pub projected: Projected,
    pub reads: PgPool,
    pub searches: SearchLog,
    /// Where files are.
    pub store: Arc<dyn ObjectStore>,
    /// Ends the live streams.
    pub shutdown: CancellationToken,
    /// To be served on an address.
    pub routes: Router,
    /// The same as it is served.
    api: Router,
}

/// Somebody who is logged in.
#[derive(Clone)]
pub struct User {
    pub actor: Actor,
    pub session: SessionId,
    pub token: String,
}

impl User {
    pub fn id(&self) -> Uuid {
        self.actor.id
    }
}

/// What a request was answered.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn position(&self) -> Position {
        self.header("agora-position").parse().unwrap()
    }

    /// The body of a 200.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }

    /// The body of a refusal; checks that it is a problem document.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["type"].is_string() && problem["detail"].is_string(), "{problem}");
        problem
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub async fn with(limits: Limits) -> Self {
        let database = Arc::new(TestDatabase::new().await);
        let log = database.log().await;
        let reads = PgPoolOptions::new()
            .max_connections(8)
            .test_before_acquire(false)
            .connect(&database.url_as("agora_reader"))
            .await
            .unwrap();
        let projected = Projected::default();
        let searches = searches(&reads, database.vault(), false);
        let vault = database.vault();
        let shutdown = CancellationToken::new();
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let downloads = downloads(&store, NOBODY);
        let app =
            app(&reads, vault, projected.clone(), searches.clone(), limits, downloads, &shutdown);
        let routes = http::router(app);
        let api = agora_service::http::complete(routes.clone());
        Self { database, log, projected, reads, searches, store, shutdown, routes, api }
    }

    /// Another instance of the read API on the same data.
    pub fn another_instance(&self) -> Self {
        self.another_with(self.searches.clone(), NOBODY)
    }

    /// The same, where everybody has consented to analytics.
    pub fn where_all_consent(&self) -> Self {
        self.another_with(searches(&self.reads, self.database.vault(), true), NOBODY)
    }

    /// The same, with a command API that counts downloads.
    pub fn counted_by(&self, command_url: &str) -> Self {
        self.another_with(self.searches.clone(), command_url)
    }

    /// The same, with these routes deprecated.
    pub fn where_deprecated(&self, deprecated: http::Routes) -> Self {
        let app = self.another_app(self.searches.clone(), NOBODY);
        self.another_on(http::router_where(app, deprecated), self.searches.clone())
    }

    /// The same, and the log of accesses that is told of each of its requests.
    pub fn told(&self) -> (Self, SecurityAudit) {
        let audit = security_audit(&self.reads, &self.database.vault());
        let mut told = self.another_instance();
        let routes = told.routes.clone();
        told.api = agora_service::http::complete_audited(routes, Some(audit.door()));
        (told, audit)
    }

    fn another_with(&self, searches: SearchLog, command_url: &str) -> Self {
        let app = self.another_app(searches.clone(), command_url);
        self.another_on(http::router(app), searches)
    }

    fn another_app(&self, searches: SearchLog, command_url: &str) -> Shared {
        let (limits, projected) = (Limits::default(), self.projected.clone());
        let downloads = downloads(&self.store, command_url);
        let vault = self.database.vault();
        app(&self.reads, vault, projected, searches, limits, downloads, &self.shutdown)
    }

    fn another_on(&self, routes: Router, searches: SearchLog) -> Self {
        Self {
            database: Arc::clone(&self.database),
            log: self.log.clone(),
            projected: self.projected.clone(),
            reads: self.reads.clone(),
            searches,
            store: Arc::clone(&self.store),
            shutdown: self.shutdown.clone(),
            api: agora_service::http::complete(routes.clone()),
            routes,
        }
    }

    /// Appends events to a stream, in one unit; returns the last position.
    pub async fn append<A: Decide>(
        &self,
        by: Actor,
        id: impl ToString,
        events: Vec<A::Event>,
    ) -> Position {
        let mut unit = Unit::default();
        self.draft::<A>(&mut unit, by, id, events).await;
        self.write(unit).await
    }

    pub(crate) async fn draft<A: Decide>(
        &self,
        unit: &mut Unit,
        by: Actor,
        id: impl ToString,
        events: Vec<A::Event>,
    ) {
        let loaded = self.log.load_fresh::<A>(&id.to_string()).await.unwrap();
        let metadata = format!(r#"{{"actor":"{by}","command_name":"test"}}"#);
        let draft = Draft {
            loaded: &loaded,
            events,
            event_ids: &mut clock::new_id,
            metadata: &metadata,
            client_address: Some((&by.subject(), CLIENT)),
        };
        self.log.draft(unit, draft).await.unwrap();
    }

    pub(crate) async fn write(&self, unit: Unit) -> Position {
        let events = unit.events.len() as u64;
        match self.log.append(unit).await.unwrap() {
            Appended::Now(placed) => placed.first_position + events.max(1) - 1,
            other => panic!("{other:?}"),
        }
    }

    /// Applies everything in the log to the read tables.
    pub async fn project(&self) -> Position {
        let options = checkpoints::live(self.database.connect_as("agora_projector"));
        let opener = Opener::new(self.database.vault());
        let mut applier = Applier::open(options.connect().await.unwrap(), opener).await.unwrap();
        let head = applier.head().await.unwrap();
        applier.check_history(head).await.unwrap();
        loop {
            let events = applier.read_log(2_000).await.unwrap();
            if events.is_empty() {
                applier.flush().await.unwrap();
                return applier.position();
            }
            applier.apply(&events, Origin::Log).await.unwrap();
        }
    }

    pub async fn head(&self) -> Position {
        read::head(&mut self.database.pool.acquire().await.unwrap()).await.unwrap()
    }

    /// A request of a guest.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path)).await
    }

    /// A request of somebody who is logged in.
    pub async fn get_as(&self, user: &User, path: &str) -> Reply {
        self.send(Request::get(path).header("authorization", format!("Bearer {}", user.token)))
            .await
    }

    /// The body of a 200, in the pieces in which it is sent.
    pub async fn frames_as(&self, user: &User, path: &str) -> Vec<String> {
        let request = Request::get(path).header("authorization", format!("Bearer {}", user.token));
        let response =
            self.api.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        let mut frames = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            frames.push(String::from_utf8(data.to_vec()).unwrap());
        }
        frames
    }

    pub async fn send(&self, request: axum::http::request::Builder) -> Reply {
        self.send_from(CLIENT, request).await
    }

    pub async fn send_from(&self, client: &str, request: axum::http::request::Builder) -> Reply {
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(ClientAddress::of(client.parse().unwrap()));
        let response = self.api.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        if parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream") {
            // It does not end: whoever wants to hear it listens (see `World::listen`).
            return Reply { status: parts.status, headers: parts.headers, body: String::new() };
        }
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// The reply's body as it comes, without waiting for its end.
    pub async fn open(&self, request: axum::http::request::Builder) -> (Reply, Body) {
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(ClientAddress::of(CLIENT.parse().unwrap()));
        let (parts, body) = self.api.clone().oneshot(request).await.unwrap().into_parts();
        (Reply { status: parts.status, headers: parts.headers, body: String::new() }, body)
    }

    pub async fn method(&self, method: Method, path: &str) -> Reply {
        self.send(Request::builder().method(method).uri(path)).await
    }

    /// Destroys all of somebody's keys.
    pub async fn erase(&self, user: &User) {
        let vault = self.database.vault();
        vault.destroy(&user.actor.subject(), &PersonalCategory::ALL).await.unwrap();
    }

    /// The security records so far: kind, result, action, rule.
    pub async fn security_records(&self) -> Vec<(String, String, String, Option<String>)> {
        sqlx::query_as(
            "SELECT kind, result, action, rule FROM log.security_records ORDER BY recorded_at, id",
        )
        .fetch_all(&self.database.pool)
        .await
        .unwrap()
    }
}

fn searches(reads: &PgPool, vault: Vault, default_consent: bool) -> SearchLog {
    let settings = searches::Settings { default_consent, retention_days: 90 };
    SearchLog::start(reads.clone(), vault, None, settings)
}

/// With a folder of its own for what it cannot write.
fn security_audit(reads: &PgPool, vault: &Vault) -> SecurityAudit {
    let folder = std::env::temp_dir().join(format!("agora-spool-{}", clock::new_id()));
    let spool = SpoolAt { folder: folder.clone(), service: "read-api", bytes_max: 1 << 20 };
    let audit =
        SecurityAudit::start(reads.clone(), vault.clone(), &spool, Countries::default()).unwrap();
    // It is open, and that is enough.
    std::fs::remove_dir_all(folder).unwrap();
    audit
}

/// Where no command API is.
const NOBODY: &str = "http://127.0.0.1:9";

fn downloads(store: &Arc<dyn ObjectStore>, command_url: &str) -> Downloads {
    Downloads::new(Objects::of(Arc::clone(store)), Counter::new(command_url).unwrap())
}

/// As the binary asks for ranked lists.
fn planned_once(reads: &PgPool) -> PgPool {
    let options = reads.connect_options().as_ref().clone();
    let options = options.options([("plan_cache_mode", "force_generic_plan")]);
    PgPoolOptions::new().max_connections(4).test_before_acquire(false).connect_lazy_with(options)
}

fn app(
    reads: &PgPool,
    vault: Vault,
    projected: Projected,
    searches: SearchLog,
    limits: Limits,
    downloads: Downloads,
    shutdown: &CancellationToken,
) -> Shared {
    let app = App {
        downloads,
        controller: Some("Agora, post@agora.example".to_owned()),
        reads: reads.clone(),
        rankings: planned_once(reads),
        audit_searches: reads.clone(),
        primary: reads.clone(),
        cursors: Cursors::new(vault.masters()),
        security: SecurityLog::start(reads.clone(), vault.clone(), None),
        security_audit: security_audit(reads, &vault),
        searches,
        activity: Activity::start(reads.clone(), TimeDelta::days(7)),
        issued_sessions: IssuedSessions::new(reads.clone()),
        opener: Opener::new(vault),
        live: Live::new(limits, shutdown.clone()),
        projected,
        consent_gate: Together::new("consents", reads.clone()),
        warm_lists: Arc::default(),
        // What was written is found at once.
        searched: KeptFound::new(Duration::ZERO),
    };
    let app = Arc::new(app);
    tokio::spawn(live::run(Arc::clone(&app)));
    app
}
