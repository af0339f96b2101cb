//! `log-in`: a new session for whoever knows the password.

use std::{net::IpAddr, sync::Arc};

use agora_domain::{
    Actor, PersonalCategory,
    exports::organization_membership::OrganizationMembership,
    identity::{
        credential::Credential,
        password::PasswordAttempt,
        principal_sessions::{OpenSession, PrincipalSessions, PrincipalSessionsCommand},
        session::{IssueSession, Session, SessionCommand},
        session_era::SessionEra,
        values::{DeviceInfo, RevocationCause},
    },
    ids::{OrganizationId, SessionId},
    site::settings,
    values::Email,
};
use agora_event_store::Loaded;
use agora_service::problem::Problem;
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::{
    App, Command, accounts,
    authenticate::{self, Principal, SESSION_TOKEN},
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::{CommandError, at_once, too_many_failures},
    sessions,
};

pub const NAME: &str = "log-in";

/// Logs in.
pub struct LogIn {
    email: Email,
    password: PasswordAttempt,
    organization_id: Option<OrganizationId>,
    verified: Option<Verified>,
}

/// What `prepare` found out.
struct Verified {
    principal: Actor,
    credential: Loaded<Credential>,
    token: Zeroizing<String>,
}

/// The body of `log-in`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogInBody {
    #[schema(value_type = String, required, format = Email, min_length = 5, max_length = 254)]
    #[serde(default)]
    email: Field<Email>,
    #[schema(value_type = String, required, format = Password, max_length = 1_024)]
    #[serde(default)]
    password: Field<PasswordAttempt>,
    /// The organization in whose name the session acts; one that one is in. It stays so for as long as
    /// the session lives. Absent: in no organization's.
    #[schema(value_type = Option<Uuid>)]
    #[serde(default)]
    organization_id: Field<OrganizationId>,
}

impl Command for LogIn {
    const NAME: &'static str = NAME;
    const SUMMARY: &'static str = "Log in: returns a session's token";
    const RULES: &'static [&'static str] =
        &["CRD-04", "CRD-09", "CRD-12", "SES-03", "SES-07", "SES-09", "ADM-04", "BUF-15", "ESX-04"];
    const SECRET_REPLY: bool = true;
    type Body = LogInBody;

    fn parse(body: LogInBody, wrong: &mut WrongFields) -> Option<Self> {
        let email = wrong.required("/email", body.email);
        let password = wrong.required("/password", body.password);
        let organization_id = wrong.optional("/organization_id", body.organization_id);
        Some(Self {
            email: email?,
            password: password?,
            organization_id: organization_id?,
            verified: None,
        })
    }

    async fn prepare(&mut self, app: &App, caller: &Caller) -> Result<(), Problem> {
        let account = app.email_index(&self.email);
        let network = caller.network();
        if let Some(wait) = app.address_failures.wait(&network) {
            return Err(too_many_failures(wait));
        }
        app.account_failures.begin(&account).map_err(too_many_failures)?;
        let verified = async {
            let credential = credential(app, &self.email).await?;
            let hash = credential.as_ref().and_then(|it| it.state.password_hash().cloned());
            let right = app.hasher.verify(self.password.clone(), hash).await?;
            Ok::<_, Problem>((credential, right))
        };
        let (credential, right) =
            verified.await.inspect_err(|_| app.account_failures.undo(&account))?;
        match credential.and_then(|it| it.state.holder().map(|holder| (it, holder))) {
            Some((credential, principal)) if right => {
                app.account_failures.succeeded(&account);
                let token = authenticate::new_secret()?;
                self.verified = Some(Verified { principal, credential, token });
                Ok(())
            }
            _ => {
                app.address_failures.failed(&network);
                Err(wrong_login())
            }
        }
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        self.verified.as_ref().map(|verified| sessions::queue(verified.principal))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let Some(Verified { principal, credential, token }) = &self.verified else {
            return Err(Problem::internal().into());
        };
        let principal = *principal;
        decision.is_sent_by(principal);
        // A password that was changed meanwhile is no longer the one that was verified.
        let current = decision.load::<Credential>(&*credential.stream.aggregate_id).await?;
        if current.sequence != credential.sequence {
            return Err(wrong_login().into());
        }
        if let Some(organization_id) = self.organization_id {
            require_place(decision, organization_id, principal).await?;
        }
        let session_id: SessionId = decision.new_id();
        let lifetime = i64::from(decision.app.settings.session_lifetime_seconds);
        let expires_at = decision.now + TimeDelta::seconds(lifetime);
        let may_log_in = accounts::may_log_in(decision, principal).await?;
        make_room(decision, principal, session_id, expires_at).await?;
        let era = decision.load::<SessionEra>(SessionEra::STREAM_ID).await?.state.era();
        let network = PersonalCategory::Network;
        let address: Option<IpAddr> =
            decision.caller.address.as_ref().and_then(|(_, address)| address.parse().ok());
        let device = decision.caller.user_agent.as_deref().map(DeviceInfo::from);
        let issue = IssueSession {
            session_id,
            principal,
            issued_at: decision.now,
            expires_at,
            device_info: device.map(|device| decision.personal(principal, network, device)),
            ip_address: address.map(|address| decision.personal(principal, network, address)),
            era,
            organization_id: self.organization_id,
            principal_may_log_in: may_log_in,
        };
        let session = decision.begin::<Session>(session_id);
        decision.decide_on_target(&session, SessionCommand::Issue(issue)).await?;
        let key = authenticate::claim_key(&authenticate::hash(token));
        decision.take(SESSION_TOKEN, key, session_id);
        Ok(Done::of::<Session>(session_id).with_result(json!({
            "token": token.as_str(),
            "expires_at": agora_event_store::read::rfc3339_micros(expires_at),
            "session_id": session_id,
            "organization_id": self.organization_id,
            "principal": { "kind": principal.kind, "id": principal.id },
        })))
    }

    fn example() -> Value {
        json!({ "email": "ola@example.org", "password": "an uncommon phrase of words" })
    }
}

/// The same words whether there is an account or not (CRD-09).
fn wrong_login() -> Problem {
    Problem::unauthenticated("The e-mail address or the password is wrong.").with_rule("CRD-09")
}

async fn credential(app: &App, email: &Email) -> Result<Option<Loaded<Credential>>, Problem> {
    let Some(id) = app.credential_of(email).await? else { return Ok(None) };
    let loaded = app.log.load::<Credential>(&id.to_string()).await;
    loaded.map(Some).map_err(|error| at_once(error.into()))
}

/// Refuses an organization that the principal is not in. It is not looked up itself: that there is one
/// of this id must not be told to who is not in it (BUF-15).
async fn require_place(
    decision: &mut Decision<'_>,
    organization_id: OrganizationId,
    principal: Actor,
) -> Result<(), CommandError> {
    let id = OrganizationMembership::stream_id(organization_id, principal);
    let membership = decision.load::<OrganizationMembership>(id).await?;
    if membership.state.role().is_some() {
        return Ok(());
    }
    Err(Problem::not_found("There is no organization of this id that you are in.")
        .with_rule("BUF-15")
        .into())
}

/// Opens a place in the principal's list; the sessions that have to go for it are revoked, and so
/// is the one that the login was sent with (SES-07, SES-09).
async fn make_room(
    decision: &mut Decision<'_>,
    principal: Actor,
    session_id: SessionId,
    expires_at: chrono::DateTime<chrono::Utc>,
) -> Result<(), CommandError> {
    let configured = decision.number(&settings::MAX_CONCURRENT_SESSIONS).await?;
    let sessions_max = configured.unwrap_or(decision.app.settings.sessions_max);
    let now = decision.now;
    let mut list =
        decision.load::<PrincipalSessions>(PrincipalSessions::stream_id(principal)).await?;
    let replaced = decision
        .caller
        .principal
        .as_ref()
        .filter(|sender| sender.actor == principal)
        .and_then(Principal::session_id);
    if let Some(replaced) = replaced {
        list.state = Arc::new(list.state.without(replaced));
    }
    let superseded = list.state.superseded(now, sessions_max);
    for session_id in superseded.into_iter().chain(replaced) {
        sessions::revoke(decision, session_id, principal, RevocationCause::Superseded).await?;
    }
    let open = OpenSession { principal, session_id, expires_at, now, sessions_max };
    decision.decide(&list, PrincipalSessionsCommand::Open(open)).await
}
