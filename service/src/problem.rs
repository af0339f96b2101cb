//! Problem documents (RFC 9457): the one form of every error of every service (ESX-05).
//!
//! `type` is `/problems/{rule}` where a rule of the requirements was broken, and
//! `/problems/{kind}` elsewhere; relative, so that it holds on every host, and stable for ever.
//! Every service answers `GET /problems/{id}` with a few words on it. A problem never repeats what
//! the client sent: it may be personal, and problems end in logs.

mod kind;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, error::Error};

use axum::{
    Json, Router,
    body::Body,
    extract::{
        Path,
        rejection::{BytesRejection, PathRejection, QueryRejection},
    },
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use utoipa::ToSchema;

pub use kind::Kind;

use crate::http::NoRoom;

pub const CONTENT_TYPE: &str = "application/problem+json";

/// One wrong field of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where it stands in the body: a JSON pointer (RFC 6901).
    #[schema(example = "/title")]
    pub pointer: Cow<'static, str>,
    /// The broken rule's id, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "PST-01")]
    pub rule: Option<&'static str>,
    #[schema(example = "A title has 5 to 120 characters.")]
    pub detail: Cow<'static, str>,
}

/// An error, as its cause made it. [`Document`] is what goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub kind: Kind,
    pub rule: Option<&'static str>,
    pub detail: Cow<'static, str>,
    pub errors: Vec<FieldError>,
    pub retry_after_seconds: Option<u32>,
    /// What the log has of a request that it took in and that was refused (BUF-11).
    pub recorded: Option<Box<Recorded>>,
}

/// A refusal that is itself a fact of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub aggregate_type: Cow<'static, str>,
    pub aggregate_id: String,
    pub position: u64,
}

/// A problem document (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Document<'a> {
    /// Stable per rule and per kind of problem; a relative URI.
    #[schema(example = "/problems/PST-01")]
    r#type: Cow<'static, str>,
    #[schema(example = "A rule is broken")]
    title: &'static str,
    #[schema(example = 422)]
    status: u16,
    /// What went wrong here and what to do about it.
    #[schema(example = "A title has 5 to 120 characters.")]
    detail: &'a str,
    /// The id of the rule that was broken, where one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "PST-01")]
    rule: Option<&'static str>,
    /// Every field that is wrong, where fields are.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    /// Where a refused request is in the log all the same: what was made, to be read as refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "export_job")]
    aggregate_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregate_id: Option<&'a str>,
    /// Give it to a read as `min_position`.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            rule: None,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_seconds: None,
            recorded: None,
        }
    }

    /// 400: it cannot be read as what it should be.
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Malformed, detail)
    }

    /// 401, with `WWW-Authenticate: Bearer`.
    pub fn unauthenticated(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Unauthenticated, detail)
    }

    /// 403.
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Forbidden, detail)
    }

    /// 404, also where existence must not leak.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::NotFound, detail)
    }

    /// 409: another change came first, or the thing is in the wrong state.
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Conflict, detail)
    }

    /// 410.
    pub fn gone(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Gone, detail)
    }

    /// 412: `If-Match` names another state than there is.
    pub fn precondition_failed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::PreconditionFailed, detail)
    }

    /// 413.
    pub fn payload_too_large() -> Self {
        Self::of(Kind::PayloadTooLarge)
    }

    /// 415.
    pub fn unsupported_media_type() -> Self {
        Self::of(Kind::UnsupportedMediaType)
    }

    /// 422: a rule of the requirements says no.
    pub fn rule_broken(rule: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::RuleBroken, detail).with_rule(rule)
    }

    /// 422 (or 400, where no field breaks a rule but some cannot be read): all wrong fields at
    /// once. The first rule becomes the problem's own.
    pub fn wrong_fields(errors: Vec<FieldError>) -> Self {
        let rule = errors.iter().find_map(|error| error.rule);
        let kind = if rule.is_some() { Kind::RuleBroken } else { Kind::Malformed };
        let detail = match errors.as_slice() {
            [only] => only.detail.clone(),
            _ => Cow::Borrowed("Several fields are wrong: see `errors`."),
        };
        Self { kind, rule, detail, errors, retry_after_seconds: None, recorded: None }
    }

    /// 429 with `Retry-After`.
    pub fn too_many_requests(retry_after_seconds: u32) -> Self {
        Self { retry_after_seconds: Some(retry_after_seconds), ..Self::of(Kind::TooManyRequests) }
    }

    /// 503 with `Retry-After: 1`.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { retry_after_seconds: Some(1), ..Self::new(Kind::Unavailable, detail) }
    }

    /// 500. The cause goes to the log, from where it is known; never to the client.
    pub fn internal() -> Self {
        Self::of(Kind::Internal)
    }

    /// A problem of which only the kind is known.
    pub fn of(kind: Kind) -> Self {
        Self::new(kind, kind.detail())
    }

    #[must_use]
    pub fn with_rule(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }

    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    #[must_use]
    pub fn with_recorded(mut self, recorded: Recorded) -> Self {
        self.recorded = Some(Box::new(recorded));
        self
    }

    /// The problem as it goes over the wire.
    pub fn document(&self) -> Document<'_> {
        let recorded = self.recorded.as_deref();
        Document {
            r#type: format!("/problems/{}", self.rule.unwrap_or(self.kind.slug())).into(),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: &self.detail,
            rule: self.rule,
            errors: &self.errors,
            aggregate_type: recorded.map(|recorded| &*recorded.aggregate_type),
            aggregate_id: recorded.map(|recorded| &*recorded.aggregate_id),
            position: recorded.map(|recorded| recorded.position),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.kind.status(), Json(self.document())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind == Kind::Unauthenticated {
            let challenge = HeaderValue::from_static("Bearer realm=\"agora\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// A body that could not be read; too long, mostly.
impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        let first: &(dyn Error + 'static) = &rejection;
        if std::iter::successors(Some(first), |error| (**error).source())
            .any(|error| error.is::<NoRoom>())
        {
            return Self::unavailable("Too many large bodies are being read.");
        }
        Self::of(Kind::of_status(rejection.status()).unwrap_or(Kind::Malformed))
    }
}

/// A query that is not of the route's form. The rejection's own text may quote it.
impl From<QueryRejection> for Problem {
    fn from(_: QueryRejection) -> Self {
        Self::malformed("A parameter of the query is unknown or of the wrong form.")
    }
}

/// A path whose parameters are not of the route's form names nothing.
impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        Self::of(Kind::NotFound)
    }
}

/// The same response, its body a problem document where it is an error without one: what
/// extractors, the router and limits answer in plain text.
pub(crate) fn complete(response: Response) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || is_problem(&response) {
        return response;
    }
    let Some(kind) = Kind::of_status(status) else { return response };
    let (parts, _) = response.into_parts();
    let mut problem = Problem::of(kind);
    if matches!(kind, Kind::Unavailable | Kind::TooManyRequests) {
        problem = problem.with_retry_after(1);
    }
    let mut completed = problem.into_response();
    for name in
        [header::ALLOW, header::CONTENT_RANGE, header::RETRY_AFTER, header::WWW_AUTHENTICATE]
    {
        if let Some(value) = parts.headers.get(&name) {
            completed.headers_mut().insert(name, value.clone());
        }
    }
    completed
}

fn is_problem(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes() == CONTENT_TYPE.as_bytes())
}

/// `GET /problems/{id}`: what a problem's `type` points to.
pub(crate) fn pages() -> Router {
    Router::new().route("/problems/{id}", get(page))
}

async fn page(Path(id): Path<String>) -> Response {
    if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.slug() == id) {
        return text(format!("{} {}.\n{}\n", kind.status().as_u16(), kind.title(), kind.detail()));
    }
    match id.split_once('-') {
        Some((group, number))
            if group.len() == 3
                && group.bytes().all(|byte| byte.is_ascii_uppercase())
                && (2..=3).contains(&number.len())
                && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            text(format!(
                "{group}-{number} is a rule of Agora's requirements. The problem's `detail` says \
                 what it asks for; docs/rules.md in the source says which tests hold it.\n"
            ))
        }
        _ => Problem::of(Kind::NotFound).into_response(),
    }
}

fn text(body: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], Body::from(body)).into_response()
}
