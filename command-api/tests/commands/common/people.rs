//! Members and admins with a session, made without waiting for Argon2: their passwords are hashed
//! with parameters that a test can afford, and verify all the same.

use std::sync::LazyLock;

use agora_command_api::{
    Command,
    authenticate::{self, SESSION_TOKEN},
    bootstrap::NewAdmin,
    commands::register_member::{EMAIL, NewPassword, RegisterMemberBody},
    decision::{Decision, Done},
    fields::WrongFields,
    refusal::CommandError,
};
use agora_domain::{
    Actor, PersonalCategory,
    identity::{
        admin_roster::AdminRoster,
        credential::{Credential, CredentialCommand, RegisterCredential},
        member::{Member, MemberCommand, RegisterMember},
        password::PasswordHash,
        principal_sessions::{OpenSession, PrincipalSessions, PrincipalSessionsCommand},
        session::{IssueSession, Session, SessionCommand},
        session_era::SessionEra,
        values::AdminScope,
    },
    ids::{AdminId, CredentialId, MemberId, OrganizationId, SessionId},
};
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{World, unique};

pub const PASSWORD: &str = "an uncommon phrase of words";

static HASH: LazyLock<PasswordHash> = LazyLock::new(|| {
    let params = Params::new(16, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(PASSWORD.as_bytes(), &[7; 16]).unwrap();
    hash.to_string().parse().unwrap()
});

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub struct Person {
    pub actor: Actor,
    pub email: String,
    pub token: String,
    pub session_id: String,
}

impl Person {
    pub fn id(&self) -> String {
        self.actor.id.to_string()
    }

    /// The same person with another session.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }
}

impl World {
    pub async fn member(&self) -> Person {
        let email = format!("{}@example.org", unique("member"));
        let reply = self.execute(SeedMember { email: email.clone() }).await;
        let member_id: MemberId = reply.aggregate_id.parse().unwrap();
        self.session(Actor::member(member_id), email).await
    }

    pub async fn members(&self, count: usize) -> Vec<Person> {
        let members = (0..count).map(|_| self.member());
        futures::future::join_all(members).await
    }

    pub async fn admin(&self, scopes: &[AdminScope]) -> Person {
        let email = format!("{}@example.org", unique("admin"));
        let seed = SeedAdmin(NewAdmin {
            email: email.parse().unwrap(),
            password: NewPassword::Hashed(HASH.clone()),
            display_name: None,
            scopes: scopes.to_vec(),
        });
        let reply = self.execute(seed).await;
        let admin_id: AdminId = reply.aggregate_id.parse().unwrap();
        self.session(Actor::admin(admin_id), email).await
    }

    /// One more session of somebody.
    pub async fn session(&self, actor: Actor, email: String) -> Person {
        let seed = SeedSession::new(actor);
        let (token, session_id) = (seed.token.clone(), seed.session_id.to_string());
        self.execute(seed).await;
        Person { actor, email, token, session_id }
    }

    pub async fn another_session(&self, person: &Person) -> Person {
        self.session(person.actor, person.email.clone()).await
    }

    /// A real login; its answer has the token.
    pub async fn log_in(&self, person: &Person) -> Person {
        let body = json!({ "email": person.email, "password": PASSWORD });
        let answer = self.guest("log-in", body).await;
        let (token, session_id) = (answer.result("token"), answer.result("session_id"));
        Person { token, session_id, ..person.clone() }
    }
}

struct SeedMember {
    email: String,
}

impl Command for SeedMember {
    const NAME: &'static str = "seed-member";
    const SUMMARY: &'static str = "";
    const RULES: &'static [&'static str] = &[];
    type Body = RegisterMemberBody;

    fn parse(_: RegisterMemberBody, _: &mut WrongFields) -> Option<Self> {
        None
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let member_id: MemberId = decision.new_id();
        let credential_id: CredentialId = decision.new_id();
        let holder = Actor::member(member_id);
        let email = self.email.parse().unwrap();
        decision.take(EMAIL, decision.app.email_index(&email), credential_id);
        let register = RegisterCredential {
            credential_id,
            holder,
            email: decision.personal(holder, PersonalCategory::Identity, email),
            password_hash: decision.personal(holder, PersonalCategory::Credential, HASH.clone()),
        };
        let credential = decision.begin::<Credential>(credential_id);
        decision.decide(&credential, CredentialCommand::Register(register)).await?;
        let register = RegisterMember {
            member_id,
            credential_id,
            display_name: None,
            credential_holder: holder,
        };
        let member = decision.begin::<Member>(member_id);
        decision.decide(&member, MemberCommand::Register(register)).await?;
        Ok(Done::of::<Member>(member_id))
    }

    fn example() -> Value {
        Value::Null
    }
}

struct SeedAdmin(NewAdmin);

impl Command for SeedAdmin {
    const NAME: &'static str = "seed-admin";
    const SUMMARY: &'static str = "";
    const RULES: &'static [&'static str] = &[];
    type Body = RegisterMemberBody;

    fn parse(_: RegisterMemberBody, _: &mut WrongFields) -> Option<Self> {
        None
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let roster = decision.load::<AdminRoster>(AdminRoster::STREAM_ID).await?;
        let creator = roster.state.active().first().copied().map_or(Actor::SYSTEM, Actor::admin);
        self.0.create(decision, creator).await
    }

    fn example() -> Value {
        Value::Null
    }
}

/// A session without a login, as old and as long as a test wants it.
pub struct SeedSession {
    pub actor: Actor,
    pub token: String,
    pub session_id: SessionId,
    pub expires_at: DateTime<Utc>,
    pub organization_id: Option<OrganizationId>,
}

impl SeedSession {
    pub fn new(actor: Actor) -> Self {
        let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let expires_at = Utc::now() + TimeDelta::days(1);
        let session_id = SessionId(Uuid::now_v7());
        Self { actor, token, session_id, expires_at, organization_id: None }
    }

    /// Of an organization.
    pub fn within(self, organization_id: &str) -> Self {
        Self { organization_id: Some(organization_id.parse().unwrap()), ..self }
    }

    /// Its id says that it is so old.
    pub fn aged(self, age: TimeDelta) -> Self {
        let issued = u64::try_from((Utc::now() - age).timestamp()).unwrap();
        let timestamp = uuid::Timestamp::from_unix(uuid::NoContext, issued, 0);
        Self { session_id: SessionId(Uuid::new_v7(timestamp)), ..self }
    }
}

impl Command for SeedSession {
    const NAME: &'static str = "seed-session";
    const SUMMARY: &'static str = "";
    const RULES: &'static [&'static str] = &[];
    type Body = RegisterMemberBody;

    fn parse(_: RegisterMemberBody, _: &mut WrongFields) -> Option<Self> {
        None
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let Self { actor, session_id, expires_at, .. } = *self;
        let (now, sessions_max) = (decision.now, usize::MAX);
        let list = PrincipalSessions::stream_id(actor);
        let list = decision.load::<PrincipalSessions>(list).await?;
        let open = OpenSession { principal: actor, session_id, expires_at, now, sessions_max };
        decision.decide(&list, PrincipalSessionsCommand::Open(open)).await?;
        let issue = IssueSession {
            session_id,
            principal: actor,
            issued_at: expires_at - TimeDelta::days(1),
            expires_at,
            device_info: None,
            ip_address: None,
            era: decision.load::<SessionEra>(SessionEra::STREAM_ID).await?.state.era(),
            organization_id: self.organization_id,
            principal_may_log_in: true,
        };
        let session = decision.begin::<Session>(session_id);
        decision.decide(&session, SessionCommand::Issue(issue)).await?;
        let key = authenticate::claim_key(&authenticate::hash(&self.token));
        decision.take(SESSION_TOKEN, key, session_id);
        Ok(Done::of::<Session>(session_id))
    }

    fn example() -> Value {
        Value::Null
    }
}
