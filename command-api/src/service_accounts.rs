//! The keys of service accounts (ADM-07): made, given out once, taken back.

use agora_domain::{
    Actor,
    identity::service_account::{RevokeKey, ServiceAccount, ServiceAccountCommand},
    ids::{AdminId, ApiKeyId},
};
use agora_event_store::Loaded;
use agora_service::problem::Problem;
use zeroize::Zeroizing;

use crate::{
    authenticate::{self, API_KEY, API_KEY_PREFIX},
    decision::Decision,
    refusal::CommandError,
};

/// A key that nobody has yet.
pub struct NewKey(Zeroizing<String>);

impl NewKey {
    pub fn new() -> Result<Self, Problem> {
        let secret = authenticate::new_secret()?;
        Ok(Self(Zeroizing::new(format!("{API_KEY_PREFIX}{}", secret.as_str()))))
    }

    /// Lets the key in. Only its hash is kept.
    pub fn take(&self, decision: &mut Decision<'_>, admin_id: AdminId, key_id: ApiKeyId) {
        let key = authenticate::claim_key(&authenticate::hash(&self.0));
        decision.take(API_KEY, key, authenticate::api_key_claim(admin_id, key_id));
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where commands about one account's key wait for each other.
pub fn queue(admin_id: AdminId) -> String {
    format!("service_account/{admin_id}")
}

/// Lets the account's present key in no longer.
pub fn release_key(decision: &mut Decision<'_>, admin_id: AdminId, account: &ServiceAccount) {
    if let Some(key_id) = account.key_id() {
        decision.release(API_KEY, authenticate::api_key_claim(admin_id, key_id));
    }
}

/// The key of an account whose time is over ends with it; other admins have none.
pub async fn end_key(
    decision: &mut Decision<'_>,
    admin_id: AdminId,
    revoked_by: Actor,
) -> Result<(), CommandError> {
    let account: Loaded<ServiceAccount> = decision.load(admin_id.to_string()).await?;
    if account.state.key_id().is_none() {
        return Ok(());
    }
    let revoke = ServiceAccountCommand::RevokeKey(RevokeKey { revoked_by });
    decision.decide(&account, revoke).await?;
    release_key(decision, admin_id, &account.state);
    Ok(())
}
