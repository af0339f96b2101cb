//! What browsers are told of every reply (OWASP secure headers): that its type is what it says, that
//! nothing is loaded or framed by it, and that where it came from is nobody's business.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};

/// Data is shown as it is: nothing in it may run or load.
const OF_DATA: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
/// The page that shows the API loads its own files, and sends what its reader tries out.
const OF_PAGES: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
);
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const DENY: HeaderValue = HeaderValue::from_static("DENY");
const TWO_YEARS: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");
const CSP: HeaderName = header::CONTENT_SECURITY_POLICY;

/// Adds what is not there. `is_behind_tls`: clients come by TLS, which ends before this process; else
/// `Strict-Transport-Security` would lock them out.
pub(super) fn tell(response: &mut Response, is_behind_tls: bool) {
    let headers = response.headers_mut();
    let is_page = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(header::REFERRER_POLICY, NO_REFERRER);
    headers.insert(header::X_FRAME_OPTIONS, DENY);
    headers.entry(CSP).or_insert(if is_page { OF_PAGES } else { OF_DATA });
    if is_behind_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, TWO_YEARS);
    }
}
