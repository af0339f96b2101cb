//! What is seen of a request and its answer at the edge, for the log of accesses (SAL-05, SAL-06): taken in
//! passing, handed over without waiting, written by somebody else.

use std::{
    borrow::Cow,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    extract::MatchedPath,
    http::{HeaderMap, Method, header},
    response::Response,
};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use sha2::Sha256;
use uuid::Uuid;

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

/// A request and its answer.
#[derive(Debug)]
pub struct Access {
    pub at: DateTime<Utc>,
    pub took: Duration,
    pub method: Method,
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
    /// JSON texts of what the client says of itself; nothing secret (SAL-10).
    pub user_agent: Option<String>,
    pub referrer: Option<String>,
    pub headers: Option<String>,
    pub known: Known,
    /// Refused at the door, before any work.
    pub at_the_door: bool,
}

/// Takes what was seen. Must not block.
pub type Sink = Arc<dyn Fn(Box<Access>) + Send + Sync>;
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
/// Headers that are kept: a closed list, so that what authenticates somebody is not among them.
const KEPT: [&str; 14] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "content-type",
    "dnt",
    "host",
    "origin",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-gpc",
    "x-requested-with",
];
/// As long as they are of most clients.
const USUAL_HEADERS: usize = 256;
const HEADER_BYTES_MAX: usize = 256;
const USER_AGENT_BYTES_MAX: usize = 512;
const REFERRER_BYTES_MAX: usize = 2_048;

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
) -> Box<Access> {
    Box::new(Access {
        at: crate::clock::now(),
        took: Duration::ZERO,
        method: method.clone(),
        route: route.cloned(),
        status: 0,
        request_bytes: announced_bytes,
        response_bytes: None,
        payload_hash: None,
        client,
        user_agent: headers
            .get(header::USER_AGENT)
            .map(|value| plain(value.as_bytes(), USER_AGENT_BYTES_MAX).into_owned()),
        referrer: headers.get(header::REFERER).map(|value| referrer(value.as_bytes())),
        headers: kept(headers),
        known: Known::default(),
        at_the_door: false,
    })
}

/// A request that is to be told of, once: when it is answered, or when it is given up because its client
/// has left.
pub(super) struct Told {
    audit: Audit,
    access: Option<Box<Access>>,
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

    /// What was seen up to now.
    fn take(&mut self, took: Duration) -> Option<Box<Access>> {
        let mut access = self.access.take()?;
        access.took = took;
        if let Some(payload) = self.payload.take() {
            let (bytes, hash) = payload.end();
            // What was refused unread has the size that it announced.
            if bytes > 0 {
                access.request_bytes = bytes;
                access.payload_hash = Some(hash);
            }
        }
        Some(access)
    }

    /// Hands over what was seen, now or when the reply has been sent.
    pub(super) fn end(mut self, mut response: Response, took: Duration) -> Response {
        let Some(mut access) = self.take(took) else { return response };
        access.status = response.status().as_u16();
        if let Some(known) = response.extensions_mut().remove::<Known>() {
            access.known = known;
        }
        let sink = Arc::clone(&self.audit.0.sink);
        match HttpBody::size_hint(response.body()).exact() {
            Some(bytes) => {
                access.response_bytes = Some(if access.method == Method::HEAD { 0 } else { bytes });
                sink(access);
                response
            }
            None => {
                let ending = Ending { sink, access: Some(access), bytes: 0 };
                response.map(|inner| Body::new(Sent { inner, ending }))
            }
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        // Nearly always it was told of, and nothing is left to be done.
        if self.access.is_some()
            && let Some(access) = self.take(self.begun.elapsed())
        {
            (self.audit.0.sink)(access);
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
    sink: Sink,
    access: Option<Box<Access>>,
    bytes: u64,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(mut access) = self.access.take() {
            access.response_bytes = Some(self.bytes);
            (self.sink)(access);
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

/// The kept headers as a JSON object; none where there are none.
fn kept(headers: &HeaderMap) -> Option<String> {
    let mut json = Vec::new();
    for (name, value) in headers {
        if KEPT.contains(&name.as_str()) {
            if json.is_empty() {
                json.reserve(USUAL_HEADERS);
            }
            json.push(if json.is_empty() { b'{' } else { b',' });
            json.push(b'"');
            json.extend_from_slice(name.as_str().as_bytes());
            json.extend_from_slice(b"\":");
            // A text as JSON: what could end a line or begin another is escaped (ASVS 16.4.1).
            let text = plain(value.as_bytes(), HEADER_BYTES_MAX);
            serde_json::to_writer(&mut json, &text).ok()?;
        }
    }
    if json.is_empty() {
        return None;
    }
    json.push(b'}');
    String::from_utf8(json).ok()
}

/// Text without control characters, cut to so many bytes.
fn plain(bytes: &[u8], bytes_max: usize) -> Cow<'_, str> {
    let cut = &bytes[..bytes.len().min(bytes_max)];
    // As nearly all are.
    let is_printed_ascii = cut.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if is_printed_ascii && let Ok(text) = str::from_utf8(cut) {
        return text.into();
    }
    let text = String::from_utf8_lossy(cut);
    if !text.contains(char::is_control) {
        return text;
    }
    text.chars().map(|it| if it.is_control() { char::REPLACEMENT_CHARACTER } else { it }).collect()
}

/// Without query and fragment, in which tokens travel, and without user and password.
fn referrer(bytes: &[u8]) -> String {
    let text = plain(bytes, REFERRER_BYTES_MAX);
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let text = &text[..end];
    match text.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit('@').next().unwrap_or(host);
            format!("{scheme}://{host}{path}")
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
