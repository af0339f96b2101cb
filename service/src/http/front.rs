//! What stands before a service's routes: who is let in, how often, how large and how slow a request may
//! be, and what browsers are told.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, header},
    response::IntoResponse,
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{access::Audit, body::Room, edge, guarded::Guard};
use crate::{
    client_address::TrustedProxies,
    config::HttpArgs,
    patterns::Pattern,
    problem::{self, Kind, Problem},
    rate_limits::{Class, RATE_LIMIT, RATE_LIMIT_POLICY, RateLimits},
};

/// Says of a client's address whether it is refused. Asked for every request, before anything else is
/// done for it.
pub type Gate = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;
/// Says of a client's address whether it has no limits.
pub type Exempt = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;
/// Which limit a request counts for, by its method and path; none for what answers probes.
pub type Classify = fn(&Method, &str) -> Option<Class>;
/// Takes what is worth a security record. Called on the request's way: it must not wait.
pub type Watcher = Arc<dyn Fn(Notice) + Send + Sync>;

/// Something about a request that may be part of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    pub address: IpAddr,
    pub what: What,
    /// The HTTP status that was answered.
    pub status: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A request more than its address may send.
    TooMany,
    Suspicious(Pattern),
}

impl What {
    /// The kind of its security record, and the action that the record names.
    pub const fn record(self) -> (&'static str, &'static str) {
        match self {
            Self::TooMany => ("refusal", "rate-limit"),
            Self::Suspicious(pattern) => ("suspicious", pattern.as_str()),
        }
    }
}

/// Everything before the routes. Cheap to clone.
#[derive(Clone)]
pub struct Front {
    pub(super) proxies: TrustedProxies,
    pub(super) gate: Gate,
    pub(super) limits: Limits,
    room: Room,
    /// Who is told of each request; nobody where it is none.
    pub(super) audit: Option<Audit>,
    guard: Option<Guard>,
    cors: Vec<HeaderValue>,
}

/// Limits of connections and requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For a request's head; also ends idle connections.
    pub(super) head: Duration,
    /// For a whole body.
    pub(super) body: Duration,
    /// For an answer to begin.
    pub(super) request: Duration,
    /// For a client to take more of a reply.
    pub(super) write: Duration,
    pub(super) connections: usize,
    pub(super) connections_per_address: usize,
    pub(super) uri_bytes: usize,
    pub(super) is_behind_tls: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(75),
            body: Duration::from_secs(60),
            request: Duration::from_secs(60),
            write: Duration::from_secs(30),
            connections: 10_000,
            connections_per_address: 1_000,
            uri_bytes: 8_192,
            is_behind_tls: false,
        }
    }
}

impl Default for Front {
    fn default() -> Self {
        Self {
            proxies: TrustedProxies::default(),
            gate: Arc::new(|_| false),
            limits: Limits::default(),
            room: Room::of_bytes(64 << 20),
            audit: None,
            guard: None,
            cors: Vec::new(),
        }
    }
}

impl Front {
    pub fn new(arguments: &HttpArgs) -> Self {
        let limits = Limits {
            head: Duration::from_secs(arguments.http_head_seconds.into()),
            body: Duration::from_secs(arguments.http_body_seconds.into()),
            request: Duration::from_secs(arguments.http_request_seconds.into()),
            connections: arguments.http_connections,
            connections_per_address: arguments.http_connections_per_address,
            uri_bytes: arguments.http_uri_bytes,
            is_behind_tls: arguments.behind_tls,
            ..Limits::default()
        };
        let proxies = arguments.trusted_proxies();
        let room = Room::of_bytes(arguments.http_bodies_mb << 20);
        Self { proxies, limits, room, cors: arguments.cors_origins(), ..Self::default() }
    }

    /// Believes these networks on clients' addresses.
    #[must_use]
    pub fn trusting(self, proxies: TrustedProxies) -> Self {
        Self { proxies, ..self }
    }

    /// Refuses whom the gate refuses, with a 403 at once (IPR-08).
    #[must_use]
    pub fn refusing(self, gate: Gate) -> Self {
        Self { gate, ..self }
    }

    /// Limits how often a client may ask, and notes what looks like an attack (INC-12). The machine
    /// itself has no limits (K20).
    #[must_use]
    pub fn limiting(
        self,
        limits: RateLimits,
        classify: Classify,
        exempt: Exempt,
        watcher: Watcher,
    ) -> Self {
        Self { guard: Some(Guard::new(limits, classify, exempt, watcher)), ..self }
    }

    /// Tells somebody of each request (SAL-05).
    #[must_use]
    pub fn auditing(self, audit: Option<Audit>) -> Self {
        Self { audit, ..self }
    }

    /// The routes with everything around them, but what belongs to connections: the client's address,
    /// the gate, and time limits of heads.
    pub fn around(&self, routes: Router) -> Router {
        let mut routes = routes
            .merge(problem::pages())
            .fallback(|| async { Problem::of(Kind::NotFound).into_response() })
            // The edge bounds every body itself, also those that no extractor reads.
            .layer(axum::extract::DefaultBodyLimit::disable());
        if let Some(guard) = &self.guard {
            let guard = guard.clone();
            routes = routes.layer(tower::layer::layer_fn(move |inner| guard.clone().before(inner)));
        }
        if let Some(cors) = self.cors_layer() {
            routes = routes.layer(cors);
        }
        let (limits, room, audit) = (self.limits, self.room.clone(), self.audit.clone());
        routes.layer(tower::layer::layer_fn(move |inner| {
            edge::Edge::new(inner, limits, room.clone(), audit.clone())
        }))
    }

    /// None where no other site may use the API from a browser, as is the default. Cookies are never
    /// part of it: who asks is told by a header.
    fn cors_layer(&self) -> Option<CorsLayer> {
        if self.cors.is_empty() {
            return None;
        }
        let origins = match self.cors.iter().any(|origin| origin == "*") {
            true => AllowOrigin::any(),
            false => AllowOrigin::list(self.cors.iter().cloned()),
        };
        let names = |names: &[&'static str]| -> Vec<HeaderName> {
            names.iter().map(|name| HeaderName::from_static(name)).collect()
        };
        let mut allowed = names(&[
            "agora-min-position",
            "idempotency-key",
            "last-event-id",
            "sec-gpc",
            "traceparent",
        ]);
        allowed.extend([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::RANGE,
        ]);
        let mut exposed = names(&["agora-position", "deprecation", "repr-digest", "sunset"]);
        exposed.extend([
            header::CONTENT_DISPOSITION,
            header::ETAG,
            header::RETRY_AFTER,
            RATE_LIMIT,
            RATE_LIMIT_POLICY,
        ]);
        let cors = CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::HEAD, Method::POST])
            .allow_headers(allowed)
            .expose_headers(exposed)
            .max_age(Duration::from_secs(600));
        Some(cors)
    }
}

#[cfg(test)]
impl Front {
    pub(super) fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    pub(super) fn with_room(self, room: Room) -> Self {
        Self { room, ..self }
    }

    pub(super) fn with_cors(self, origins: &[&'static str]) -> Self {
        Self { cors: origins.iter().map(|it| HeaderValue::from_static(it)).collect(), ..self }
    }
}
