//! `delete-admin`: the end of an admin's account. Nobody logs in with it again, its address is free
//! for another; its id is never used again.

use agora_domain::{
    Actor,
    identity::{
        admin::{Admin, AdminCommand, ChangeAdminStatus},
        admin_roster::{AdminRoster, AdminRosterCommand, ChangeAdminRoster},
    },
    ids::AdminId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command, accounts, bootstrap,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    permission::not_oneself,
    refusal::CommandError,
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
        &["ADM-05", "CRD-04", "SES-11", "REL-10", "ESX-03", "ESX-04"];
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
        let admin = decision.load::<Admin>(admin_id.to_string()).await?;
        let change = AdminCommand::Delete(ChangeAdminStatus { actor });
        decision.decide_on_target(&admin, change).await?;
        let roster = decision.load::<AdminRoster>(AdminRoster::STREAM_ID).await?;
        let leave = AdminRosterCommand::Leave(ChangeAdminRoster { admin_id });
        decision.decide(&roster, leave).await?;
        not_oneself(decision, admin_id, "ADM-05")?;
        if let Some(credential_id) = admin.state.credential_id()
            && !admin.state.is_deleted()
        {
            accounts::close(decision, Actor::admin(admin_id), credential_id, actor).await?;
        }
        Ok(Done::of::<Admin>(admin_id))
    }

    fn example() -> Value {
        json!({ "admin_id": "01970000-0000-7000-8000-000000000001" })
    }
}
