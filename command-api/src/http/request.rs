//! What a request says beside the command itself.

use agora_domain::Subject;
use agora_service::{
    client_address::ClientAddress,
    clock,
    problem::{Kind, Problem},
};
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use crate::{
    App, Command, authenticate,
    execute::{Caller, Conditions},
    refusal::CommandError,
};

/// RFC 9110 sets no limit to a field's length; this is more than any generator of keys makes.
const IDEMPOTENCY_KEY_MAX: usize = 255;

/// Who sends the request.
pub(super) async fn caller<C: Command>(
    app: &App,
    client: ClientAddress,
    headers: &HeaderMap,
) -> Result<Caller, Problem> {
    let (now, history) = (clock::now(), app.log.history());
    let refused = |error| match error {
        CommandError::Refused(problem) => problem,
        CommandError::Moved => Problem::internal(),
    };
    let mut was_guest = false;
    let principal = match authenticate::bearer(headers)? {
        Some(token) => Some(authenticate::principal(app, token, now).await.map_err(refused)?),
        None if app.matrix.tells_guests_apart(C::NAME) => match authenticate::signature(headers)? {
            Some(signature) => {
                Some(authenticate::guest(app, signature, now).await.map_err(refused)?)
            }
            None => None,
        },
        // Here a signature that does not hold keeps nobody from anything.
        None if C::COUNTS_GUESTS => {
            was_guest = match authenticate::signature(headers) {
                Ok(Some(signature)) => authenticate::guest(app, signature, now).await.is_ok(),
                _ => false,
            };
            None
        }
        None => None,
    };
    let subject = match &principal {
        Some(principal) if principal.actor.has_account() => principal.actor.subject(),
        // Nothing personal is kept of a guest (GST-01).
        _ => Subject::day(now.date_naive()),
    };
    Ok(Caller {
        principal,
        system: false,
        address: Some((subject, client.to_string())),
        user_agent: text(headers, &header::USER_AGENT).map(str::to_owned),
        opts_out: headers.get("sec-gpc").is_some_and(|value| value.as_bytes().trim_ascii() == b"1"),
        traceparent: headers
            .get("traceparent")
            .and_then(|value| value.to_str().ok())
            .filter(|text| is_traceparent(text))
            .map(str::to_owned),
        was_guest,
        history: Some(history),
        cause: None,
    })
}

pub(super) fn conditions<C: Command>(
    app: &App,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Conditions, Problem> {
    let idempotency_key = match headers.get("idempotency-key") {
        None => None,
        Some(_) if C::SECRET_REPLY => return Err(no_receipt()),
        Some(value) => {
            let key = value.to_str().ok().filter(|key| {
                (1..=IDEMPOTENCY_KEY_MAX).contains(&key.len())
                    && key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
            });
            let key = key.ok_or_else(|| {
                Problem::malformed("Idempotency-Key must be 1 to 255 visible ASCII characters.")
                    .with_rule("ESX-04")
            })?;
            Some(key.to_owned())
        }
    };
    let request_hmac = match &idempotency_key {
        Some(_) => app.request_hmac(C::NAME, body),
        None => [0; 32],
    };
    Ok(Conditions { idempotency_key, request_hmac, if_match: if_match(headers)? })
}

/// What holds a secret is in no receipt.
pub(super) fn no_receipt() -> Problem {
    Problem::malformed(
        "This command's reply holds a secret and is never kept, so Idempotency-Key cannot be used \
         with it.",
    )
    .with_rule("ESX-04")
}

/// `If-Match: "<sequence>"`; `*` asks for nothing, since commands on nothing are refused anyway.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let sequence = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    sequence.and_then(|sequence| sequence.parse().ok()).map(Some).ok_or_else(|| {
        Problem::malformed("If-Match must be one sequence in quotes, such as \"3\".")
            .with_rule("ESX-03")
    })
}

/// The body as JSON. A body of nothing is an empty object, for commands without fields.
pub(super) fn json<T: DeserializeOwned + Default>(
    headers: &HeaderMap,
    body: &[u8],
) -> Result<T, Problem> {
    if body.is_empty() {
        return Ok(T::default());
    }
    let content_type = text(headers, &header::CONTENT_TYPE).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let is_json = essence.eq_ignore_ascii_case("application/json")
        || (essence.len() > 5 && essence.to_ascii_lowercase().ends_with("+json"));
    if !is_json {
        return Err(Problem::of(Kind::UnsupportedMediaType));
    }
    // serde reads a list as a struct, too: its items by their places.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Problem::malformed("The body must be a JSON object (RFC 8259)."));
    }
    // serde's own words may repeat the input, so only the place is told.
    serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Problem::malformed(if error.is_data() {
            format!(
                "The body must be an object with the fields that /openapi.json lists for this \
                 command, each at most once: it differs at {place}."
            )
        } else {
            format!("The body is not JSON (RFC 8259): see {place}.")
        })
    })
}

fn text<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// W3C Trace Context, version 00.
fn is_traceparent(text: &str) -> bool {
    let hex = |part: Option<&str>, length: usize| {
        part.is_some_and(|part| {
            part.len() == length
                && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    let mut parts = text.split('-');
    parts.next() == Some("00")
        && hex(parts.next(), 32)
        && hex(parts.next(), 16)
        && hex(parts.next(), 2)
        && parts.next().is_none()
}
