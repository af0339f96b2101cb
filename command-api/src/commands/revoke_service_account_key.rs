//! `revoke-service-account-key`: a service account's key lets nobody in any more.

use agora_domain::{
    identity::service_account::{RevokeKey, ServiceAccount, ServiceAccountCommand},
    ids::AdminId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::CommandError,
    service_accounts,
};

/// Revokes a key.
pub struct RevokeServiceAccountKey {
    admin_id: AdminId,
}

/// The body of `revoke-service-account-key`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeServiceAccountKeyBody {
    /// The service account: the admin that it is.
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    admin_id: Field<AdminId>,
}

impl Command for RevokeServiceAccountKey {
    const NAME: &'static str = "revoke-service-account-key";
    const SUMMARY: &'static str =
        "End a service account's key; rotation gives it another, retire-admin ends the account";
    const RULES: &'static [&'static str] = &["ADM-07", "REL-10", "ESX-03", "ESX-04"];
    type Body = RevokeServiceAccountKeyBody;

    fn parse(body: RevokeServiceAccountKeyBody, wrong: &mut WrongFields) -> Option<Self> {
        let admin_id = wrong.required("/admin_id", body.admin_id);
        Some(Self { admin_id: admin_id? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(service_accounts::queue(self.admin_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let revoked_by = decision.actor()?;
        let admin_id = self.admin_id;
        let account = decision.load::<ServiceAccount>(admin_id.to_string()).await?;
        let revoke = ServiceAccountCommand::RevokeKey(RevokeKey { revoked_by });
        decision.decide_on_target(&account, revoke).await?;
        service_accounts::release_key(decision, admin_id, &account.state);
        Ok(Done::of::<ServiceAccount>(admin_id))
    }

    fn example() -> Value {
        json!({ "admin_id": "01970000-0000-7000-8000-000000000001" })
    }
}
