//! The first admin, made by an operator, and only while there is none (ADM-01).

use agora_domain::{
    Actor, PersonalCategory,
    identity::{
        admin::{Admin, AdminCommand, CreateAdmin},
        admin_roster::{AdminRoster, AdminRosterCommand, ChangeAdminRoster},
        credential::{Credential, CredentialCommand, RegisterCredential},
        values::AdminScope,
    },
    ids::{AdminId, CredentialId},
    values::{DisplayName, Email},
};
use agora_service::problem::Problem;
use serde_json::{Value, json};

use crate::{
    App, Command,
    commands::register_member::{EMAIL, NewPassword, RegisterMemberBody},
    decision::{Decision, Done},
    execute::Caller,
    fields::WrongFields,
    refusal::CommandError,
};

/// Where commands that change who is an active admin wait for each other.
pub fn roster_queue() -> String {
    "admin_roster".to_owned()
}

/// What makes an admin, whoever asks for it.
pub struct NewAdmin {
    pub email: Email,
    pub password: NewPassword,
    pub display_name: Option<DisplayName>,
    pub scopes: Vec<AdminScope>,
}

impl NewAdmin {
    /// The admin, its credential, and its place among the active ones.
    pub async fn create(
        &self,
        decision: &mut Decision<'_>,
        created_by: Actor,
    ) -> Result<Done, CommandError> {
        let admin_id: AdminId = decision.new_id();
        let credential_id: CredentialId = decision.new_id();
        let holder = Actor::admin(admin_id);
        let identity = PersonalCategory::Identity;
        let register = RegisterCredential {
            credential_id,
            holder,
            email: decision.personal(holder, identity, self.email.clone()),
            password_hash: decision.personal(
                holder,
                PersonalCategory::Credential,
                self.password.hashed()?,
            ),
        };
        let credential = decision.begin::<Credential>(credential_id);
        decision.decide(&credential, CredentialCommand::Register(register)).await?;
        let roster = decision.load::<AdminRoster>(AdminRoster::STREAM_ID).await?;
        let create = CreateAdmin {
            admin_id,
            credential_id,
            display_name: self
                .display_name
                .clone()
                .map(|name| decision.personal(holder, identity, name)),
            scopes: self.scopes.clone(),
            created_by,
            roster_empty: roster.state.is_empty(),
            credential_holder: holder,
        };
        let admin = decision.begin::<Admin>(admin_id);
        decision.decide_on_target(&admin, AdminCommand::Create(create)).await?;
        let enter = AdminRosterCommand::Enter(ChangeAdminRoster { admin_id });
        decision.decide(&roster, enter).await?;
        decision.take(EMAIL, decision.app.email_index(&self.email), credential_id);
        Ok(Done::of::<Admin>(admin_id))
    }
}

/// The operator's command; it has no route.
pub struct BootstrapAdmin(pub NewAdmin);

impl Command for BootstrapAdmin {
    const NAME: &'static str = "bootstrap-admin";
    const SUMMARY: &'static str = "Make the first admin";
    const RULES: &'static [&'static str] = &["ADM-01"];
    type Body = RegisterMemberBody;

    /// There is no route, so no body either.
    fn parse(_: RegisterMemberBody, _: &mut WrongFields) -> Option<Self> {
        None
    }

    async fn prepare(&mut self, app: &App, _: &Caller) -> Result<(), Problem> {
        self.0.password.hash(app, "/password").await
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        self.0.create(decision, Actor::SYSTEM).await
    }

    fn example() -> Value {
        json!({})
    }
}
