//! What clients say of themselves. It is the same from request to request, so each thread keeps what it has met: a
//! request of a client that is known costs the comparison of a few hundred bytes.

use std::{borrow::Cow, cell::RefCell, sync::Arc};

use axum::http::HeaderMap;
use foldhash::HashMap;
use memchr::{memchr, memchr2, memrchr};
use serde::{Deserialize, Serialize};

/// Texts of what a client says of itself; bounded, without control characters, and nothing secret (SAL-10).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Said {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<Box<str>>,
    /// A JSON object's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Box<str>>,
}

const USER_AGENT: u8 = 0;
const REFERRER: u8 = 1;
const USER_AGENT_BYTES_MAX: usize = 512;
const REFERRER_BYTES_MAX: usize = 2_048;
const HEADER_BYTES_MAX: usize = 256;
/// As long as they are of most clients.
const USUAL_HEADERS: usize = 256;

/// The number of a header that is kept: a closed list, so that what authenticates somebody is not on it. The first two
/// have fields of their own, the others are in the JSON. A match is quicker than a map here: it looks at the
/// length first, and compares whole words.
fn number(name: &str) -> Option<u8> {
    let number = match name {
        "user-agent" => USER_AGENT,
        "referer" => REFERRER,
        "accept" => 2,
        "accept-encoding" => 3,
        "accept-language" => 4,
        "content-type" => 5,
        "dnt" => 6,
        "host" => 7,
        "origin" => 8,
        "sec-ch-ua" => 9,
        "sec-ch-ua-mobile" => 10,
        "sec-ch-ua-platform" => 11,
        "sec-fetch-mode" => 12,
        "sec-fetch-site" => 13,
        "sec-gpc" => 14,
        "x-requested-with" => 15,
        _ => return None,
    };
    Some(number)
}

/// Clients that a thread remembers at most.
const MET_MAX: usize = 500;
/// Who says more than that is not remembered, which bounds what a thread keeps.
const KEY_BYTES_MAX: usize = 1_024;

/// The clients that a thread has met.
#[derive(Default)]
struct Met {
    /// By the bytes of which their texts are made: no client is taken for another whose hash is the same.
    clients: HashMap<Box<[u8]>, Arc<Said>>,
    /// Used from request to request.
    key: Vec<u8>,
}

thread_local! {
    static MET: RefCell<Met> = RefCell::default();
}

impl Said {
    /// What these headers say; the same one for each request of a client, nearly always.
    pub(super) fn of(headers: &HeaderMap) -> Arc<Self> {
        MET.with_borrow_mut(|met| met.find(headers))
    }

    fn read(headers: &HeaderMap) -> Self {
        let (mut said, mut json) = (Self::default(), Vec::new());
        for Kept { number, name, parts } in kept(headers) {
            match number {
                USER_AGENT => said.user_agent = Some(text(parts)),
                REFERRER => said.referrer = Some(text(parts)),
                _ => {
                    if json.is_empty() {
                        json.reserve(USUAL_HEADERS);
                    }
                    json.push(if json.is_empty() { b'{' } else { b',' });
                    json.push(b'"');
                    json.extend_from_slice(name.as_bytes());
                    json.extend_from_slice(b"\":");
                    // A text as JSON: what could end a line or begin another is escaped (ASVS 16.4.1).
                    serde_json::to_writer(&mut json, &text(parts))
                        .expect("a text is JSON, and memory takes it");
                }
            }
        }
        if !json.is_empty() {
            json.push(b'}');
            said.headers = String::from_utf8(json).ok().map(String::into_boxed_str);
        }
        said
    }
}

impl Met {
    fn find(&mut self, headers: &HeaderMap) -> Arc<Said> {
        self.key.clear();
        for Kept { number, parts, .. } in kept(headers) {
            // With the length of each, so that nothing of one can be read as another's.
            let bytes = parts.map(<[u8]>::len).iter().sum::<usize>() as u16;
            self.key.push(number);
            self.key.extend_from_slice(&bytes.to_be_bytes());
            parts.iter().for_each(|part| self.key.extend_from_slice(part));
        }
        if let Some(said) = self.clients.get(self.key.as_slice()) {
            return Arc::clone(said);
        }
        let said = Arc::new(Said::read(headers));
        if self.key.len() <= KEY_BYTES_MAX {
            if self.clients.len() >= MET_MAX {
                self.clients.clear();
            }
            self.clients.insert(self.key.as_slice().into(), Arc::clone(&said));
        }
        said
    }
}

/// What is kept of a header, as it was sent.
struct Kept<'h> {
    number: u8,
    name: &'h str,
    /// One after the other; together less than 64 KiB. The first is a referrer's scheme, or empty.
    parts: [&'h [u8]; 2],
}

/// What is kept of these headers, in their order. Of several of a name the first counts: else a client could say
/// one thing a hundred times.
fn kept(headers: &HeaderMap) -> impl Iterator<Item = Kept<'_>> {
    let mut had = 0_u16;
    headers.iter().filter_map(move |(name, value)| {
        let name = name.as_str();
        let number = number(name)?;
        if had & (1 << number) != 0 {
            return None;
        }
        had |= 1 << number;
        let value = value.as_bytes();
        let parts = match number {
            USER_AGENT => [&[], up_to(USER_AGENT_BYTES_MAX, value)],
            REFERRER => referrer(value),
            _ => [&[], up_to(HEADER_BYTES_MAX, value)],
        };
        Some(Kept { number, name, parts })
    })
}

fn up_to(bytes_max: usize, bytes: &[u8]) -> &[u8] {
    bytes.get(..bytes_max).unwrap_or(bytes)
}

/// Without query and fragment, in which tokens travel, and without user and password: they are not even part of
/// the key by which the client is remembered. In what is no URL all before the last `@` may be a password.
fn referrer(sent: &[u8]) -> [&[u8]; 2] {
    let sent = &sent[..memchr2(b'?', b'#', sent).unwrap_or(sent.len())];
    let is_of_a_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let colon = memchr(b':', sent)
        .filter(|at| sent[*at..].starts_with(b"://") && sent[..*at].iter().all(is_of_a_scheme));
    let (scheme, rest) = sent.split_at(colon.map_or(0, |at| at + b"://".len()));
    let host_end = if scheme.is_empty() { None } else { memchr(b'/', rest) };
    let host = &rest[..host_end.unwrap_or(rest.len())];
    let user_end = memrchr(b'@', host).map_or(0, |at| at + 1);
    let scheme = up_to(REFERRER_BYTES_MAX, scheme);
    [scheme, up_to(REFERRER_BYTES_MAX - scheme.len(), &rest[user_end..])]
}

fn text([start, end]: [&[u8]; 2]) -> Box<str> {
    // Where the first one ends is a character's end.
    match plain(start) {
        Cow::Borrowed("") => plain(end).into(),
        start => (start.into_owned() + &plain(end)).into_boxed_str(),
    }
}

/// Text without control characters.
fn plain(bytes: &[u8]) -> Cow<'_, str> {
    // As nearly all are.
    let is_printed_ascii = bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if is_printed_ascii && let Ok(text) = str::from_utf8(bytes) {
        return text.into();
    }
    let text = String::from_utf8_lossy(bytes);
    if !text.contains(char::is_control) {
        return text;
    }
    text.chars().map(|it| if it.is_control() { char::REPLACEMENT_CHARACTER } else { it }).collect()
}

#[cfg(test)]
mod tests;
