//! `suspend-admin`: an admin may do nothing until it is reinstated; its sessions end.

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
    sessions,
};

/// Suspends an admin.
pub struct SuspendAdmin {
    admin_id: AdminId,
}

/// The body of `suspend-admin`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuspendAdminBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    admin_id: Field<AdminId>,
}

impl Command for SuspendAdmin {
    const NAME: &'static str = "suspend-admin";
    const SUMMARY: &'static str = "Suspend an admin: it is refused at once, and its sessions end";
    const RULES: &'static [&'static str] =
        &["ADM-04", "ADM-05", "SES-11", "REL-10", "ESX-03", "ESX-04"];
    type Body = SuspendAdminBody;

    fn parse(body: SuspendAdminBody, wrong: &mut WrongFields) -> Option<Self> {
        let admin_id = wrong.required("/admin_id", body.admin_id);
        Some(Self { admin_id: admin_id? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(bootstrap::roster_queue())
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let actor = decision.actor()?;
        let admin_id = self.admin_id;
        admins::leaves(decision, admin_id, AdminCommand::Suspend).await?;
        let (principal, cause) = (Actor::admin(admin_id), RevocationCause::PrincipalSuspended);
        sessions::end_all(decision, principal, None, actor, cause).await?;
        Ok(Done::of::<Admin>(admin_id))
    }

    fn example() -> Value {
        json!({ "admin_id": "01970000-0000-7000-8000-000000000001" })
    }
}
