//! How a read is answered: position, entity tag, caching.

use agora_event_store::Position;
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::{access::Caller, request::Read, rows::Instant};

/// The position of the log that an answer reflects.
pub const POSITION: HeaderName = HeaderName::from_static("agora-position");

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    pub items: Vec<T>,
    /// The `cursor` with which the list goes on; null at its end.
    pub next: Option<String>,
}

/// A part of a list in which time counts.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListAsOf<T> {
    /// As of when ages and windows are counted. All parts of a walk have the same.
    pub as_of: Instant,
    pub items: Vec<T>,
    /// The `cursor` with which the list goes on; null at its end.
    pub next: Option<String>,
}

impl<Q> Read<Q> {
    /// A single object, with an entity tag; 304 where the client has it already (ESX-08).
    pub fn object(&self, position: Position, object: &impl Serialize) -> Response {
        let body = json(object);
        let tag = entity_tag(&body);
        let known = self.if_none_match.as_ref().is_some_and(|tags| matches(tags, &tag));
        let mut response = if known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        };
        let tag = HeaderValue::try_from(tag).expect("base64url in quotes is a header value");
        response.headers_mut().insert(header::ETAG, tag);
        self.caching(&mut response);
        at_position(response, position)
    }

    /// A part of a list.
    pub fn list<T: Serialize>(&self, position: Position, list: &List<T>) -> Response {
        self.part(position, list)
    }

    /// A part of a list that says more than a [`List`] does.
    pub fn part(&self, position: Position, part: &impl Serialize) -> Response {
        let mut response =
            ([(header::CONTENT_TYPE, "application/json")], json(part)).into_response();
        self.caching(&mut response);
        at_position(response, position)
    }

    /// What anybody may see is kept and asked for again each time; everything else is not kept.
    fn caching(&self, response: &mut Response) {
        let control = match self.caller {
            Caller::Guest => "no-cache",
            Caller::SignedGuest(_) | Caller::Principal(_) => "no-store",
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
        headers.insert(header::VARY, HeaderValue::from_static("authorization, agora-guest"));
    }
}

/// The same response with the position that it reflects.
pub fn at_position(mut response: Response, position: Position) -> Response {
    response.headers_mut().insert(POSITION, HeaderValue::from(position));
    response
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("replies have text keys and serialise without fail")
}

fn entity_tag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest[..16]))
}

/// `If-None-Match` compares weakly (RFC 9110 §13.1.2).
pub(crate) fn matches(tags: &HeaderValue, tag: &str) -> bool {
    let Ok(tags) = tags.to_str() else { return false };
    tags.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

/// A stream of lines, for those who read on; never kept.
pub fn lines(position: Position, body: Body) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    at_position((headers, body).into_response(), position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn esx_08_tags_match_weakly_and_in_lists() {
        let tag = entity_tag(b"{}");
        for (header, expected) in [
            (tag.clone(), true),
            (format!("W/{tag}"), true),
            (format!("\"x\", {tag}"), true),
            ("*".to_owned(), true),
            ("\"x\"".to_owned(), false),
            (String::new(), false),
        ] {
            let header = HeaderValue::try_from(header).unwrap();
            assert_eq!(matches(&header, &tag), expected, "{header:?}");
        }
    }
}
