//! The kinds of problems there are.

use axum::http::StatusCode;

/// What kind of problem it is: fixes status, title and, without a rule, the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Malformed,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    RequestTimeout,
    Conflict,
    Gone,
    PreconditionFailed,
    PayloadTooLarge,
    UriTooLong,
    UnsupportedMediaType,
    RangeNotSatisfiable,
    RuleBroken,
    TooManyRequests,
    HeadersTooLarge,
    Internal,
    Unavailable,
}

impl Kind {
    pub const ALL: [Self; 19] = [
        Self::Malformed,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::RequestTimeout,
        Self::Conflict,
        Self::Gone,
        Self::PreconditionFailed,
        Self::PayloadTooLarge,
        Self::UriTooLong,
        Self::UnsupportedMediaType,
        Self::RangeNotSatisfiable,
        Self::RuleBroken,
        Self::TooManyRequests,
        Self::HeadersTooLarge,
        Self::Internal,
        Self::Unavailable,
    ];

    pub const fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Gone => StatusCode::GONE,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::RuleBroken => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The kind's place in `type`.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::NotAcceptable => "not-acceptable",
            Self::RequestTimeout => "request-timeout",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::PreconditionFailed => "precondition-failed",
            Self::PayloadTooLarge => "payload-too-large",
            Self::UriTooLong => "uri-too-long",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::RangeNotSatisfiable => "range-not-satisfiable",
            Self::RuleBroken => "rule-broken",
            Self::TooManyRequests => "too-many-requests",
            Self::HeadersTooLarge => "headers-too-large",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }

    pub const fn title(self) -> &'static str {
        match self {
            Self::Malformed => "The request cannot be read",
            Self::Unauthenticated => "Who asks is not known",
            Self::Forbidden => "Who asks may not do this",
            Self::NotFound => "There is no such thing",
            Self::MethodNotAllowed => "The method does not apply here",
            Self::NotAcceptable => "There is no such representation",
            Self::RequestTimeout => "The request did not arrive in time",
            Self::Conflict => "Another change came first",
            Self::Gone => "It is gone",
            Self::PreconditionFailed => "It has changed meanwhile",
            Self::PayloadTooLarge => "The body is too large",
            Self::UriTooLong => "The address is too long",
            Self::UnsupportedMediaType => "The body is of the wrong media type",
            Self::RangeNotSatisfiable => "There are no such bytes",
            Self::RuleBroken => "A rule is broken",
            Self::TooManyRequests => "Too many requests",
            Self::HeadersTooLarge => "The header fields are too large",
            Self::Internal => "Something is broken here",
            Self::Unavailable => "Not available for the moment",
        }
    }

    /// What stands in `detail` where nobody knows more.
    pub(super) const fn detail(self) -> &'static str {
        match self {
            Self::Malformed => "Compare the request with /openapi.json.",
            Self::Unauthenticated => "Send `Authorization: Bearer <token>` with a token of log-in.",
            Self::Forbidden => "Ask somebody who holds the permission.",
            Self::NotFound => "/openapi.json lists every path there is.",
            Self::MethodNotAllowed => "The header Allow names the methods that apply.",
            Self::NotAcceptable => "The header Accept excludes all that there is.",
            Self::RequestTimeout => "Send the request again, without pauses in its body.",
            Self::Conflict => "Read it again and decide anew.",
            Self::Gone => "It existed and will not come back.",
            Self::PreconditionFailed => "Read it again and decide anew.",
            Self::PayloadTooLarge => "A body may have at most 1 MiB.",
            Self::UriTooLong => "Send fewer or shorter parameters.",
            Self::UnsupportedMediaType => "Send `Content-Type: application/json`.",
            Self::RangeNotSatisfiable => "Content-Range says how many bytes there are.",
            Self::RuleBroken => "See `rule` and `errors`.",
            Self::TooManyRequests => "Wait for as long as Retry-After says.",
            Self::HeadersTooLarge => "All header fields together may have at most 32 KiB.",
            Self::Internal => "The operators see it in their logs. Trying again is safe.",
            Self::Unavailable => "Wait for as long as Retry-After says, then send it again.",
        }
    }

    pub(super) fn of_status(status: StatusCode) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.status() == status)
    }
}
