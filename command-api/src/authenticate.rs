//! Who sends a command: from what proves it (a session's token, a service account's key, a guest's
//! signature) to the principal.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use agora_domain::{
    Actor, ActorKind,
    exports::organization_membership::{OrganizationMembership, Tenant},
    identity::{
        admin::Admin, guest::Guest, member::Member, service_account::ServiceAccount,
        session::Session, session_era::SessionEra,
    },
    ids::{AdminId, ApiKeyId, GuestId, OrganizationId, SessionId},
};
use agora_event_store::Guard;
use agora_service::problem::Problem;
use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use lru::LruCache;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{App, permission::Roles, refusal::CommandError};

/// The scope of claims under which tokens' hashes stand.
pub const SESSION_TOKEN: &str = "session_token";
/// As [`SESSION_TOKEN`], of the keys of service accounts. A claim's id names account and key, so that
/// one look-up tells both (see [`api_key_claim`]).
pub const API_KEY: &str = "api_key";
/// As [`SESSION_TOKEN`], of the signatures of guests.
pub const GUEST_SIGNATURE: &str = "guest_signature";

/// How a service account's key begins: people and scanners for leaked secrets know it by that.
pub const API_KEY_PREFIX: &str = "agora_sk_";
/// The header in which a guest shows its signature. Never a URL (SES-13).
pub const GUEST_HEADER: &str = "agora-guest";

const TOKENS_MAX: usize = 100_000;

/// A principal whose proof holds.
#[derive(Clone, Debug)]
pub struct Principal {
    pub actor: Actor,
    pub proof: Proof,
    pub roles: Roles,
    /// The organization that the session carries, while its holder is in it.
    pub organization: Option<Tenant>,
    /// What says so: the session, the era of sessions, and the member or admin, and the place in the
    /// session's organization; the service account and its admin; the guest.
    pub guards: Vec<Guard>,
}

impl Principal {
    /// The login; nothing where there is none, as with service accounts and guests.
    pub fn session_id(&self) -> Option<SessionId> {
        match self.proof {
            Proof::Session(session_id) => Some(session_id),
            Proof::ApiKey(..) | Proof::Signature(_) => None,
        }
    }

    /// The login, for commands that are about it. Guests never get that far.
    pub fn require_session(&self) -> Result<SessionId, Problem> {
        self.session_id().ok_or_else(|| {
            let detail = "A service account has a key and no login: no session, no password.";
            Problem::forbidden(detail).with_rule("ADM-07")
        })
    }
}

/// What a principal showed. It leads to one of these for ever; whether that still holds is asked of
/// the log, and its guards go into every unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Session(SessionId),
    ApiKey(AdminId, ApiKeyId),
    Signature(GuestId),
}

/// The scope and the hash: a secret proves only what it was given out for.
type TokenKey = (&'static str, [u8; 32]);

/// Tokens that were looked up before.
pub struct Tokens {
    known: Mutex<LruCache<TokenKey, Proof>>,
}

impl Tokens {
    pub fn new() -> Self {
        let size = NonZeroUsize::new(TOKENS_MAX).expect("the constant is not zero");
        Self { known: Mutex::new(LruCache::new(size)) }
    }

    fn get(&self, key: &TokenKey) -> Option<Proof> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    fn put(&self, key: TokenKey, proof: Proof) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).put(key, proof);
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

/// 256 bits from the operating system, in base64url (SES-08).
pub fn new_secret() -> Result<Zeroizing<String>, Problem> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut()).map_err(|_| Problem::internal())?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_ref())))
}

/// What a key's claim stands for: the account and which of its keys it is.
pub fn api_key_claim(admin_id: AdminId, key_id: ApiKeyId) -> String {
    format!("{admin_id}/{key_id}")
}

/// The guest's signature of a request.
pub fn signature(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(GUEST_HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let signature = value.to_str().ok().filter(|_| values.next().is_none());
    signature.map(|signature| Some(signature.trim())).ok_or_else(|| {
        Problem::unauthenticated("The header must be `Agora-Guest: <signature>`, once.")
            .with_rule("GST-03")
    })
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

/// Whose token or key it is, if it holds now.
pub async fn principal(
    app: &App,
    token: &str,
    now: DateTime<Utc>,
) -> Result<Principal, CommandError> {
    if token.starts_with(API_KEY_PREFIX) {
        find(app, API_KEY, token, now).await?.ok_or_else(unknown_key)
    } else {
        find(app, SESSION_TOKEN, token, now).await?.ok_or_else(unknown)
    }
}

/// Whose signature it is, if the guest is there now.
pub async fn guest(
    app: &App,
    signature: &str,
    now: DateTime<Utc>,
) -> Result<Principal, CommandError> {
    find(app, GUEST_SIGNATURE, signature, now).await?.ok_or_else(unknown_guest)
}

async fn find(
    app: &App,
    scope: &'static str,
    secret: &str,
    now: DateTime<Utc>,
) -> Result<Option<Principal>, CommandError> {
    let Some(proof) = look_up(app, scope, secret).await? else { return Ok(None) };
    let known = app.known();
    match holder(app, proof, now).await {
        Err(CommandError::Refused(_)) if app.was_behind(known).await => {
            holder(app, proof, now).await.map(Some)
        }
        held => held.map(Some),
    }
}

/// Whose proof it is, if it holds now. Asked again where a decision found that something has moved
/// on: it may be this that has.
pub async fn holder(
    app: &App,
    proof: Proof,
    now: DateTime<Utc>,
) -> Result<Principal, CommandError> {
    match proof {
        Proof::Session(session_id) => of_session(app, session_id, now).await,
        Proof::ApiKey(admin_id, key_id) => of_key(app, admin_id, key_id).await,
        Proof::Signature(guest_id) => of_guest(app, guest_id).await,
    }
}

async fn of_session(
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
    let proof = Proof::Session(session_id);
    let roles = roles.in_person();
    let guards = vec![session.guard(), era.guard(), standing];
    let principal = Principal { actor, proof, roles, organization: None, guards };
    match session.state.organization_id() {
        Some(organization_id) => within(app, principal, organization_id).await,
        None => Ok(principal),
    }
}

/// The principal with what its place in the session's organization gives it, for as long as it has one
/// (BUF-15). Whoever is suspended has no part in what is reported meanwhile (MEM-05).
async fn within(
    app: &App,
    mut principal: Principal,
    organization_id: OrganizationId,
) -> Result<Principal, CommandError> {
    let id = OrganizationMembership::stream_id(organization_id, principal.actor);
    let membership = app.log.load::<OrganizationMembership>(&id).await?;
    principal.guards.push(membership.guard());
    if let Some(role) = membership.state.role()
        && principal.roles != Roles::RESTRICTED_MEMBER
    {
        principal.organization = Some(Tenant { organization_id, role });
        principal.roles = principal.roles.and(Roles::ORG_USER);
    }
    Ok(principal)
}

async fn of_key(app: &App, admin_id: AdminId, key_id: ApiKeyId) -> Result<Principal, CommandError> {
    let account = app.log.load::<ServiceAccount>(&admin_id.to_string()).await?;
    if account.state.key_id() != Some(key_id) {
        return Err(unknown_key());
    }
    let actor = Actor::admin(admin_id);
    let (roles, standing) = roles(app, actor).await?;
    let proof = Proof::ApiKey(admin_id, key_id);
    let guards = vec![account.guard(), standing];
    Ok(Principal { actor, proof, roles, organization: None, guards })
}

async fn of_guest(app: &App, guest_id: GuestId) -> Result<Principal, CommandError> {
    let guest = app.log.load::<Guest>(&guest_id.to_string()).await?;
    if !guest.state.is_active() {
        return Err(unknown_guest());
    }
    Ok(Principal {
        actor: Actor::guest(guest_id),
        proof: Proof::Signature(guest_id),
        roles: Roles::SIGNED_GUEST,
        organization: None,
        guards: vec![guest.guard()],
    })
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
            Ok((Roles::of_admin(admin.state.scopes()), admin.guard()))
        }
        ActorKind::Guest | ActorKind::System => Err(unknown()),
    }
}

async fn look_up(
    app: &App,
    scope: &'static str,
    secret: &str,
) -> Result<Option<Proof>, CommandError> {
    let key = (scope, hash(secret));
    if let Some(proof) = app.tokens.get(&key) {
        return Ok(Some(proof));
    }
    let id = app.holder(scope, &claim_key(&key.1)).await?;
    let proof = id.and_then(|id| match scope {
        API_KEY => {
            let (admin_id, key_id) = id.split_once('/')?;
            Some(Proof::ApiKey(admin_id.parse().ok()?, key_id.parse().ok()?))
        }
        GUEST_SIGNATURE => id.parse().ok().map(Proof::Signature),
        _ => id.parse().ok().map(Proof::Session),
    });
    if let Some(proof) = proof {
        app.tokens.put(key, proof);
    }
    Ok(proof)
}

fn unknown() -> CommandError {
    problem("SES-04", "The token is of no session that holds: log in again.")
}

fn unknown_key() -> CommandError {
    problem("ADM-07", "The key is of no service account, or it was rotated or revoked.")
}

/// One word for a signature that never was and for one that was forgotten.
fn unknown_guest() -> CommandError {
    let detail = "The signature is of no guest, or the guest was forgotten: send \
                  record-guest-visit without one to get another.";
    problem("GST-05", detail)
}

fn problem(rule: &'static str, detail: &'static str) -> CommandError {
    Problem::unauthenticated(detail).with_rule(rule).into()
}
