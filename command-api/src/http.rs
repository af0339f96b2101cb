//! The routes: `POST /v1/commands/{name}`, one for each command of the registry.

mod request;

use agora_domain::ids::SessionId;
use agora_event_store::security::{Outcome, SecurityRecord};
use agora_service::{
    client_address::ClientAddress,
    http::{Counted, access::Known},
    problem::Problem,
    rate_limits::Reading,
};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, post},
};

use crate::{App, Command, commands, execute::execute, fields::WrongFields, openapi};

/// All routes of the command API, without health and metrics.
pub fn routes(app: App) -> Router {
    let mut router = Router::new();
    for command in commands::all() {
        router = router.route(&format!("/v1/commands/{}", command.name), (command.route)());
    }
    router
        .route("/v1/commands/{name}", post(unknown_command))
        .with_state(app)
        .merge(openapi::routes())
}

/// The route of one command.
pub fn route<C: Command>() -> MethodRouter<App> {
    post(handle::<C>)
}

async fn handle<C: Command>(
    State(app): State<App>,
    client: ClientAddress,
    counted: Option<Extension<Counted>>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    let mut limit = Limit { counted: counted.map(|counted| counted.0), reading: None };
    let sent = body.as_ref().ok().cloned();
    let mut reply = match accept::<C>(&app, client, &headers, body, &mut limit).await {
        Ok(reply) => reply,
        Err(refusal) => {
            limit.note_refused(sent, refusal.problem.kind.status());
            refuse(&app, C::NAME, client, *refusal).await
        }
    };
    if let Some(reading) = limit.reading {
        reply.extensions_mut().insert(reading);
    }
    if let Some(deprecation) = C::DEPRECATED {
        deprecation.mark(reply.headers_mut());
    }
    reply
}

/// What a principal may still send, where requests are limited.
struct Limit {
    counted: Option<Counted>,
    reading: Option<Reading>,
}

impl Limit {
    /// Counts a request of whoever it is of.
    fn count(&mut self, actor: Option<agora_domain::Actor>) -> Result<(), Problem> {
        let Some((counted, actor)) = self.counted.as_ref().zip(actor) else { return Ok(()) };
        self.reading = counted.of_principal(actor.id.as_u128());
        self.reading.as_ref().map_or(Ok(()), Reading::permit)
    }

    /// A body that is refused for what it holds may be an attack.
    fn note_refused(&self, body: Option<Bytes>, status: StatusCode) {
        if let (Some(counted), Some(body), 400 | 422) = (&self.counted, body, status.as_u16()) {
            counted.note_refused(&body, status.as_u16());
        }
    }
}

/// A problem and, where it is known, who got it.
struct Refusal {
    problem: Problem,
    actor: Option<agora_domain::Actor>,
    session: Option<SessionId>,
}

/// For the log of accesses.
fn known(
    actor: Option<agora_domain::Actor>,
    session: Option<SessionId>,
    rule: Option<&'static str>,
) -> Known {
    Known {
        actor: actor.map(|actor| (actor.kind.as_str(), actor.id)),
        session: session.map(|session| session.0),
        rule,
        indicators: Vec::new(),
    }
}

async fn accept<C: Command>(
    app: &App,
    client: ClientAddress,
    headers: &HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
    limit: &mut Limit,
) -> Result<Response, Box<Refusal>> {
    let nobody = |problem| Box::new(Refusal { problem, actor: None, session: None });
    let known_before = app.known();
    let mut caller = request::caller::<C>(app, client, headers).await.map_err(nobody)?;
    let mut permitted = app.matrix.permit(C::NAME, caller.role());
    if permitted.is_err() && caller.principal.is_some() && app.was_behind(known_before).await {
        caller = request::caller::<C>(app, client, headers).await.map_err(nobody)?;
        permitted = app.matrix.permit(C::NAME, caller.role());
    }
    let actor = caller.principal.as_ref().map(|principal| principal.actor);
    let session = caller.principal.as_ref().and_then(|principal| principal.session_id());
    let refuse = |problem| Box::new(Refusal { problem, actor, session });
    limit.count(actor).map_err(refuse)?;
    permitted.map_err(refuse)?;
    let body = body.map_err(|rejection| refuse(rejection.into()))?;
    let conditions = request::conditions::<C>(app, headers, &body).map_err(refuse)?;
    let raw: C::Body = request::json(headers, &body).map_err(refuse)?;
    let mut wrong = WrongFields::default();
    let command = C::parse(raw, &mut wrong);
    if let Some(problem) = wrong.into_problem() {
        return Err(refuse(problem));
    }
    let command = command.ok_or_else(|| refuse(Problem::internal()))?;
    if command.reply_is_secret() && conditions.idempotency_key.is_some() {
        return Err(refuse(request::no_receipt()));
    }
    let reply = execute(app, &caller, &conditions, command).await.map_err(refuse)?;
    // Whoever logs in or registers is known from here on: what is noted of it is its own.
    let actor = actor.or(reply.sent_by);
    let mut response = Json(reply).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(known(actor, session, None));
    Ok(response)
}

/// Leaves a security record, then answers.
async fn refuse(app: &App, action: &str, client: ClientAddress, refusal: Refusal) -> Response {
    let Refusal { problem, actor, session } = refusal;
    let status = problem.kind.status();
    metrics::counter!("agora_command_refusals").increment(1);
    if status.is_client_error() {
        let denied = matches!(status.as_u16(), 401 | 403 | 429);
        let failed_login = action == commands::log_in::NAME && status.as_u16() == 401;
        app.security
            .write(SecurityRecord {
                kind: if failed_login { "login_failed" } else { "refusal" },
                outcome: if denied && !failed_login { Outcome::Blocked } else { Outcome::Failure },
                actor,
                action: action.to_owned(),
                rule: problem.rule,
                status: status.as_u16(),
                client_address: Some(client.to_string()),
            })
            .await;
    }
    let known = known(actor, session, problem.rule);
    let mut response = problem.into_response();
    response.extensions_mut().insert(known);
    response
}

async fn unknown_command(
    State(app): State<App>,
    client: ClientAddress,
    Path(_): Path<String>,
) -> Response {
    let problem = Problem::not_found(
        "There is no such command: GET /openapi.json lists them all, /docs shows them.",
    );
    let refusal = Refusal { problem, actor: None, session: None };
    refuse(&app, "unknown-command", client, refusal).await
}
