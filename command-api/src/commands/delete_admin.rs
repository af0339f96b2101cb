//! `delete-admin`: the end of an admin's account. Nobody logs in with it again, its address is free
//! for another; its id is never used again.

use agora_domain::{
    Actor,
    identity::{
        admin::{Admin, AdminCommand},
        service_account::ServiceAccount,
    },
    ids::AdminId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command, accounts, admins, bootstrap,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::CommandError,
    service_accounts,
};

/// Deletes an admin.
pub struct DeleteAdmin {
    admin_id: AdminId,
}

/// The body of `delete-admin`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteAdminBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    admin_id: Field<AdminId>,
}

impl Command for DeleteAdmin {
    const NAME: &'static str = "delete-admin";
    const SUMMARY: &'static str = "Delete an admin; nobody logs in as it again";
    const RULES: &'static [&'static str] =
        &["ADM-05", "ADM-07", "CRD-04", "SES-11", "REL-10", "ESX-03", "ESX-04"];
    type Body = DeleteAdminBody;

    fn parse(body: DeleteAdminBody, wrong: &mut WrongFields) -> Option<Self> {
        let admin_id = wrong.required("/admin_id", body.admin_id);
        Some(Self { admin_id: admin_id? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(bootstrap::roster_queue())
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let actor = decision.actor()?;
        let admin_id = self.admin_id;
        let admin = admins::leaves(decision, admin_id, AdminCommand::Delete).await?;
        service_accounts::end_key(decision, admin_id, actor).await?;
        let is_program =
            decision.load::<ServiceAccount>(admin_id.to_string()).await?.state.exists();
        // A service account has a key instead of a credential and sessions (ADM-07).
        if let Some(credential_id) = admin.state.credential_id()
            && !admin.state.is_deleted()
            && !is_program
        {
            accounts::close(decision, Actor::admin(admin_id), credential_id, actor).await?;
        }
        Ok(Done::of::<Admin>(admin_id))
    }

    fn example() -> Value {
        json!({ "admin_id": "01970000-0000-7000-8000-000000000001" })
    }
}
