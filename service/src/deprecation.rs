//! A command or route that is to go (ESX-14): what its replies and its description say of that.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use chrono::DateTime;
use utoipa::openapi::{Deprecated, HeaderBuilder, ObjectBuilder, RefOr, Type, path::Operation};

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// Since when nobody should begin to use it, and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deprecation {
    since: i64,
    sunset: i64,
}

impl Deprecation {
    /// Both in seconds since 1970 (UTC).
    ///
    /// # Panics
    /// When it is compiled, where it ends before it is deprecated (RFC 8594) or out of range.
    pub const fn new(since: i64, sunset: i64) -> Self {
        assert!(0 <= since && since <= sunset && sunset < 253_402_300_800);
        Self { since, sunset }
    }

    /// `Deprecation: @<seconds>` (RFC 9745) and `Sunset: <HTTP date>` (RFC 8594).
    pub fn mark(self, headers: &mut HeaderMap) {
        let ends = DateTime::from_timestamp(self.sunset, 0).unwrap_or_default();
        let ends = ends.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        for (name, value) in [(DEPRECATION, format!("@{}", self.since)), (SUNSET, ends)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }

    /// Marks it in the OpenAPI document, with the headers of its replies.
    pub fn describe(self, operation: &mut Operation) {
        operation.deprecated = Some(Deprecated::True);
        let headers = [
            ("Deprecation", "Since when it is deprecated: `@` and seconds since 1970 (RFC 9745)"),
            ("Sunset", "When it ends (RFC 8594)"),
        ];
        for response in operation.responses.responses.values_mut() {
            let RefOr::T(response) = response else { continue };
            for (name, says) in headers {
                let schema = ObjectBuilder::new().schema_type(Type::String);
                let header = HeaderBuilder::new().schema(Some(schema)).description(Some(says));
                response.headers.insert(name.to_owned(), RefOr::T(header.build()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn esx_14_both_dates_are_told_each_in_its_form() {
        let mut headers = HeaderMap::new();
        Deprecation::new(1_688_169_599, 1_719_791_999).mark(&mut headers);
        assert_eq!(headers["deprecation"], "@1688169599");
        assert_eq!(headers["sunset"], "Sun, 30 Jun 2024 23:59:59 GMT");
    }
}
