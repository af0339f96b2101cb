//! Counts requests by address before any work is done for them, lets handlers count them by principal, and
//! notes what looks like an attack.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    http::Request,
    response::{IntoResponse, Response},
};
use futures::{FutureExt, future::BoxFuture};
use tower::Service;

use super::{
    access::Known,
    front::{Classify, Exempt, Notice, Watcher, What},
};
use crate::{
    client_address::ClientAddress,
    patterns::{self, Pattern},
    problem::Problem,
    rate_limits::{Class, RateLimits, Reading},
};

#[derive(Clone)]
pub(super) struct Guard {
    limits: RateLimits,
    classify: Classify,
    exempt: Exempt,
    watcher: Watcher,
}

impl Guard {
    pub(super) fn new(
        limits: RateLimits,
        classify: Classify,
        exempt: Exempt,
        watcher: Watcher,
    ) -> Self {
        Self { limits, classify, exempt, watcher }
    }

    pub(super) fn before<S>(self, inner: S) -> Guarded<S> {
        Guarded { guard: self, inner }
    }
}

/// What a handler needs to count a request of whoever it has found to ask: in the request's extensions,
/// where the request has limits.
#[derive(Clone)]
pub struct Counted {
    limits: RateLimits,
    watcher: Watcher,
    class: Class,
    address: ClientAddress,
    is_of_another_site: bool,
}

impl Counted {
    /// Counts a request of a principal. What comes back goes into the response's extensions, from where
    /// the client is told of it.
    pub fn of_principal(&self, id: u128) -> Option<Reading> {
        self.limits.of_principal(id, self.class)
    }

    /// Notes a body that was refused and looks like an attack.
    pub fn note_refused(&self, body: &[u8], status: u16) {
        if let Some(pattern) = patterns::of_body(body).filter(|_| !self.is_of_another_site) {
            let what = What::Suspicious(pattern);
            (self.watcher)(Notice { address: self.address.0, what, status });
        }
    }
}

#[derive(Clone)]
pub(super) struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S> Service<Request<Body>> for Guarded<S>
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

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Some(client) = request.extensions().get::<ClientAddress>().copied() else {
            return self.inner.call(request).boxed();
        };
        let guard = &self.guard;
        let pattern = patterns::of_request(request.uri(), request.headers());
        let is_of_another_site = patterns::is_of_another_site(request.headers());
        // What is told to the watcher; the log of accesses is told of all.
        let counted = pattern.filter(|_| !is_of_another_site);
        let is_exempt = client.is_own() || (client.is_clients() && (guard.exempt)(client.0));
        let class = (guard.classify)(request.method(), request.uri().path()).filter(|_| !is_exempt);
        let reading = class.and_then(|class| guard.limits.of_address(client, class));
        if let Some(refused) = reading.as_ref().filter(|reading| reading.is_refused) {
            return std::future::ready(Ok(self.refuse(client, refused, pattern, counted))).boxed();
        }
        if let Some(class) = class {
            let (limits, watcher) = (guard.limits.clone(), guard.watcher.clone());
            request.extensions_mut().insert(Counted {
                limits,
                watcher,
                class,
                address: client,
                is_of_another_site,
            });
        }
        let watcher = counted.map(|pattern| (pattern, guard.watcher.clone()));
        let answered = self.inner.call(request);
        async move {
            let mut response = answered.await?;
            let by_principal = response.extensions_mut().remove::<Reading>();
            for reading in reading.iter().chain(&by_principal) {
                reading.tell(response.headers_mut());
            }
            if let Some((pattern, watcher)) = watcher {
                let (what, status) = (What::Suspicious(pattern), response.status().as_u16());
                watcher(Notice { address: client.0, what, status });
            }
            if let Some(pattern) = pattern {
                mark(&mut response, pattern);
            }
            Ok(response)
        }
        .boxed()
    }
}

impl<S> Guarded<S> {
    fn refuse(
        &self,
        client: ClientAddress,
        refused: &Reading,
        pattern: Option<Pattern>,
        counted: Option<Pattern>,
    ) -> Response {
        let note = |what| {
            (self.guard.watcher)(Notice { address: client.0, what, status: 429 });
        };
        note(What::TooMany);
        if let Some(pattern) = counted {
            note(What::Suspicious(pattern));
        }
        let problem = refused.permit().err().unwrap_or_else(|| Problem::too_many_requests(1));
        let mut response = problem.into_response();
        refused.tell(response.headers_mut());
        if let Some(pattern) = pattern {
            mark(&mut response, pattern);
        }
        response
    }
}

/// For the log of accesses.
fn mark(response: &mut Response, pattern: Pattern) {
    let mut known = response.extensions_mut().remove::<Known>().unwrap_or_default();
    known.indicators.push(pattern.as_str());
    response.extensions_mut().insert(known);
}
