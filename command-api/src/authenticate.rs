//! Who sends a command: from the bearer token to the session to its principal.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use agora_domain::{
    Actor, ActorKind,
    identity::{admin::Admin, member::Member, session::Session, session_era::SessionEra},
    ids::SessionId,
};
use agora_event_store::Guard;
use agora_service::problem::Problem;
use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use lru::LruCache;
use sha2::{Digest, Sha256};

use crate::{
    App,
    permission::Roles,
    refusal::{CommandError, unavailable},
};

/// The scope of claims under which tokens' hashes stand.
pub const SESSION_TOKEN: &str = "session_token";

const TOKENS_MAX: usize = 100_000;

/// A principal with a valid session.
#[derive(Clone, Debug)]
pub struct Principal {
    pub actor: Actor,
    pub session_id: SessionId,
    pub roles: Roles,
    /// What says so: the session, the era of sessions, and the member or admin.
    pub guards: [Guard; 3],
}

/// Tokens that were looked up before. A token leads to one session for ever; whether the session
/// still holds is asked of the session, whose guard goes into every unit.
pub struct Tokens {
    known: Mutex<LruCache<[u8; 32], SessionId>>,
}

impl Tokens {
    pub fn new() -> Self {
        let size = NonZeroUsize::new(TOKENS_MAX).expect("the constant is not zero");
        Self { known: Mutex::new(LruCache::new(size)) }
    }

    fn get(&self, hash: &[u8; 32]) -> Option<SessionId> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(hash).copied()
    }

    fn put(&self, hash: [u8; 32], session_id: SessionId) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).put(hash, session_id);
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self::new()
    }
}

/// The key of a token's claim: base64url of its SHA-256. Bare, since 256 random bits need no secret.
pub fn claim_key(token_hash: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(token_hash)
}

pub fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The bearer token of a request. A token in the URL is never looked at (SES-13).
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let token = value
        .to_str()
        .ok()
        .filter(|_| values.next().is_none())
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    token.map(Some).ok_or_else(|| {
        Problem::unauthenticated("The header must be `Authorization: Bearer <token>`, once.")
            .with_rule("SES-13")
    })
}

/// Whose token it is, if the session holds now.
pub async fn principal(
    app: &App,
    token: &str,
    now: DateTime<Utc>,
) -> Result<Principal, CommandError> {
    let session_id = session_of(app, token).await?.ok_or_else(unknown)?;
    let known = app.known();
    match holder(app, session_id, now).await {
        Err(CommandError::Refused(_)) if app.was_behind(known).await => {
            holder(app, session_id, now).await
        }
        held => held,
    }
}

/// Whose session it is, if it holds now. Asked again where a decision found that something has
/// moved on: it may be this that has.
pub async fn holder(
    app: &App,
    session_id: SessionId,
    now: DateTime<Utc>,
) -> Result<Principal, CommandError> {
    let session = app.log.load::<Session>(&session_id.to_string()).await?;
    let actor = session.state.principal().ok_or_else(unknown)?;
    let era = app.log.load::<SessionEra>(SessionEra::STREAM_ID).await?;
    if session.state.is_revoked() || !era.state.admits(session_id, session.state.era()) {
        return Err(problem("SES-04", "The session was ended: log in again."));
    }
    if !session.state.is_valid_at(now) {
        return Err(problem("SES-05", "The session has expired: log in again."));
    }
    if !app.activity.touch(session_id, now).await? {
        return Err(problem("SES-10", "The session was not used for too long: log in again."));
    }
    let (roles, standing) = roles(app, actor).await?;
    Ok(Principal { actor, session_id, roles, guards: [session.guard(), era.guard(), standing] })
}

async fn roles(app: &App, actor: Actor) -> Result<(Roles, Guard), CommandError> {
    let id = actor.id.to_string();
    match actor.kind {
        ActorKind::Member => {
            let member = app.log.load::<Member>(&id).await?;
            if !member.state.may_log_in() {
                return Err(problem("MEM-07", "The account was deleted."));
            }
            let roles =
                if member.state.is_active() { Roles::MEMBER } else { Roles::RESTRICTED_MEMBER };
            Ok((roles, member.guard()))
        }
        ActorKind::Admin => {
            let admin = app.log.load::<Admin>(&id).await?;
            if !admin.state.is_active() {
                return Err(problem("ADM-04", "The admin is suspended or retired."));
            }
            Ok((Roles::of_admin(&admin.state), admin.guard()))
        }
        ActorKind::System => Err(unknown()),
    }
}

async fn session_of(app: &App, token: &str) -> Result<Option<SessionId>, CommandError> {
    let token_hash = hash(token);
    if let Some(session_id) = app.tokens.get(&token_hash) {
        return Ok(Some(session_id));
    }
    let session_id: Option<String> =
        sqlx::query_scalar("SELECT aggregate_id FROM log.claims WHERE scope = $1 AND key = $2")
            .bind(SESSION_TOKEN)
            .bind(claim_key(&token_hash))
            .fetch_optional(app.log.pool())
            .await
            .map_err(|error| {
                tracing::error!(%error, "cannot look up a token");
                unavailable()
            })?;
    let session_id = session_id.and_then(|id| id.parse().ok());
    if let Some(session_id) = session_id {
        app.tokens.put(token_hash, session_id);
    }
    Ok(session_id)
}

fn unknown() -> CommandError {
    problem("SES-04", "The token is of no session that holds: log in again.")
}

fn problem(rule: &'static str, detail: &'static str) -> CommandError {
    Problem::unauthenticated(detail).with_rule(rule).into()
}
