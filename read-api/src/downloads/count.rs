//! Counting a download: the command API does it, asked with the caller's own credentials, so that the
//! log keeps its one writer and the caller's rights are decided once more where they are always
//! decided (ADR 13).

use std::{net::IpAddr, time::Duration};

use agora_domain::ids::ExportJobId;
use agora_event_store::Position;
use agora_service::{clock, problem::Problem, tls};
use axum::http::{HeaderValue, StatusCode, header};
use reqwest::{Client, redirect::Policy};
use serde_json::{Value, json};
use url::Url;

const COMMAND: &str = "record-export-download";
/// How often a count is tried. It counts once: the tries have one idempotency key.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
#[error("AGORA_COMMAND_URL must be the address of the command API, such as http://127.0.0.1:8080")]
pub struct CommandUrlError;

/// The way to the command API.
#[derive(Clone)]
pub struct Counter {
    client: Client,
    url: Url,
}

impl Counter {
    /// # Errors
    /// Where the URL is none of HTTP.
    pub fn new(command_url: &str) -> Result<Self, CommandUrlError> {
        let mut url: Url = command_url.parse().map_err(|_| CommandUrlError)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(CommandUrlError);
        }
        url.path_segments_mut()
            .map_err(|()| CommandUrlError)?
            .pop_if_empty()
            .extend(["v1", "commands", COMMAND]);
        tls::install();
        // The caller's credentials go to this address and to no other.
        let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(TIMEOUT);
        Ok(Self { client: client.build().map_err(|_| CommandUrlError)?, url })
    }

    /// Counts one download; returns the position at which it stands in the log.
    ///
    /// # Errors
    /// What the command was refused with; 503 where nobody can say whether it was counted.
    pub async fn count(
        &self,
        job_id: ExportJobId,
        authorization: &HeaderValue,
        token: Option<&str>,
        client_address: Option<IpAddr>,
    ) -> Result<Position, Problem> {
        let key = clock::new_id().to_string();
        let mut body = json!({ "export_id": job_id });
        if let Some(token) = token {
            body["verification_token"] = token.into();
        }
        let body = body.to_string();
        for attempt in 1..=TRIES {
            let mut request = self
                .client
                .post(self.url.clone())
                .header(header::AUTHORIZATION, authorization)
                .header(header::CONTENT_TYPE, "application/json")
                .header("idempotency-key", &key)
                .body(body.clone());
            if let Some(address) = client_address {
                // Believed where this service is among AGORA_TRUSTED_PROXIES; in either header, since the
                // command API reads only the one that it is told to.
                let node = match address {
                    IpAddr::V4(address) => format!("for={address}"),
                    IpAddr::V6(address) => format!("for=\"[{address}]\""),
                };
                request = request
                    .header("x-forwarded-for", address.to_string())
                    .header(header::FORWARDED, node);
            }
            match answer(request).await {
                Answer::Counted(position) => return Ok(position),
                Answer::Refused(problem) => return Err(problem),
                Answer::Unknown(reason) => {
                    tracing::warn!(attempt, reason, "a download could not be counted");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(Problem::unavailable("The download cannot be counted now, so it does not begin."))
    }
}

enum Answer {
    Counted(Position),
    Refused(Problem),
    /// The same again is safe.
    Unknown(&'static str),
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let Ok(response) = request.send().await else {
        return Answer::Unknown("the command API does not answer");
    };
    let status = response.status();
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|text| text.to_str().ok()?.parse().ok());
    let Ok(bytes) = response.bytes().await else {
        return Answer::Unknown("the command API's answer broke off");
    };
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if status == StatusCode::OK {
        return match body["position"].as_u64() {
            Some(position) => Answer::Counted(position),
            None => Answer::Unknown("the command API's answer has no position"),
        };
    }
    // Others' haste, not an answer: the same key finds its place.
    if body["rule"].as_str() == Some("ESX-03") {
        return Answer::Unknown("others count downloads at the same time");
    }
    let detail = body["detail"].as_str().unwrap_or("The download was refused.").to_owned();
    let problem = match status {
        StatusCode::UNAUTHORIZED => Problem::unauthenticated(detail),
        StatusCode::FORBIDDEN => Problem::forbidden(detail),
        StatusCode::NOT_FOUND => Problem::not_found(detail),
        StatusCode::CONFLICT => Problem::conflict(detail),
        StatusCode::GONE => Problem::gone(detail),
        StatusCode::TOO_MANY_REQUESTS => Problem::too_many_requests(retry_after.unwrap_or(1)),
        _ => return Answer::Unknown("the command API cannot do it now"),
    };
    let rule = RULES.into_iter().find(|rule| body["rule"].as_str() == Some(rule));
    Answer::Refused(match rule {
        Some(rule) => problem.with_rule(rule),
        None => problem,
    })
}

/// The rules that the command may be refused by.
const RULES: [&str; 12] = [
    "BUF-15", "BUF-18", "DXR-06", "DXR-07", "REL-10", "ROL-01", "SES-04", "SES-05", "SES-10",
    "ADM-04", "ADM-07", "MEM-05",
];
