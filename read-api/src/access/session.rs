//! From a session's token, a service account's key or a guest's signature to who asks. Asked of the log
//! on the primary at every request, never of a read table that may lag: the unit that ends one releases
//! its claim, so the next request is refused.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use agora_domain::{
    Actor, ActorKind,
    exports::organization_membership::{OrganizationMembership, Tenant},
    identity::{session_era::SessionEra, values::AdminScope},
    ids::{AdminId, GuestId, OrganizationId, SessionId},
};
use agora_event_store::unit;
use agora_service::{clock, problem::Problem};
use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use moka::future::Cache;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{FromRow, PgConnection, PgPool};

use super::{Caller, Principal, Roles};
use crate::{
    app::App,
    error,
    together::{Ask, Together},
};

/// Longer than any token that was ever given out.
const TOKEN_BYTES_MAX: usize = 512;

/// What is read of a `SessionIssued`; its personal fields stay sealed.
#[derive(Clone, Deserialize)]
struct Issued {
    principal: Actor,
    issued_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    /// None in what was written before there were eras: 0.
    era: Option<u64>,
    /// None in what was written before there were organizations, too.
    organization_id: Option<OrganizationId>,
}

/// Why a token lets nobody in, and whose it is where that is known.
pub(super) struct Refused {
    pub(super) actor: Option<Actor>,
    pub(super) problem: Problem,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { actor: None, problem }
    }
}

/// How the keys of service accounts begin (ADM-07).
const API_KEY_PREFIX: &str = "agora_sk_";

/// The caller that the headers name: a guest without `Authorization`.
///
/// # Errors
/// 401 where a token, key or signature is sent that does not let anybody in.
pub(super) async fn caller(app: &App, headers: &HeaderMap) -> Result<Caller, Refused> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return guest(app, headers).await };
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| (1..=TOKEN_BYTES_MAX).contains(&token.len()))
        .filter(|_| values.next().is_none())
        .ok_or_else(|| {
            Problem::unauthenticated("Write the token as `Authorization: Bearer <token>`, once.")
                .with_rule("SES-13")
        })?;
    let principal = if token.starts_with(API_KEY_PREFIX) {
        service_account(app, token).await
    } else {
        principal(app, token).await
    };
    principal.map(Caller::Principal)
}

/// The guest whose signature is shown in `Agora-Guest`, if one is.
async fn guest(app: &App, headers: &HeaderMap) -> Result<Caller, Refused> {
    let mut values = headers.get_all("agora-guest").iter();
    let Some(value) = values.next() else { return Ok(Caller::Guest) };
    let signature = value.to_str().ok().map(str::trim).filter(|_| values.next().is_none());
    let signature = signature.ok_or_else(|| {
        Problem::unauthenticated("Write the signature as `Agora-Guest: <signature>`, once.")
            .with_rule("GST-03")
    })?;
    let found = unit::holder(&app.primary, "guest_signature", &key(signature))
        .await
        .map_err(|cause| error::database(&cause))?;
    let guest_id = found.and_then(|id| id.parse::<GuestId>().ok());
    guest_id.map(Caller::SignedGuest).ok_or_else(|| {
        Problem::unauthenticated(
            "The signature is of no guest, or the guest was forgotten: ask without it.",
        )
        .with_rule("GST-05")
        .into()
    })
}

/// The key of a secret's claim.
fn key(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_bytes()))
}

async fn service_account(app: &App, secret: &str) -> Result<Principal, Refused> {
    // A claim of this scope names the admin and which of its keys it is.
    let found: Option<(String, Option<String>)> = sqlx::query_as(
        "SELECT split_part(c.aggregate_id, '/', 1),
                (SELECT json_agg(a.payload ORDER BY a.sequence)::text
                 FROM log.stream('admin', split_part(c.aggregate_id, '/', 1)) a)
         FROM log.claims c WHERE c.scope = 'api_key' AND c.key = $1",
    )
    .bind(key(secret))
    .fetch_optional(&app.primary)
    .await
    .map_err(|cause| error::database(&cause))?;
    let admin = found.and_then(|(id, events)| Some((id.parse::<AdminId>().ok()?, events)));
    let (admin_id, events) = admin.ok_or_else(|| {
        Problem::unauthenticated("The key is of no service account, or it was rotated or revoked.")
            .with_rule("ADM-07")
    })?;
    let actor = Actor::admin(admin_id);
    let roles = admin_roles(events.as_deref().unwrap_or("[]"))
        .map_err(|problem| Refused { actor: Some(actor), problem })?;
    Ok(Principal { actor, session_id: None, organization: None, roles })
}

/// What everybody is told who sends no token where one is needed.
pub(crate) fn token_is_missing() -> Problem {
    Problem::unauthenticated(
        "This needs a login: send `Authorization: Bearer <token>` with a token of log-in.",
    )
    .with_rule("SES-13")
}

/// As what members' sessions without an organization were issued, by the keys of their tokens. That never
/// changes, so nothing but what may have ended them needs to be asked for each request.
pub struct IssuedSessions {
    known: Cache<String, (SessionId, Issued)>,
    states: Together<States>,
}

impl IssuedSessions {
    /// Must run inside tokio.
    pub fn new(primary: PgPool) -> Self {
        let known = Cache::builder().max_capacity(20_000).time_to_idle(Duration::from_secs(60));
        Self { known: known.build(), states: Together::new("sessions", primary) }
    }
}

/// Asks for what may have ended sessions, by the keys of their tokens.
struct States;

impl Ask for States {
    type Question = String;
    type Answer = Option<State>;

    async fn ask(
        connection: &mut PgConnection,
        keys: Vec<String>,
    ) -> Result<Vec<Option<State>>, sqlx::Error> {
        let found: Vec<Asked> =
            sqlx::query_as(FIND_ISSUED).bind(&keys).fetch_all(connection).await?;
        let mut found = found.into_iter().peekable();
        let answer = |place: usize| {
            let asked = found.next_if(|asked| usize::try_from(asked.place) == Ok(place + 1))?;
            Some(asked.state)
        };
        Ok((0..keys.len()).map(answer).collect())
    }
}

/// What the log says of a token's session.
#[derive(FromRow)]
struct Found {
    issued: String,
    #[sqlx(flatten)]
    state: State,
}

#[derive(FromRow)]
struct Asked {
    /// From 1 on.
    place: i64,
    #[sqlx(flatten)]
    state: State,
}

/// What of it may change.
#[derive(FromRow)]
struct State {
    session_id: String,
    /// The events of the admin whose session it is; null for members.
    admin: Option<String>,
    /// The last event of its holder's place in the session's organization; null where it has none, or
    /// is a member who may only read (MEM-05).
    #[sqlx(rename = "place_in_organization")]
    place: Option<String>,
    /// The last event of the era of sessions; null in the first era.
    era: Option<String>,
    last_used_at: Option<DateTime<Utc>>,
}

/// Sessions that are not revoked, with what the log says of them.
const FIND: &str = "
    SELECT c.aggregate_id AS session_id, s.payload::text AS issued, u.last_used_at,
           CASE WHEN s.payload -> 'SessionIssued' -> 'principal' ->> 'kind' = 'admin' THEN (
               SELECT json_agg(a.payload ORDER BY a.sequence)::text
               FROM log.stream('admin', s.payload -> 'SessionIssued' -> 'principal' ->> 'id') a
           ) END AS admin,
           CASE WHEN s.payload -> 'SessionIssued' ->> 'organization_id' IS NOT NULL THEN (
               SELECT m.payload::text
               FROM log.stream('organization_membership', concat_ws('-',
                   s.payload -> 'SessionIssued' ->> 'organization_id',
                   s.payload -> 'SessionIssued' -> 'principal' ->> 'kind',
                   s.payload -> 'SessionIssued' -> 'principal' ->> 'id')) m
               WHERE NOT coalesce((
                   SELECT e.event_type IN ('MemberSuspended', 'MemberDeletionPending')
                   FROM log.stream('member', s.payload -> 'SessionIssued' -> 'principal' ->> 'id') e
                   WHERE e.event_type IN ('MemberSuspended', 'MemberReinstated',
                                          'MemberDeletionPending', 'MemberDeletionRejected')
                   ORDER BY e.sequence DESC LIMIT 1), false)
               ORDER BY m.sequence DESC LIMIT 1
           ) END AS place_in_organization,
           (SELECT e.payload::text FROM log.stream('session_era', 'all') e
            ORDER BY e.sequence DESC LIMIT 1) AS era
    FROM log.claims c
    JOIN LATERAL log.stream('session', c.aggregate_id) s ON s.sequence = 1
    LEFT JOIN log.session_activity u ON u.session_id = c.aggregate_id::uuid
    WHERE c.scope = 'session_token'";
/// The same of members' sessions without an organization, of which is known as what they were issued; each
/// with the place of its key.
const FIND_ISSUED: &str = "
    SELECT k.place, c.session_id, NULL AS admin, NULL AS place_in_organization, c.last_used_at,
           (SELECT e.payload::text FROM log.stream('session_era', 'all') e
            ORDER BY e.sequence DESC LIMIT 1) AS era
    FROM unnest($1::text[]) WITH ORDINALITY AS k (key, place)
    CROSS JOIN LATERAL (
        SELECT c.aggregate_id AS session_id,
               (SELECT u.last_used_at FROM log.session_activity u
                WHERE u.session_id = c.aggregate_id::uuid) AS last_used_at
        FROM log.claims c WHERE c.scope = 'session_token' AND c.key = k.key LIMIT 1) c
    ORDER BY k.place";
static FIND_BY_TOKEN: LazyLock<String> = LazyLock::new(|| format!("{FIND} AND c.key = $1"));
static FIND_BY_IDS: LazyLock<String> =
    LazyLock::new(|| format!("{FIND} AND c.aggregate_id = ANY ($1)"));

async fn principal(app: &App, token: &str) -> Result<Principal, Refused> {
    let key = key(token);
    let (issued, state) = match app.issued_sessions.known.get(&key).await {
        Some((session_id, issued)) => {
            let state = app.issued_sessions.states.ask(key.clone()).await?;
            // After a restore the token may be another session's, which is found at the next request.
            let state = state.filter(|state| state.session_id == session_id.to_string());
            let Some(state) = state else {
                app.issued_sessions.known.invalidate(&key).await;
                return Err(revoked().into());
            };
            ((session_id, issued), state)
        }
        None => {
            let found: Option<Found> = sqlx::query_as(&FIND_BY_TOKEN)
                .bind(&key)
                .fetch_optional(&app.primary)
                .await
                .map_err(|cause| error::database(&cause))?;
            let Some(found) = found else { return Err(revoked().into()) };
            let issued = found.issued()?;
            if issued.1.principal.kind == ActorKind::Member && issued.1.organization_id.is_none() {
                app.issued_sessions.known.insert(key, issued.clone()).await;
            }
            (issued, found.state)
        }
    };
    let now = clock::now();
    let Open { session_id, actor, organization, roles, last_used_at } = state.judge(issued, now)?;
    if app.activity.touch(session_id, Some(last_used_at), now) {
        Ok(Principal { actor, session_id: Some(session_id), organization, roles })
    } else {
        Err(Refused { actor: Some(actor), problem: idle() })
    }
}

/// Which of these sessions still let somebody in, and with which roles. That they are looked up is no
/// use of them.
pub(crate) async fn still_open(
    app: &App,
    sessions: &[SessionId],
) -> Result<HashMap<SessionId, Roles>, sqlx::Error> {
    let ids: Vec<String> = sessions.iter().map(SessionId::to_string).collect();
    let found: Vec<Found> = sqlx::query_as(&FIND_BY_IDS).bind(ids).fetch_all(&app.primary).await?;
    let now = clock::now();
    let open = found.into_iter().filter_map(|found| {
        let issued = found.issued().ok()?;
        let session = found.state.judge(issued, now).ok()?;
        let idle = app.activity.is_idle(session.last_used_at, now);
        (!idle).then_some((session.session_id, session.roles))
    });
    Ok(open.collect())
}

/// A session that lets its holder in, unless it lay idle for too long.
struct Open {
    session_id: SessionId,
    actor: Actor,
    organization: Option<Tenant>,
    roles: Roles,
    last_used_at: DateTime<Utc>,
}

impl Found {
    fn issued(&self) -> Result<(SessionId, Issued), Problem> {
        let issued: Value = serde_json::from_str(&self.issued).unwrap_or_default();
        let issued = Issued::deserialize(&issued["SessionIssued"]).ok();
        let session_id = self.state.session_id.parse::<SessionId>().ok();
        session_id.zip(issued).ok_or_else(|| {
            tracing::error!("a session's first event cannot be read");
            Problem::internal()
        })
    }
}

impl State {
    fn judge(
        self,
        (session_id, issued): (SessionId, Issued),
        now: DateTime<Utc>,
    ) -> Result<Open, Refused> {
        let Self { admin, place, era, last_used_at, .. } = self;
        let actor = issued.principal;
        let refused = |problem| Refused { actor: Some(actor), problem };
        let mut current = SessionEra::default();
        if let Some(event) = era {
            current.apply(serde_json::from_str(&event).map_err(|_| Problem::internal())?);
        }
        if !current.admits(session_id, issued.era.unwrap_or(0)) {
            return Err(refused(revoked()));
        }
        if now >= issued.expires_at {
            let problem = Problem::unauthenticated("The session has expired: log in again.");
            return Err(refused(problem.with_rule("SES-05")));
        }
        let roles = match actor.kind {
            // Suspended members keep reading (MEM-05); who may not has no session (MEM-06, SES-11).
            ActorKind::Member => Roles::MEMBER,
            ActorKind::Admin => admin_roles(admin.as_deref().unwrap_or("[]")).map_err(refused)?,
            ActorKind::Guest | ActorKind::System => Roles::NOBODY,
        };
        let organization = match issued.organization_id.zip(place) {
            Some((organization_id, event)) => {
                let mut place = OrganizationMembership::default();
                place.apply(serde_json::from_str(&event).map_err(|_| Problem::internal())?);
                place.role().map(|role| Tenant { organization_id, role })
            }
            None => None,
        };
        let roles = roles.in_person();
        let roles = if organization.is_some() { roles.and(Roles::ORG_USER) } else { roles };
        // A session that was never used is as old as its login.
        let last_used_at = last_used_at.unwrap_or(issued.issued_at);
        Ok(Open { session_id, actor, organization, roles, last_used_at })
    }
}

fn idle() -> Problem {
    Problem::unauthenticated("The session was not used for too long: log in again.")
        .with_rule("SES-10")
}

fn revoked() -> Problem {
    Problem::unauthenticated(
        "The token is not one of a session, or the session was revoked: log in again.",
    )
    .with_rule("SES-04")
}

/// The roles that an admin's events give it now (ADM-04, ADM-06).
fn admin_roles(events: &str) -> Result<Roles, Problem> {
    let events: Vec<Value> = serde_json::from_str(events).unwrap_or_default();
    let mut active = false;
    let mut scopes: Vec<AdminScope> = Vec::new();
    for event in &events {
        let Some((name, content)) = event.as_object().and_then(|event| event.iter().next()) else {
            continue;
        };
        match name.as_str() {
            "AdminCreated" | "AdminReinstated" => active = true,
            "AdminSuspended" | "AdminRetired" | "AdminDeleted" => active = false,
            _ => {}
        }
        if let Some(changed) = content.get("scopes") {
            // A scope that this version does not know gives nothing.
            let known = changed.as_array().into_iter().flatten();
            scopes = known.filter_map(|scope| AdminScope::deserialize(scope).ok()).collect();
        }
    }
    if active {
        Ok(Roles::of_admin(&scopes))
    } else {
        Err(Problem::unauthenticated("The admin is suspended or retired.").with_rule("ADM-04"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn roles(events: &Value) -> Option<Roles> {
        admin_roles(&events.to_string()).ok()
    }

    #[test]
    fn adm_04_only_active_admins_have_roles() {
        let created = json!({"AdminCreated": {"scopes": ["global"]}});
        let suspended = json!({"AdminSuspended": {}});
        let reinstated = json!({"AdminReinstated": {}});
        let retired = json!({"AdminRetired": {}});
        let deleted = json!({"AdminDeleted": {}});
        assert!(roles(&json!([])).is_none());
        let global = Roles::ADMIN.and(Roles::GLOBAL_ADMIN).and(Roles::SECURITY).and(Roles::PRIVACY);
        assert_eq!(roles(&json!([created])), Some(global));
        assert!(roles(&json!([created, suspended])).is_none());
        assert!(roles(&json!([created, suspended, reinstated])).is_some());
        assert!(roles(&json!([created, suspended, reinstated, retired])).is_none());
        assert!(roles(&json!([created, deleted])).is_none());
    }

    #[test]
    fn adm_06_the_last_grant_or_revocation_counts() {
        let created = json!({"AdminCreated": {"scopes": []}});
        let granted = json!({"AdminScopeGranted": {"previous": [], "scopes": ["auditor"]}});
        let revoked = json!({"AdminScopeRevoked": {"previous": ["auditor"], "scopes": []}});
        assert_eq!(roles(&json!([created, granted])), Some(Roles::AUDITOR));
        assert_eq!(roles(&json!([created, granted, revoked])), Some(Roles::ADMIN));
    }
}
