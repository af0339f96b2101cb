//! The outermost layer: bounds of targets, bodies and time, a panic's end, an error's form, what browsers are
//! told, a span and a count.

use std::{
    cell::RefCell,
    collections::HashMap,
    convert::Infallible,
    panic::AssertUnwindSafe,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::MatchedPath,
    http::{Method, Request, header},
    response::{IntoResponse, Response},
};
use futures::{FutureExt, future::BoxFuture};
use hyper::body::Body as HttpBody;
use metrics::{Counter, Histogram, counter, histogram};
use tower::Service;
use tracing::{Instrument, debug_span, error};

use super::{
    BODY_BYTES_MAX,
    access::{Audit, Told},
    body::{self, Room},
    browsers,
    front::Limits,
};
use crate::{
    client_address::ClientAddress,
    problem::{self, Kind, Problem},
    telemetry,
};

/// All header fields of a request together. The connection's buffer, which is larger, refuses what is past
/// that without a problem document.
const HEADER_BYTES_MAX: usize = 32_768;

#[derive(Clone)]
pub(super) struct Edge<S> {
    inner: S,
    limits: Limits,
    room: Room,
    audit: Option<Audit>,
}

impl<S> Edge<S> {
    pub(super) fn new(inner: S, limits: Limits, room: Room, audit: Option<Audit>) -> Self {
        Self { inner, limits, room, audit }
    }
}

impl<S> Service<Request<Body>> for Edge<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let started = Instant::now();
        // The template, never the URI: an address may hold what is personal.
        let route = request.extensions().get::<MatchedPath>().cloned();
        let method = request.method().clone();
        let limits = self.limits;
        let announced = announced_length(&request);
        let mut told = self.audit.as_ref().and_then(|audit| {
            let client = request.extensions().get::<ClientAddress>().map(|client| client.0);
            audit.begin(&method, route.as_ref(), request.headers(), client, announced, started)
        });
        if let Some(problem) = too_large(&request, announced, limits) {
            let mut refused = problem.into_response();
            browsers::tell(&mut refused, limits.is_behind_tls);
            let took = started.elapsed();
            count(&method, route.as_ref(), refused.status().as_u16(), took);
            let refused = match &mut told {
                Some(told) => told.end(refused, took),
                None => refused,
            };
            return std::future::ready(Ok(refused)).boxed();
        }
        let span = debug_span!(
            "http",
            method = %method,
            route = route.as_ref().map(MatchedPath::as_str),
            status = tracing::field::Empty,
        );
        if !span.is_disabled() {
            telemetry::continue_trace(&span, request.headers());
        }
        let held = self.room.hold();
        let request = request.map(|body| match HttpBody::is_end_stream(&body) {
            true => body,
            false => {
                body::bounded(body, limits.body, held.clone(), told.as_mut().map(Told::payload))
            }
        });
        let handled = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        let answered = async move {
            let mut response = match tokio::time::timeout(limits.request, handled).await {
                Ok(Ok(Ok(response))) => problem::complete(response),
                Ok(Ok(Err(never))) => match never {},
                // What a command did by then holds: the client asks again with its idempotency key.
                Err(_) => {
                    error!(
                        route = route.as_ref().map(MatchedPath::as_str),
                        "an answer took too long"
                    );
                    Problem::unavailable("The answer took too long.").into_response()
                }
                Ok(Err(_)) => {
                    // The panic hook has logged where.
                    error!(route = route.as_ref().map(MatchedPath::as_str), "a handler panicked");
                    Problem::internal().into_response()
                }
            };
            browsers::tell(&mut response, limits.is_behind_tls);
            // What was read is held until it is answered.
            drop(held);
            let took = started.elapsed();
            count(&method, route.as_ref(), response.status().as_u16(), took);
            tracing::Span::current().record("status", response.status().as_u16());
            Ok(match &mut told {
                Some(told) => told.end(response, took),
                None => response,
            })
        };
        // Without a subscriber for it the span is nothing, and so is entering it.
        if span.is_disabled() { answered.boxed() } else { answered.instrument(span).boxed() }
    }
}

/// Why a request is not even looked at.
fn too_large(request: &Request<Body>, announced_bytes: u64, limits: Limits) -> Option<Problem> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits.uri_bytes {
        return Some(Problem::of(Kind::UriTooLong));
    }
    let bytes: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes > HEADER_BYTES_MAX {
        return Some(Problem::of(Kind::HeadersTooLarge));
    }
    (announced_bytes > BODY_BYTES_MAX as u64).then(Problem::payload_too_large)
}

fn announced_length(request: &Request<Body>) -> u64 {
    let announced = request.headers().get(header::CONTENT_LENGTH);
    announced.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// A route's instruments. Looking them up in the recorder means building a key of owned labels,
/// so each thread keeps those that it has used.
struct Instruments {
    seconds: Histogram,
    responses: Vec<(u16, Counter)>,
}

thread_local! {
    static INSTRUMENTS: RefCell<HashMap<String, HashMap<&'static str, Instruments>>> =
        RefCell::new(HashMap::new());
}

fn count(method: &Method, route: Option<&MatchedPath>, status: u16, took: Duration) {
    let route = route.map_or("none", MatchedPath::as_str);
    // One label for all others.
    let method = standard(method).unwrap_or("CONNECT");
    INSTRUMENTS.with_borrow_mut(|instruments| {
        if !instruments.contains_key(route) {
            instruments.insert(route.to_owned(), HashMap::new());
        }
        let Some(methods) = instruments.get_mut(route) else { return };
        let instruments = methods.entry(method).or_insert_with(|| Instruments {
            seconds: histogram!("agora_http_request_seconds",
                "method" => method, "route" => route.to_owned()),
            responses: Vec::new(),
        });
        instruments.seconds.record(took.as_secs_f64());
        if let Some((_, counter)) = instruments.responses.iter().find(|(code, _)| *code == status) {
            return counter.increment(1);
        }
        let counter = counter!("agora_http_responses_total", "method" => method,
            "route" => route.to_owned(), "status" => status.to_string());
        counter.increment(1);
        instruments.responses.push((status, counter));
    });
}

/// A method's name, where it is one of the standard: any other is the client's own word.
pub(super) fn standard(method: &Method) -> Option<&'static str> {
    let name = match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => return None,
    };
    Some(name)
}
