//! The HTTP edge of every service: one place for limits, panics, error bodies, spans and counts.

pub mod access;
mod body;
mod edge;

use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::future::Either;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::Service;
use tracing::{debug, info, warn};

use access::Audit;

use crate::{
    client_address::TrustedProxies,
    problem::{self, Kind, Problem},
    telemetry,
};

/// A body may have at most so many bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// How long requests in flight have to end once shutdown is asked for.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// How long a client may take nothing of a reply before its connection is dropped.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
/// How long a client may take to send a request's head; also ends idle connections.
const HEADER_LIMIT: Duration = Duration::from_secs(75);

/// Says of a client's address whether it is refused. Asked for every request, before anything else is
/// done for it.
pub type Gate = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// What stands before a service's routes.
#[derive(Clone)]
pub struct Door {
    pub gate: Gate,
    /// Who is told of each request; nobody where it is none.
    pub audit: Option<Audit>,
}

impl Default for Door {
    fn default() -> Self {
        Self { gate: Arc::new(|_| false), audit: None }
    }
}

/// Serves `routes` on `addr` until `shutdown`, then drains.
///
/// Adds to the routes: problem documents for whatever fails outside of a handler, the pages that
/// those point to, a body limit of 1 MiB, and [`crate::client_address::ClientAddress`] for
/// handlers that ask for it.
///
/// # Errors
/// Where the address cannot be bound.
pub async fn serve(
    routes: Router,
    addr: SocketAddr,
    proxies: TrustedProxies,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let door = Door::default();
    serve_behind(door, routes, addr, proxies, shutdown).await
}

/// As [`serve`], behind a door: whose address its gate refuses gets a 403 at once (IPR-08).
///
/// # Errors
/// Where the address cannot be bound.
pub async fn serve_behind(
    door: Door,
    routes: Router,
    addr: SocketAddr,
    proxies: TrustedProxies,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(addr).await.map_err(|error| {
        std::io::Error::new(error.kind(), format!("cannot listen on {addr}: {error}"))
    })?;
    serve_within(WRITE_LIMIT, door, listener, routes, proxies, shutdown).await
}

/// As [`serve`], on a listener that is bound already (to port 0, in a test).
///
/// # Errors
/// Where the listener has no address.
pub async fn serve_on(
    listener: TcpListener,
    routes: Router,
    proxies: TrustedProxies,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    serve_within(WRITE_LIMIT, Door::default(), listener, routes, proxies, shutdown).await
}

async fn serve_within(
    write_limit: Duration,
    door: Door,
    listener: TcpListener,
    routes: Router,
    proxies: TrustedProxies,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    info!(addr = %listener.local_addr()?, "serving");
    let app = complete_audited(routes, door.audit.clone());
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let stream = bounded(stream, write_limit);
                let (app, proxies, door) = (app.clone(), proxies.clone(), door.clone());
                serve_connection(stream, peer, app, proxies, door, &connections);
            }
            Err(error) => {
                // Out of file descriptors, mostly: some will be given back soon.
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let open = connections.count();
    if tokio::time::timeout(DRAIN_LIMIT, connections.shutdown()).await.is_err() {
        warn!(open, "requests were still in flight after {} s: dropped", DRAIN_LIMIT.as_secs());
    }
    telemetry::flush().await;
    Ok(())
}

/// The routes with everything around them that [`serve`] adds, but the client's address.
pub fn complete(routes: Router) -> Router {
    complete_audited(routes, None)
}

/// As [`complete`]; somebody is told of each request.
pub fn complete_audited(routes: Router, audit: Option<Audit>) -> Router {
    routes
        .merge(problem::pages())
        .fallback(|| async { Problem::of(Kind::NotFound).into_response() })
        // The edge bounds every body itself, also those that no extractor reads.
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(tower::layer::layer_fn(move |inner| edge::Edge::new(inner, audit.clone())))
}

/// A reply that nobody takes, a live stream's above all, must not hold its place for ever.
fn bounded(stream: TcpStream, write_limit: Duration) -> Connection {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "no TCP_NODELAY");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(write_limit));
    Box::pin(stream)
}

type Connection = Pin<Box<TimeoutStream<TcpStream>>>;

fn serve_connection(
    stream: Connection,
    peer: SocketAddr,
    app: Router,
    proxies: TrustedProxies,
    door: Door,
    connections: &GracefulShutdown,
) {
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        let client = proxies.client(peer, request.headers());
        if (door.gate)(client.0) {
            let response = refused();
            if let Some(audit) = &door.audit {
                let status = response.status().as_u16();
                audit.refused(request.method(), request.headers(), client.0, status);
            }
            return Either::Left(std::future::ready(Ok(response)));
        }
        request.extensions_mut().insert(client);
        Either::Right(app.clone().call(request))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!(%error, "a connection ended early");
        }
    });
}

/// What a refused address is told; its connection is closed, since the body is never read.
fn refused() -> Response {
    let problem = Problem::forbidden("Requests from this address are refused.").with_rule("IPR-08");
    let mut response = problem.into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests;
