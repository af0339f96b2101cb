//! The HTTP edge of every service: one place for limits, panics, error bodies, spans and counts.

pub mod access;
mod body;
mod browsers;
mod connections;
mod edge;
mod front;
mod guarded;

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use futures::{FutureExt, future::Either};
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

pub(crate) use body::NoRoom;
pub use front::{Classify, Exempt, Front, Gate, Notice, Watcher, What};
pub use guarded::Counted;

use self::connections::{Place, Places};
use crate::{
    client_address::{ClientAddress, TrustedProxies},
    problem::Problem,
    telemetry,
};

/// A body may have at most so many bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// How long requests in flight have to end once shutdown is asked for.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// What of a request is kept at most before it is understood: whoever sends a longer head is refused
/// (431) and cut off.
const BUFFER_BYTES_MAX: usize = 65_536;

/// Serves `routes` on `addr` until `shutdown`, then drains.
///
/// Adds to the routes what [`Front::around`] does and [`crate::client_address::ClientAddress`] for
/// handlers that ask for it; bounds connections and how slow they may be.
///
/// # Errors
/// Where the address cannot be bound.
pub async fn serve(
    front: Front,
    routes: Router,
    addr: SocketAddr,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(addr).await.map_err(|error| {
        std::io::Error::new(error.kind(), format!("cannot listen on {addr}: {error}"))
    })?;
    serve_behind(front, listener, routes, shutdown).await
}

/// As [`serve`], on a listener that is bound already (to port 0, in a test), with nothing but the
/// defaults before the routes.
///
/// # Errors
/// Where the listener has no address.
pub async fn serve_on(
    listener: TcpListener,
    routes: Router,
    proxies: TrustedProxies,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    serve_behind(Front::default().trusting(proxies), listener, routes, shutdown).await
}

/// As [`serve`], on a listener that is bound already.
///
/// # Errors
/// Where the listener has no address.
pub async fn serve_behind(
    front: Front,
    listener: TcpListener,
    routes: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    info!(addr = %listener.local_addr()?, "serving");
    let (app, front) = (front.around(routes), Arc::new(front));
    let connections = GracefulShutdown::new();
    let limits = front.limits;
    let places = Places::new(limits.connections, limits.connections_per_address);
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = places.free().then(|free| async {
                listener.accept().await.map(|(stream, peer)| (stream, peer, free))
            }) => accepted,
        };
        match accepted {
            Ok((stream, peer, free)) => {
                let client = ClientAddress::of(peer.ip());
                let is_shared = client.is_own() || front.proxies.trusts(peer.ip().to_canonical());
                // Who has too many already is not told so: that would be one more to serve.
                let Some(place) = places.take(free, client, is_shared) else {
                    metrics::counter!("agora_http_connections_refused_total").increment(1);
                    continue;
                };
                let stream = bounded(stream, limits.write);
                serve_connection(
                    stream,
                    peer,
                    place,
                    app.clone(),
                    Arc::clone(&front),
                    &connections,
                );
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

/// The routes with everything around them that [`serve_on`] adds, but the client's address.
pub fn complete(routes: Router) -> Router {
    Front::default().around(routes)
}

/// As [`complete`]; somebody is told of each request.
pub fn complete_audited(routes: Router, audit: Option<access::Audit>) -> Router {
    Front::default().auditing(audit).around(routes)
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
    place: Place,
    app: Router,
    front: Arc<Front>,
    connections: &GracefulShutdown,
) {
    let limits = front.limits;
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        let client = front.proxies.client(peer, request.headers());
        if (front.gate)(client.0) {
            let response = refused();
            if let Some(audit) = &front.audit {
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
        .header_read_timeout(limits.head)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!(%error, "a connection ended early");
        }
        drop(place);
    });
}

/// What a refused address is told, made once: it must cost next to nothing. A body that is still on its
/// way is never read, and ends the connection.
fn refused() -> Response {
    static REFUSED: LazyLock<(HeaderMap, Bytes)> = LazyLock::new(|| {
        let problem = Problem::forbidden("Requests from this address are refused.");
        let problem = problem.with_rule("IPR-08");
        let body = serde_json::to_vec(&problem.document()).unwrap_or_default();
        let mut response = problem.into_response();
        browsers::tell(&mut response, false);
        (std::mem::take(response.headers_mut()), body.into())
    });
    let (headers, body) = &*REFUSED;
    let mut response = Response::new(Body::from(body.clone()));
    *response.status_mut() = StatusCode::FORBIDDEN;
    *response.headers_mut() = headers.clone();
    response
}

#[cfg(test)]
mod tests;
