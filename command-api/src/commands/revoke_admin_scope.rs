//! `revoke-admin-scope`: an admin loses a scope; the event tells all before and after.

use agora_domain::{
    identity::{
        admin::{Admin, AdminCommand, ChangeAdminScope},
        values::AdminScope,
    },
    ids::AdminId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    permission::not_oneself,
    refusal::CommandError,
};

/// Takes a scope from an admin.
pub struct RevokeAdminScope {
    admin_id: AdminId,
    scope: AdminScope,
}

/// The body of `revoke-admin-scope`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeAdminScopeBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    admin_id: Field<AdminId>,
    #[schema(value_type = String, required, example = "auditor",
             pattern = "^(global|security|privacy|legal|auditor|ops)$")]
    #[serde(default)]
    scope: Field<AdminScope>,
}

impl Command for RevokeAdminScope {
    const NAME: &'static str = "revoke-admin-scope";
    const SUMMARY: &'static str = "Take a scope from an admin";
    const RULES: &'static [&'static str] = &["ADM-04", "ADM-06", "REL-10", "ESX-03", "ESX-04"];
    type Body = RevokeAdminScopeBody;

    fn parse(body: RevokeAdminScopeBody, wrong: &mut WrongFields) -> Option<Self> {
        let admin_id = wrong.required("/admin_id", body.admin_id);
        let scope = wrong.required("/scope", body.scope);
        Some(Self { admin_id: admin_id?, scope: scope? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let change = ChangeAdminScope { scope: self.scope, actor: decision.actor()? };
        not_oneself(decision, self.admin_id, "ADM-06")?;
        let admin = decision.load::<Admin>(self.admin_id.to_string()).await?;
        decision.decide_on_target(&admin, AdminCommand::RevokeScope(change)).await?;
        Ok(Done::of::<Admin>(self.admin_id))
    }

    fn example() -> Value {
        json!({ "admin_id": "01970000-0000-7000-8000-000000000001", "scope": "auditor" })
    }
}
