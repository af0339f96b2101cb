//! `reinstate-admin`: a suspended admin may work again.

use agora_domain::{
    identity::{
        admin::{Admin, AdminCommand, ChangeAdminStatus},
        admin_roster::{AdminRoster, AdminRosterCommand, ChangeAdminRoster},
        service_account::ServiceAccount,
    },
    ids::AdminId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command, bootstrap,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::CommandError,
};

/// Reinstates an admin.
pub struct ReinstateAdmin {
    admin_id: AdminId,
}

/// The body of `reinstate-admin`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReinstateAdminBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    admin_id: Field<AdminId>,
}

impl Command for ReinstateAdmin {
    const NAME: &'static str = "reinstate-admin";
    const SUMMARY: &'static str = "Let a suspended admin back in";
    const RULES: &'static [&'static str] = &["ADM-04", "ADM-05", "REL-10", "ESX-03", "ESX-04"];
    type Body = ReinstateAdminBody;

    fn parse(body: ReinstateAdminBody, wrong: &mut WrongFields) -> Option<Self> {
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
        let change = AdminCommand::Reinstate(ChangeAdminStatus { actor });
        decision.decide_on_target(&admin, change).await?;
        // Programs are not in the roster: they do not count as the last admin.
        if !decision.load::<ServiceAccount>(admin_id.to_string()).await?.state.exists() {
            let roster = decision.load::<AdminRoster>(AdminRoster::STREAM_ID).await?;
            let enter = AdminRosterCommand::Enter(ChangeAdminRoster { admin_id });
            decision.decide(&roster, enter).await?;
        }
        Ok(Done::of::<Admin>(admin_id))
    }

    fn example() -> Value {
        json!({ "admin_id": "01970000-0000-7000-8000-000000000001" })
    }
}
