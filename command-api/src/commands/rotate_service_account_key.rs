//! `rotate-service-account-key`: another key for a service account; the one before ends with it.

use agora_domain::{
    identity::{
        admin::{Admin, AdminStatus},
        service_account::{RotateKey, ServiceAccount, ServiceAccountCommand},
    },
    ids::{AdminId, ApiKeyId},
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    App, Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::CommandError,
    service_accounts::{self, NewKey},
};

/// Rotates a key.
pub struct RotateServiceAccountKey {
    admin_id: AdminId,
    key: Option<NewKey>,
}

/// The body of `rotate-service-account-key`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateServiceAccountKeyBody {
    /// The service account: the admin that it is.
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    admin_id: Field<AdminId>,
}

impl Command for RotateServiceAccountKey {
    const NAME: &'static str = "rotate-service-account-key";
    const SUMMARY: &'static str =
        "Give a service account another key, returned this once; the one before ends";
    const RULES: &'static [&'static str] = &["ADM-04", "ADM-07", "REL-10", "ESX-03", "ESX-04"];
    const SECRET_REPLY: bool = true;
    type Body = RotateServiceAccountKeyBody;

    fn parse(body: RotateServiceAccountKeyBody, wrong: &mut WrongFields) -> Option<Self> {
        let admin_id = wrong.required("/admin_id", body.admin_id);
        Some(Self { admin_id: admin_id?, key: None })
    }

    async fn prepare(&mut self, _: &App, _: &Caller) -> Result<(), Problem> {
        self.key = Some(NewKey::new()?);
        Ok(())
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(service_accounts::queue(self.admin_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let rotated_by = decision.actor()?;
        let (admin_id, key_id) = (self.admin_id, decision.new_id::<ApiKeyId>());
        let key = self.key.as_ref().ok_or_else(Problem::internal)?;
        let account = decision.load::<ServiceAccount>(admin_id.to_string()).await?;
        let admin = decision.load::<Admin>(admin_id.to_string()).await?;
        let is_retired = admin.state.status() == Some(AdminStatus::Retired);
        let rotate = RotateKey { key_id, rotated_by, is_retired };
        decision.decide_on_target(&account, ServiceAccountCommand::RotateKey(rotate)).await?;
        service_accounts::release_key(decision, admin_id, &account.state);
        key.take(decision, admin_id, key_id);
        Ok(Done::of::<ServiceAccount>(admin_id).with_result(json!({
            "admin_id": admin_id,
            "key_id": key_id,
            "key": key.as_str(),
        })))
    }

    fn example() -> Value {
        json!({ "admin_id": "01970000-0000-7000-8000-000000000001" })
    }
}
