//! `retire-admin`: an admin's time is over, for good; its sessions end, and a service account's key.

use agora_domain::{
    Actor,
    identity::{
        admin::{Admin, AdminCommand},
        values::RevocationCause,
    },
    ids::AdminId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command, admins, bootstrap,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::CommandError,
    service_accounts, sessions,
};

/// Retires an admin.
pub struct RetireAdmin {
    admin_id: AdminId,
}

/// The body of `retire-admin`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetireAdminBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    admin_id: Field<AdminId>,
}

impl Command for RetireAdmin {
    const NAME: &'static str = "retire-admin";
    const SUMMARY: &'static str =
        "Retire an admin for good; its sessions end, and a service account's key";
    const RULES: &'static [&'static str] =
        &["ADM-04", "ADM-05", "ADM-07", "SES-11", "REL-10", "ESX-03", "ESX-04"];
    type Body = RetireAdminBody;

    fn parse(body: RetireAdminBody, wrong: &mut WrongFields) -> Option<Self> {
        let admin_id = wrong.required("/admin_id", body.admin_id);
        Some(Self { admin_id: admin_id? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(bootstrap::roster_queue())
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let actor = decision.actor()?;
        let admin_id = self.admin_id;
        admins::leaves(decision, admin_id, AdminCommand::Retire).await?;
        let (principal, cause) = (Actor::admin(admin_id), RevocationCause::PrincipalRetired);
        sessions::end_all(decision, principal, None, actor, cause).await?;
        service_accounts::end_key(decision, admin_id, actor).await?;
        Ok(Done::of::<Admin>(admin_id))
    }

    fn example() -> Value {
        json!({ "admin_id": "01970000-0000-7000-8000-000000000001" })
    }
}
