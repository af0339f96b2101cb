//! What every read takes in, whatever its route.

use std::{net::IpAddr, time::Duration};

use agora_domain::{exports::organization_membership::Tenant, values::SearchQuery};
use agora_event_store::{
    Position,
    searches::{Scope, Search},
    security::{Outcome, SecurityRecord},
};
use agora_service::{client_address::ClientAddress, problem::Problem};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
};

use crate::{
    access::{Caller, Principal, token_is_missing},
    app::App,
    params::{FromParams, Params, PathTexts, number},
};

/// The header form of `min_position`.
pub const MIN_POSITION: HeaderName = HeaderName::from_static("agora-min-position");

/// More of a user agent is not kept.
const USER_AGENT_CHARACTERS_MAX: usize = 512;

const WAIT_MS_DEFAULT: u64 = 2_000;
const WAIT_MS_MAX: u64 = 10_000;

/// A request, taken apart: the route's own parameters, and what all reads share.
pub struct Read<Q = ()> {
    pub path: PathTexts,
    pub query: Q,
    pub freshness: Freshness,
    pub caller: Caller,
    pub if_none_match: Option<HeaderValue>,
    client_address: Option<ClientAddress>,
    user_agent: Option<String>,
}

/// How new the data must be, and how long to wait for it (ESX-07).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    pub min_position: Position,
    pub wait: Duration,
}

impl<S: Send + Sync, Q: FromParams> FromRequestParts<S> for Read<Q> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = PathTexts::from_request_parts(parts, state).await?;
        let mut params = Params::of_query(parts.uri.query());
        let query = Q::from_params(&mut params);
        let freshness = Freshness::of_request(&mut params, &parts.headers);
        params.finish()?;
        let caller = parts.extensions.get::<Caller>().cloned().unwrap_or(Caller::Guest);
        let if_none_match = parts.headers.get(header::IF_NONE_MATCH).cloned();
        let client_address = parts.extensions.get::<ClientAddress>().copied();
        let user_agent = parts.headers.get(header::USER_AGENT).and_then(|text| text.to_str().ok());
        let user_agent =
            user_agent.map(|text| text.chars().take(USER_AGENT_CHARACTERS_MAX).collect());
        Ok(Self { path, query, freshness, caller, if_none_match, client_address, user_agent })
    }
}

impl Freshness {
    fn of_request(params: &mut Params, headers: &HeaderMap) -> Self {
        let position = |text: &str| number(text, 0..=u64::MAX);
        let asked = params.value("min_position", position).unwrap_or(0);
        let wait_ms = params.value("wait_ms", |text| number(text, 0..=WAIT_MS_MAX));
        let header = headers.get(&MIN_POSITION).map(|text| position(text.to_str().unwrap_or("")));
        let header = match header {
            Some(Err(says)) => {
                params.wrong("header", MIN_POSITION.as_str(), &says);
                0
            }
            Some(Ok(position)) => position,
            None => 0,
        };
        Self {
            min_position: asked.max(header),
            wait: Duration::from_millis(wait_ms.unwrap_or(WAIT_MS_DEFAULT)),
        }
    }
}

impl<Q> Read<Q> {
    /// Who is logged in.
    ///
    /// # Errors
    /// 401 for guests, whom the permission table keeps away from routes that ask.
    pub fn principal(&self) -> Result<&Principal, Problem> {
        match &self.caller {
            Caller::Principal(principal) => Ok(principal),
            Caller::Guest | Caller::SignedGuest(_) => Err(token_is_missing()),
        }
    }

    /// The organization that the request is made for.
    ///
    /// # Errors
    /// 403 where the session is of none, whom the permission table keeps away from routes that ask.
    pub fn tenant(&self) -> Result<Tenant, Problem> {
        self.principal()?.organization.ok_or_else(|| {
            let detail = "Your session is of no organization: send log-in with organization_id.";
            Problem::forbidden(detail).with_rule("ROL-01")
        })
    }

    /// What client sent the request, in its own words.
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    /// Where the request came from.
    pub fn client_address(&self) -> Option<IpAddr> {
        self.client_address.map(|address| address.0)
    }

    /// Notes a search for the search log (SRL-01); nobody waits for it.
    pub fn note_search(&self, app: &App, scope: Scope, query: &SearchQuery) {
        app.searches.note(Search {
            scope,
            query: query.as_str().to_owned(),
            actor: self.caller.actor(),
            client_address: self.client_address.map(|address| address.0),
            user_agent: self.user_agent.clone(),
        });
    }

    /// Leaves the record that somebody read what is for auditors; to be called before the reply
    /// goes out (AUD-09).
    pub async fn record_audit_read(&self, app: &App, route: &'static str) {
        let record = SecurityRecord {
            kind: "audit_read",
            outcome: Outcome::Success,
            actor: self.caller.actor(),
            action: route.to_owned(),
            rule: None,
            status: 200,
            client_address: self.client_address.map(|address| address.to_string()),
        };
        app.security.write(record).await;
    }
}
