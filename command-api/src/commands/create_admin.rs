//! `create-admin`: makes another admin, with a credential of its own.

use agora_domain::{
    identity::values::AdminScope,
    values::{DisplayName, Email},
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::register_member::{NewPassword, PasswordText};
use crate::{
    App, Command,
    bootstrap::{self, NewAdmin},
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, List, WrongFields},
    permission::ScopeSchema,
    refusal::CommandError,
};

/// Makes an admin.
pub struct CreateAdmin(NewAdmin);

/// The body of `create-admin`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAdminBody {
    /// Unique up to case, also among members.
    #[schema(value_type = String, required, format = Email, min_length = 5, max_length = 254)]
    #[serde(default)]
    email: Field<Email>,
    /// At least 12 characters (configurable), any characters, none of the common ones.
    #[schema(value_type = String, required, format = Password, min_length = 8, max_length = 1_024)]
    #[serde(default)]
    password: Field<PasswordText>,
    #[schema(value_type = Option<String>, max_length = 32)]
    #[serde(default)]
    display_name: Field<DisplayName>,
    /// global, security, privacy, legal, auditor or ops. With `auditor` or `ops` alone the admin
    /// administers nothing.
    #[schema(value_type = Option<Vec<ScopeSchema>>)]
    #[serde(default)]
    scopes: Field<List<AdminScope>>,
}

impl Command for CreateAdmin {
    const NAME: &'static str = "create-admin";
    const SUMMARY: &'static str = "Make another admin";
    const RULES: &'static [&'static str] =
        &["ADM-01", "ADM-02", "ADM-06", "CRD-01", "CRD-06", "CRD-07", "CRD-08", "MEM-01", "ESX-04"];
    type Body = CreateAdminBody;

    fn parse(body: CreateAdminBody, wrong: &mut WrongFields) -> Option<Self> {
        let email = wrong.required("/email", body.email);
        let password = wrong.required("/password", body.password);
        let display_name = wrong.optional("/display_name", body.display_name);
        let scopes = match body.scopes {
            Field::Missing | Field::Null => Some(Vec::new()),
            given => wrong.list("/scopes", given),
        };
        Some(Self(NewAdmin {
            email: email?,
            password: NewPassword::Given(password?.0),
            display_name: display_name?,
            scopes: scopes?,
        }))
    }

    async fn prepare(&mut self, app: &App, _: &Caller) -> Result<(), Problem> {
        self.0.password.hash(app, "/password").await
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(bootstrap::roster_queue())
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let creator = decision.actor()?;
        self.0.create(decision, creator).await
    }

    fn example() -> Value {
        json!({
            "email": "kari@example.org",
            "password": "an uncommon phrase of words",
            "display_name": "Kari",
            "scopes": ["auditor"],
        })
    }
}
