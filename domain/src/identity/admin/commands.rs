//! What can be asked of an admin.

use crate::{
    actor::Actor,
    identity::values::AdminScope,
    ids::{AdminId, CredentialId},
    personal::Personal,
    values::DisplayName,
};

#[derive(Clone, Debug, PartialEq)]
pub enum AdminCommand {
    Create(CreateAdmin),
    ChangeDisplayName(ChangeAdminDisplayName),
    Suspend(ChangeAdminStatus),
    Reinstate(ChangeAdminStatus),
    Retire(ChangeAdminStatus),
    Delete(ChangeAdminStatus),
    GrantScope(ChangeAdminScope),
    RevokeScope(ChangeAdminScope),
}

#[derive(Clone, Debug, PartialEq)]
pub struct CreateAdmin {
    pub admin_id: AdminId,
    pub credential_id: CredentialId,
    pub display_name: Option<Personal<DisplayName>>,
    pub scopes: Vec<AdminScope>,
    /// An active admin, or the platform itself for the first.
    pub created_by: Actor,
    /// What the decision needs to know of the roster and of the credential.
    pub roster_empty: bool,
    pub credential_holder: Actor,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ChangeAdminDisplayName {
    pub display_name: Option<Personal<DisplayName>>,
}

/// Suspends, reinstates, retires or deletes.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeAdminStatus {
    pub actor: Actor,
}

/// Grants or revokes.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeAdminScope {
    pub scope: AdminScope,
    pub actor: Actor,
}
