//! What in a request looks like an attack: a small list of patterns of injection, scripting, traversal
//! and scanning, each with what it is about.
//!
//! Nothing is refused for a pattern: it is noted, and only what is repeated is acted on (INC-12), and not
//! what another site's page had a browser ask for: else any page could have its visitors blocked. What is
//! scanned is the structure of a request, never what people write: path, parameters of the query but
//! [searched words](FREE_TEXTS), the user agent and the referrer, and of a body that was refused those
//! fields that hold ids and words from lists. A post that quotes SQL is a post.
//!
//! Scanning is bounded: [`BYTES_MAX`] of each part, and nothing at all where no byte of it can belong to a
//! pattern, as in nearly all requests.

use std::{borrow::Cow, sync::LazyLock};

use axum::http::{HeaderMap, Uri, header};
use percent_encoding::percent_decode_str;
use regex::{RegexSet, RegexSetBuilder};
use serde_json::Value;

/// More of a part is not looked at.
const BYTES_MAX: usize = 4_096;
/// Fields of one body that are looked at.
const FIELDS_MAX: usize = 64;
/// Parameters of a query that hold what people write.
pub const FREE_TEXTS: &[&str] = &["q", "query"];
/// Fields of a body that hold ids, addresses and words from lists: nobody writes prose there.
const STRUCTURED: &[&str] =
    &["address", "email", "format", "id", "key", "kind", "sort", "source_ip", "token", "type"];
const STRUCTURED_ENDS: &[&str] = &["_at", "_id", "_kind", "_level", "_status", "_type"];

/// What a pattern is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    SqlInjection,
    Scripting,
    CommandInjection,
    PathTraversal,
    /// A tool that looks for holes.
    Scanner,
}

impl Pattern {
    /// As security records call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SqlInjection => "sql_injection",
            Self::Scripting => "scripting",
            Self::CommandInjection => "command_injection",
            Self::PathTraversal => "path_traversal",
            Self::Scanner => "scanner",
        }
    }
}

/// In paths, parameters and fields. The first that is found counts.
static PATTERNS: &[(Pattern, &str)] = &[
    // ' OR '1'='1, ") or 1=1, ' and sleep(…
    (Pattern::SqlInjection, r#"['")]\s*(or|and)\b\s*['"(\d]?.{0,40}?(=|<|>|\blike\b|\()"#),
    (Pattern::SqlInjection, r"\b(or|and)\s+(\d+)\s*=\s*\d+\b"),
    (Pattern::SqlInjection, r"\bunion\b(\s|/\*.{0,20}?\*/)+(all\s+)?select\b"),
    (
        Pattern::SqlInjection,
        r"['\x22)\d]\s*;\s*(drop|delete|insert|update|alter|truncate|create|exec|select)\b",
    ),
    (Pattern::SqlInjection, r"\b(pg_sleep|sleep|benchmark|extractvalue|updatexml)\s*\("),
    (
        Pattern::SqlInjection,
        r"\bwaitfor\s+delay\b|\bxp_cmdshell\b|\binformation_schema\b|\bsqlite_master\b",
    ),
    // admin'--
    (Pattern::SqlInjection, r#"['"]\s*\)*\s*(--|#|/\*)"#),
    (
        Pattern::Scripting,
        r"<\s*/?\s*(script|iframe|object|embed|svg|img|body|math|details|video)\b",
    ),
    (Pattern::Scripting, r"\b(javascript|vbscript)\s*:|\bdata\s*:\s*text/html"),
    (Pattern::Scripting, r"\bon(error|load|click|focus|mouseover|toggle|begin|pointerover)\s*="),
    (Pattern::Scripting, r"\bdocument\s*\.\s*(cookie|domain|write)\b"),
    (Pattern::CommandInjection, r"\$\{\s*(jndi|lower|upper|env)\s*:"),
    (
        Pattern::CommandInjection,
        r"[;|&`]\s*(cat|wget|curl|nc|bash|sh|powershell|id|uname|whoami)\b",
    ),
    (Pattern::CommandInjection, r"\$\(\s*[a-z]|\(\)\s*\{\s*:\s*;"),
    (Pattern::PathTraversal, r"(^|[/\\=])\.\.([/\\]|$)"),
    (Pattern::PathTraversal, r"/etc/(passwd|shadow|hosts)\b|\bwin\.ini\b|\x00"),
    (
        Pattern::Scanner,
        r"/(wp-admin|wp-login\.php|wp-content|phpmyadmin|cgi-bin|\.env|\.git|\.aws)(/|$)",
    ),
    (Pattern::Scanner, r"\.(php|asp|aspx|jsp|cgi)$"),
];

/// In user agents and referrers, which hold brackets and semicolons by nature.
static HEADER_PATTERNS: &[(Pattern, &str)] = &[
    (Pattern::CommandInjection, r"\$\{\s*(jndi|lower|upper|env)\s*:|\(\)\s*\{\s*:\s*;"),
    (Pattern::Scripting, r"<\s*/?\s*(script|iframe|svg|img)\b"),
    (Pattern::SqlInjection, r"\b(pg_sleep|benchmark)\s*\(|\bunion\s+(all\s+)?select\b"),
    (
        Pattern::Scanner,
        r"sqlmap|nikto|nuclei|acunetix|nessus|masscan|zgrab|dirbuster|gobuster|wpscan",
    ),
];

static IN_PARTS: LazyLock<RegexSet> = LazyLock::new(|| set(PATTERNS));
static IN_HEADERS: LazyLock<RegexSet> = LazyLock::new(|| set(HEADER_PATTERNS));

fn set(patterns: &[(Pattern, &str)]) -> RegexSet {
    RegexSetBuilder::new(patterns.iter().map(|(_, pattern)| *pattern))
        .case_insensitive(true)
        .dot_matches_new_line(true)
        .build()
        .expect("the patterns are tested")
}

/// What a request's target and headers look like.
pub fn of_request(uri: &Uri, headers: &HeaderMap) -> Option<Pattern> {
    of_path(uri.path()).or_else(|| uri.query().and_then(of_query)).or_else(|| {
        [header::USER_AGENT, header::REFERER]
            .iter()
            .filter_map(|name| headers.get(name)?.to_str().ok())
            .find_map(|text| first(&IN_HEADERS, HEADER_PATTERNS, bounded(text)))
    })
}

/// Whether a page of another site made the browser ask, by what browsers say of it and pages cannot change.
/// Whoever visits a page has not written the addresses of its images.
pub fn is_of_another_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "cross-site" | "same-site");
    }
    let is_browser = ["sec-fetch-dest", "sec-fetch-mode", "sec-fetch-user"]
        .iter()
        .any(|name| headers.contains_key(*name));
    let referring = text("referer").and_then(|text| text.parse::<Uri>().ok());
    let referring = referring.as_ref().and_then(Uri::authority);
    is_browser && referring.is_some_and(|site| Some(site.as_str()) != text("host"))
}

fn of_path(path: &str) -> Option<Pattern> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_');
    // Elsewhere there is little that anybody has to ask for.
    if path.starts_with("/v1/") && path.bytes().all(plain) {
        return None;
    }
    of_part(path)
}

fn of_query(query: &str) -> Option<Pattern> {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'&' | b'-' | b'_' | b':' | b'.')
    };
    if query.bytes().all(plain) && !query.contains("..") {
        return None;
    }
    bounded(query).split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if FREE_TEXTS.contains(&name) {
            return None;
        }
        let spaced = |text: &str| of_part(&text.replace('+', " "));
        spaced(name).or_else(|| spaced(value))
    })
}

/// What a body's structured fields look like: of one that was refused. What is right there, an id, an
/// address, a word from a list, can hold nothing of the kind.
pub fn of_body(body: &[u8]) -> Option<Pattern> {
    if body.len() > BYTES_MAX {
        return None;
    }
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return None };
    let mut looked_at = 0;
    of_fields(&fields, &mut looked_at)
}

fn of_fields(fields: &serde_json::Map<String, Value>, looked_at: &mut usize) -> Option<Pattern> {
    fields.iter().find_map(|(name, value)| {
        *looked_at += 1;
        if *looked_at > FIELDS_MAX {
            return None;
        }
        match value {
            Value::String(text) if is_structured(name) => of_part(text),
            Value::Object(fields) => of_fields(fields, looked_at),
            _ => None,
        }
    })
}

fn is_structured(name: &str) -> bool {
    STRUCTURED.contains(&name) || STRUCTURED_ENDS.iter().any(|end| name.ends_with(end))
}

/// A part as it was sent, and as it is once and twice decoded: what hides is decoded twice.
fn of_part(text: &str) -> Option<Pattern> {
    let text = bounded(text);
    let once = percent_decode_str(text).decode_utf8_lossy();
    let twice = match once.contains('%') {
        true => percent_decode_str(&once).decode_utf8_lossy(),
        false => Cow::Borrowed(&*once),
    };
    first(&IN_PARTS, PATTERNS, &twice)
}

fn first(set: &RegexSet, patterns: &[(Pattern, &str)], text: &str) -> Option<Pattern> {
    // Which of them is asked only where one is: the first question is the cheaper one.
    if !set.is_match(text) {
        return None;
    }
    set.matches(text).iter().next().map(|place| patterns[place].0)
}

fn bounded(text: &str) -> &str {
    let mut end = text.len().min(BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests;
