//! `create-service-account`: an admin that is a program. It gets in with a key and cannot log in.

use agora_domain::{
    Actor, PersonalCategory,
    identity::{
        admin::{Admin, AdminCommand, CreateAdmin},
        service_account::{CreateServiceAccount as Create, ServiceAccount, ServiceAccountCommand},
        values::AdminScope,
    },
    ids::{AdminId, ApiKeyId, CredentialId},
    refusal::RuleBreak,
    values::DisplayName,
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    App, Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, List, WrongFields},
    permission::ScopeSchema,
    refusal::CommandError,
    service_accounts::NewKey,
};

/// Makes a service account.
pub struct CreateServiceAccount {
    display_name: DisplayName,
    scopes: Vec<AdminScope>,
    key: Option<NewKey>,
}

/// The body of `create-service-account`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateServiceAccountBody {
    /// What the program is for.
    #[schema(value_type = String, required, max_length = 32)]
    #[serde(default)]
    display_name: Field<DisplayName>,
    /// At least one of global, security, privacy, legal, auditor and ops: an admin without scopes
    /// administers everything, which a program is to be given by name.
    #[schema(value_type = Vec<ScopeSchema>, required, min_items = 1)]
    #[serde(default)]
    scopes: Field<List<AdminScope>>,
}

impl Command for CreateServiceAccount {
    const NAME: &'static str = "create-service-account";
    const SUMMARY: &'static str =
        "Make an admin for a program: returns its key, this once; it has no password and no login";
    const RULES: &'static [&'static str] =
        &["ADM-01", "ADM-02", "ADM-03", "ADM-06", "ADM-07", "MEM-01", "ESX-04"];
    const SECRET_REPLY: bool = true;
    type Body = CreateServiceAccountBody;

    fn parse(body: CreateServiceAccountBody, wrong: &mut WrongFields) -> Option<Self> {
        let display_name = wrong.required("/display_name", body.display_name);
        let mut scopes = wrong.list("/scopes", body.scopes);
        if scopes.as_ref().is_some_and(Vec::is_empty) {
            let none = RuleBreak::new("ADM-06", "must name at least one scope");
            scopes = wrong.note("/scopes", &none);
        }
        Some(Self { display_name: display_name?, scopes: scopes?, key: None })
    }

    async fn prepare(&mut self, _: &App, _: &Caller) -> Result<(), Problem> {
        self.key = Some(NewKey::new()?);
        Ok(())
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let created_by = decision.actor()?;
        let key = self.key.as_ref().ok_or_else(Problem::internal)?;
        let admin_id: AdminId = decision.new_id();
        let credential_id: CredentialId = decision.new_id();
        let key_id: ApiKeyId = decision.new_id();
        let holder = Actor::admin(admin_id);
        let account = decision.begin::<ServiceAccount>(admin_id);
        let create = Create { admin_id, credential_id, key_id, created_by };
        decision.decide_on_target(&account, ServiceAccountCommand::Create(create)).await?;
        let name = self.display_name.clone();
        let create = CreateAdmin {
            admin_id,
            credential_id,
            display_name: Some(decision.personal(holder, PersonalCategory::Identity, name)),
            scopes: self.scopes.clone(),
            created_by,
            // It does not enter the roster: a platform that only programs administer has lost its
            // last admin (ADM-05).
            roster_empty: false,
            credential_holder: holder,
        };
        let admin = decision.begin::<Admin>(admin_id);
        decision.decide(&admin, AdminCommand::Create(create)).await?;
        key.take(decision, admin_id, key_id);
        Ok(Done::of::<ServiceAccount>(admin_id).with_result(json!({
            "admin_id": admin_id,
            "key_id": key_id,
            "key": key.as_str(),
        })))
    }

    fn example() -> Value {
        json!({ "display_name": "nightly checks", "scopes": ["auditor"] })
    }
}
