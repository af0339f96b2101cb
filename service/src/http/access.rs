//! What is seen of a request and its answer at the edge, for the log of accesses (SAL-05, SAL-06): taken in
//! passing, handed over without waiting, written by somebody else.

mod said;

use std::{
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    extract::MatchedPath,
    http::{HeaderMap, Method},
    response::Response,
};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use sha2::Sha256;
use uuid::Uuid;

pub use self::said::Said;
use super::edge::standard;

/// What a handler has found out about a request. It leaves it in the response's extensions.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// `member`, `admin` or `guest`, and its id.
    pub actor: Option<(&'static str, Uuid)>,
    pub session: Option<Uuid>,
    /// The rule that a refusal names.
    pub rule: Option<&'static str>,
    /// Signs of an attack.
    pub indicators: Vec<&'static str>,
}

/// A request and its answer. It goes from hand to hand as it is.
#[derive(Debug)]
pub struct Access {
    pub at: DateTime<Utc>,
    pub took_ms: u32,
    /// `OTHER` outside of the standard: that is the client's own word.
    pub method: &'static str,
    /// The route's template, never the URI. None where no route matches.
    pub route: Option<MatchedPath>,
    /// 0 where the client left before it was answered.
    pub status: u16,
    pub request_bytes: u64,
    /// None where the reply is sent for longer than the request is kept in mind, as live streams are.
    pub response_bytes: Option<u64>,
    /// HMAC-SHA-256 of what was sent, where something was.
    pub payload_hash: Option<[u8; 32]>,
    pub client: Option<IpAddr>,
    pub said: Arc<Said>,
    pub known: Known,
    /// Refused at the door, before any work.
    pub at_the_door: bool,
}

/// Takes what was seen. Must not block.
pub type Sink = Arc<dyn Fn(Access) + Send + Sync>;
/// Counts a request of a client that was refused at the door, where that is enough; says whether it was.
pub type Counter = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// Sees every request of a service but those for its health. Cheap to clone.
#[derive(Clone)]
pub struct Audit(Arc<Parts>);

struct Parts {
    sink: Sink,
    counter: Counter,
    payloads: Hmac<Sha256>,
}

/// Routes of which nothing is told.
const UNTOLD: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

impl Audit {
    /// `payload_key`: under which payloads are hashed.
    pub fn new(payload_key: &[u8; 32], sink: Sink, counter: Counter) -> Self {
        let payloads = Hmac::new_from_slice(payload_key).expect("HMAC takes keys of any length");
        Self(Arc::new(Parts { sink, counter, payloads }))
    }

    /// What is known of a request before it is handled; none where it is not told of.
    pub(super) fn begin(
        &self,
        method: &Method,
        route: Option<&MatchedPath>,
        headers: &HeaderMap,
        client: Option<IpAddr>,
        announced_bytes: u64,
        begun: Instant,
    ) -> Option<Told> {
        if route.is_some_and(|route| UNTOLD.contains(&route.as_str())) {
            return None;
        }
        let access = Some(access(method, route, headers, client, announced_bytes));
        Some(Told { audit: self.clone(), access, payload: None, begun })
    }

    /// Tells of a request that was refused at the door.
    pub(super) fn refused(
        &self,
        method: &Method,
        headers: &HeaderMap,
        client: IpAddr,
        status: u16,
    ) {
        if (self.0.counter)(client) {
            return;
        }
        let mut access = access(method, None, headers, Some(client), 0);
        access.status = status;
        access.at_the_door = true;
        (self.0.sink)(access);
    }
}

/// What is seen of a request before it is handled.
fn access(
    method: &Method,
    route: Option<&MatchedPath>,
    headers: &HeaderMap,
    client: Option<IpAddr>,
    announced_bytes: u64,
) -> Access {
    Access {
        at: crate::clock::now(),
        took_ms: 0,
        method: standard(method).unwrap_or("OTHER"),
        route: route.cloned(),
        status: 0,
        request_bytes: announced_bytes,
        response_bytes: None,
        payload_hash: None,
        client,
        said: Said::of(headers),
        known: Known::default(),
        at_the_door: false,
    }
}

/// A request that is to be told of, once: when it is answered, or when it is given up because its client
/// has left.
pub(super) struct Told {
    audit: Audit,
    access: Option<Access>,
    payload: Option<Payload>,
    begun: Instant,
}

impl Told {
    /// What counts and hashes its body while that is read.
    pub(super) fn payload(&mut self) -> Payload {
        let payload = Payload(Arc::new(Mutex::new(Read {
            bytes: 0,
            hash: Hash::Begun(self.audit.0.payloads.clone()),
        })));
        self.payload.insert(payload).clone()
    }

    /// Hands over what was seen, now or when the reply has been sent.
    pub(super) fn end(&mut self, mut response: Response, took: Duration) -> Response {
        let Some(access) = &mut self.access else { return response };
        access.read_in(took, self.payload.take());
        access.status = response.status().as_u16();
        if let Some(known) = response.extensions_mut().remove::<Known>() {
            access.known = known;
        }
        let size = HttpBody::size_hint(response.body()).exact();
        if let Some(bytes) = size {
            access.response_bytes = Some(if access.method == "HEAD" { 0 } else { bytes });
        }
        let Some(access) = self.access.take() else { return response };
        if size.is_some() {
            (self.audit.0.sink)(access);
            return response;
        }
        let ending = Ending { audit: self.audit.clone(), access: Some(access), bytes: 0 };
        response.map(|inner| Body::new(Sent { inner, ending }))
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        // Nearly always it was told of, and nothing is left to be done.
        if let Some(mut access) = self.access.take() {
            access.read_in(self.begun.elapsed(), self.payload.take());
            (self.audit.0.sink)(access);
        }
    }
}

impl Access {
    /// Adds how long it took and what was read of its body by then.
    fn read_in(&mut self, took: Duration, payload: Option<Payload>) {
        self.took_ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        if let Some(payload) = payload {
            let (bytes, hash) = payload.end();
            // What was refused unread has the size that it announced.
            if bytes > 0 {
                self.request_bytes = bytes;
                self.payload_hash = Some(hash);
            }
        }
    }
}

/// What was read of a request's body so far.
#[derive(Clone)]
pub(super) struct Payload(Arc<Mutex<Read>>);

struct Read {
    bytes: u64,
    hash: Hash,
}

enum Hash {
    Begun(Hmac<Sha256>),
    Ended([u8; 32]),
}

impl Payload {
    /// The next part of it.
    pub(super) fn add(&self, data: &[u8]) {
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Hash::Begun(mac) = &mut read.hash {
            mac.update(data);
            read.bytes += data.len() as u64;
        }
    }

    /// Nothing more is read of it; says how many bytes it had, and their hash.
    pub(super) fn end(&self) -> (u64, [u8; 32]) {
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = match &read.hash {
            Hash::Begun(mac) => mac.clone().finalize().into_bytes().into(),
            Hash::Ended(hash) => *hash,
        };
        read.hash = Hash::Ended(hash);
        (read.bytes, hash)
    }
}

/// A reply whose size is known once it is sent; told of then, also where the client has left.
struct Sent {
    inner: Body,
    ending: Ending,
}

struct Ending {
    audit: Audit,
    access: Option<Access>,
    bytes: u64,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(mut access) = self.access.take() {
            access.response_bytes = Some(self.bytes);
            (self.audit.0.sink)(access);
        }
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.ending.bytes += data.len() as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
