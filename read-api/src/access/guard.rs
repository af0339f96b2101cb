//! The door of every route: who asks, whether they may, and a record of every refusal (AUD-06).

use agora_domain::Actor;
use agora_event_store::security::{Outcome, SecurityRecord};
use agora_service::{
    client_address::ClientAddress,
    http::{Counted, access::Known},
    problem::Problem,
    rate_limits::Reading,
};
use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    Caller, permissions,
    session::{self, Refused},
};
use crate::{
    app::Shared,
    error::{BrokenRule, ReadError},
};

/// Lets a request through to its handler with its [`Caller`], or refuses it.
///
/// A refusal, here or by the handler, leaves a security record before the reply goes out.
pub async fn guard(
    State(app): State<Shared>,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    let client_address = request.extensions().get::<ClientAddress>().map(ToString::to_string);
    let mut session = None;
    let (actor, mut response, reading) = match admit(&app, path.as_str(), request.headers()).await {
        Ok(caller) => {
            let actor = caller.actor();
            session = caller.session();
            let reading = count(&request, actor);
            let response = match reading.as_ref().map_or(Ok(()), Reading::permit) {
                Ok(()) => {
                    request.extensions_mut().insert(caller);
                    next.run(request).await
                }
                Err(problem) => ReadError::from(problem).into_response(),
            };
            (actor, response, reading)
        }
        Err(Refused { actor, problem }) => (actor, ReadError::from(problem).into_response(), None),
    };
    if let Some(reading) = reading {
        response.extensions_mut().insert(reading);
    }
    let status = response.status();
    let rule = response.extensions().get::<BrokenRule>().and_then(|rule| rule.0);
    let known = Known {
        actor: actor.map(|actor| (actor.kind.as_str(), actor.id)),
        session: session.map(|session| session.0),
        rule,
        indicators: Vec::new(),
    };
    response.extensions_mut().insert(known);
    if matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
    ) {
        let record = SecurityRecord {
            kind: "refusal",
            // Who is known was stopped; who is not failed to get in.
            outcome: if actor.is_some() { Outcome::Blocked } else { Outcome::Failure },
            actor,
            action: path.as_str().to_owned(),
            rule,
            status: status.as_u16(),
            client_address,
        };
        app.security.write(record).await;
    }
    response
}

/// Counts a request of whoever asks, where requests are limited.
fn count(request: &Request, actor: Option<Actor>) -> Option<Reading> {
    request.extensions().get::<Counted>()?.of_principal(actor?.id.as_u128())
}

async fn admit(app: &Shared, route: &str, headers: &HeaderMap) -> Result<Caller, Refused> {
    let caller = session::caller(app, headers).await?;
    if permissions::may(caller.roles(), route) {
        return Ok(caller);
    }
    Err(match caller.actor() {
        None => session::token_is_missing().into(),
        Some(actor) => Refused {
            actor: Some(actor),
            problem: Problem::forbidden(
                "Your role may not read this; /openapi.json says whose may.",
            )
            .with_rule("ROL-01"),
        },
    })
}
