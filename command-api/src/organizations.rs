//! What several commands ask of the organization that their sender acts for.

use agora_domain::{
    Actor, exports::organization_membership::Tenant, identity::service_account::ServiceAccount,
    ids::OrganizationId,
};
use agora_service::problem::Problem;

use crate::{accounts, decision::Decision, refusal::CommandError};

/// The organization that the sender's session carries.
pub fn own(decision: &Decision<'_>) -> Option<Tenant> {
    decision.caller.principal.as_ref().and_then(|principal| principal.organization)
}

/// As [`own`], which the permission matrix asks for already.
///
/// # Errors
/// 403 where there is none.
pub fn tenant(decision: &Decision<'_>) -> Result<Tenant, CommandError> {
    own(decision).ok_or_else(|| {
        let detail = "Your session is of no organization: send log-in with organization_id.";
        Problem::forbidden(detail).with_rule("ROL-01").into()
    })
}

/// As [`tenant`], for what only a reporter may do.
///
/// # Errors
/// 403 for readers.
pub fn reporter(decision: &Decision<'_>) -> Result<OrganizationId, CommandError> {
    let tenant = tenant(decision)?;
    if tenant.role.writes() {
        return Ok(tenant.organization_id);
    }
    let detail = "You are a reader in this organization: only its reporters may do this.";
    Err(Problem::forbidden(detail).with_rule("ROL-01").into())
}

/// Whether somebody could ever log in with an organization: a person whose account holds.
pub async fn may_be_in_one(
    decision: &mut Decision<'_>,
    principal: Actor,
) -> Result<bool, CommandError> {
    if !accounts::may_log_in(decision, principal).await? {
        return Ok(false);
    }
    // A program has a key and no session that could carry an organization (ADM-07).
    let program = decision.load::<ServiceAccount>(principal.id.to_string()).await?;
    Ok(!program.state.exists())
}
