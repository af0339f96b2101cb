//! A platform administrator (E08). Never a member made into one (ADM-02).
//!
//! Life cycle: created by another admin, the first by the platform itself (ADM-01) → active ⇄
//! suspended → retired, which is the end; any of them → deleted: retired, and its credential is no
//! more. Scopes are granted and revoked one at a time, each with
//! what they were before (ADM-06). That one admin stays active is the roster's rule (ADM-05): who
//! suspends, reinstates or retires changes [`AdminRoster`](super::admin_roster) in the same unit.

mod commands;

use serde::{Deserialize, Serialize};

use crate::{
    actor::{Actor, ActorKind},
    aggregate::{Decide, aggregate, domain_event},
    changes::{self, CARETAKERS_CHANGES_MAX, CHANGES_MAX, ChangedTooOften},
    identity::values::AdminScope,
    ids::{AdminId, CredentialId},
    personal::Personal,
    refusal::{Refusal, RefusalKind},
    values::DisplayName,
};

pub use commands::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminStatus {
    Active,
    Suspended,
    Retired,
}

impl AdminStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Retired => "retired",
        }
    }
}

/// An admin as the log tells it. `Default` is the admin that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Admin {
    created: Option<Created>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Created {
    credential_id: CredentialId,
    display_name: Option<Personal<DisplayName>>,
    /// Sorted, each once.
    scopes: Vec<AdminScope>,
    status: AdminStatus,
    deleted: bool,
    /// Events since its creation.
    changes: u32,
}

impl Admin {
    pub fn exists(&self) -> bool {
        self.created.is_some()
    }

    pub fn status(&self) -> Option<AdminStatus> {
        self.created.as_ref().map(|admin| admin.status)
    }

    pub fn is_active(&self) -> bool {
        self.status() == Some(AdminStatus::Active)
    }

    pub fn is_deleted(&self) -> bool {
        self.created.as_ref().is_some_and(|admin| admin.deleted)
    }

    pub fn credential_id(&self) -> Option<CredentialId> {
        self.created.as_ref().map(|admin| admin.credential_id)
    }

    pub fn display_name(&self) -> Option<&Personal<DisplayName>> {
        self.created.as_ref().and_then(|admin| admin.display_name.as_ref())
    }

    pub fn scopes(&self) -> &[AdminScope] {
        self.created.as_ref().map_or(&[], |admin| &admin.scopes)
    }

    pub fn has_scope(&self, scope: AdminScope) -> bool {
        self.scopes().contains(&scope)
    }

    /// What every request of an admin asks first (ADM-04).
    pub fn require_active(&self) -> Result<(), AdminError> {
        match self.status() {
            None => Err(AdminError::NotFound),
            Some(AdminStatus::Active) => Ok(()),
            Some(AdminStatus::Suspended | AdminStatus::Retired) => Err(AdminError::NotActive),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AdminEvent {
    AdminCreated {
        admin_id: AdminId,
        credential_id: CredentialId,
        display_name: Option<Personal<DisplayName>>,
        scopes: Vec<AdminScope>,
        created_by: Actor,
    },
    AdminDisplayNameChanged {
        display_name: Option<Personal<DisplayName>>,
    },
    AdminSuspended {
        suspended_by: Actor,
    },
    AdminReinstated {
        reinstated_by: Actor,
    },
    AdminRetired {
        retired_by: Actor,
    },
    /// Who is deleted is retired as well, if it was not.
    AdminDeleted {
        deleted_by: Actor,
    },
    /// All scopes before and after (ADM-06).
    AdminScopeGranted {
        scope: AdminScope,
        granted_by: Actor,
        previous: Vec<AdminScope>,
        scopes: Vec<AdminScope>,
    },
    AdminScopeRevoked {
        scope: AdminScope,
        revoked_by: Actor,
        previous: Vec<AdminScope>,
        scopes: Vec<AdminScope>,
    },
}

domain_event!(AdminEvent {
    AdminCreated => "1",
    AdminDisplayNameChanged => "1",
    AdminSuspended => "1",
    AdminReinstated => "1",
    AdminRetired => "1",
    AdminDeleted => "1",
    AdminScopeGranted => "1",
    AdminScopeRevoked => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AdminError {
    #[error("there is already an admin of this id")]
    AlreadyExists,
    #[error("there is no such admin")]
    NotFound,
    #[error("only an admin may create another")]
    CreatorIsNoAdmin,
    #[error("there is already an admin: let it create the others")]
    AlreadyBootstrapped,
    #[error("the credential belongs to somebody else")]
    CredentialOfAnother,
    #[error("the admin is suspended or retired")]
    NotActive,
    #[error("the admin is retired for good: create another")]
    Retired,
    #[error(
        "an admin without scopes administers everything, so the last scope stays: grant another \
         first, or retire the admin"
    )]
    LastScope,
    #[error("the admin was changed too often to be changed once more; it can be retired")]
    ChangedTooOften,
}

impl Refusal for AdminError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists | Self::NotFound => "REL-10",
            Self::CreatorIsNoAdmin | Self::AlreadyBootstrapped => "ADM-01",
            Self::CredentialOfAnother => "ADM-02",
            Self::NotActive | Self::Retired => "ADM-04",
            Self::LastScope | Self::ChangedTooOften => "ADM-06",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyExists | Self::AlreadyBootstrapped | Self::Retired | Self::LastScope => {
                RefusalKind::Conflict
            }
            Self::NotFound => RefusalKind::NotFound,
            Self::CreatorIsNoAdmin | Self::CredentialOfAnother | Self::NotActive => {
                RefusalKind::Forbidden
            }
            Self::ChangedTooOften => RefusalKind::Invalid,
        }
    }
}

impl From<ChangedTooOften> for AdminError {
    fn from(_: ChangedTooOften) -> Self {
        Self::ChangedTooOften
    }
}

aggregate!(Admin, "admin", AdminCommand, AdminEvent, AdminError);

impl Decide for Admin {
    fn decide(&self, command: AdminCommand) -> Result<Vec<AdminEvent>, AdminError> {
        match command {
            AdminCommand::Create(command) => create(self, command),
            AdminCommand::ChangeDisplayName(command) => change_display_name(self, command),
            AdminCommand::Suspend(command) => suspend(self, command),
            AdminCommand::Reinstate(command) => reinstate(self, command),
            AdminCommand::Retire(command) => retire(self, command),
            AdminCommand::Delete(command) => delete(self, command),
            AdminCommand::GrantScope(command) => grant_scope(self, command),
            AdminCommand::RevokeScope(command) => revoke_scope(self, command),
        }
    }
}

fn create(admin: &Admin, command: CreateAdmin) -> Result<Vec<AdminEvent>, AdminError> {
    if admin.exists() {
        return Err(AdminError::AlreadyExists);
    }
    match command.created_by.kind {
        ActorKind::Admin => {}
        ActorKind::System if command.roster_empty => {}
        ActorKind::System => return Err(AdminError::AlreadyBootstrapped),
        ActorKind::Member | ActorKind::Guest => return Err(AdminError::CreatorIsNoAdmin),
    }
    if command.credential_holder != Actor::admin(command.admin_id) {
        return Err(AdminError::CredentialOfAnother);
    }
    let mut scopes = command.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    Ok(vec![AdminEvent::AdminCreated {
        admin_id: command.admin_id,
        credential_id: command.credential_id,
        display_name: command.display_name,
        scopes,
        created_by: command.created_by,
    }])
}

fn change_display_name(
    admin: &Admin,
    command: ChangeAdminDisplayName,
) -> Result<Vec<AdminEvent>, AdminError> {
    admin.require_active()?;
    if command.display_name.as_ref() == admin.display_name() {
        return Ok(Vec::new());
    }
    changes::room(admin.changes(), CHANGES_MAX)?;
    Ok(vec![AdminEvent::AdminDisplayNameChanged { display_name: command.display_name }])
}

fn suspend(admin: &Admin, command: ChangeAdminStatus) -> Result<Vec<AdminEvent>, AdminError> {
    match admin.status().ok_or(AdminError::NotFound)? {
        AdminStatus::Active => Ok(vec![AdminEvent::AdminSuspended { suspended_by: command.actor }]),
        AdminStatus::Suspended => Ok(Vec::new()),
        AdminStatus::Retired => Err(AdminError::Retired),
    }
}

fn reinstate(admin: &Admin, command: ChangeAdminStatus) -> Result<Vec<AdminEvent>, AdminError> {
    match admin.status().ok_or(AdminError::NotFound)? {
        AdminStatus::Active => Ok(Vec::new()),
        AdminStatus::Suspended => {
            changes::room(admin.changes(), CARETAKERS_CHANGES_MAX)?;
            Ok(vec![AdminEvent::AdminReinstated { reinstated_by: command.actor }])
        }
        AdminStatus::Retired => Err(AdminError::Retired),
    }
}

fn retire(admin: &Admin, command: ChangeAdminStatus) -> Result<Vec<AdminEvent>, AdminError> {
    match admin.status().ok_or(AdminError::NotFound)? {
        AdminStatus::Active | AdminStatus::Suspended => {
            Ok(vec![AdminEvent::AdminRetired { retired_by: command.actor }])
        }
        AdminStatus::Retired => Ok(Vec::new()),
    }
}

fn delete(admin: &Admin, command: ChangeAdminStatus) -> Result<Vec<AdminEvent>, AdminError> {
    if admin.created.as_ref().ok_or(AdminError::NotFound)?.deleted {
        return Ok(Vec::new());
    }
    Ok(vec![AdminEvent::AdminDeleted { deleted_by: command.actor }])
}

fn grant_scope(admin: &Admin, command: ChangeAdminScope) -> Result<Vec<AdminEvent>, AdminError> {
    let current = not_retired(admin)?;
    if current.scopes.contains(&command.scope) {
        return Ok(Vec::new());
    }
    changes::room(current.changes, CARETAKERS_CHANGES_MAX)?;
    let previous = current.scopes.clone();
    let mut scopes = previous.clone();
    scopes.push(command.scope);
    scopes.sort_unstable();
    Ok(vec![AdminEvent::AdminScopeGranted {
        scope: command.scope,
        granted_by: command.actor,
        previous,
        scopes,
    }])
}

fn revoke_scope(admin: &Admin, command: ChangeAdminScope) -> Result<Vec<AdminEvent>, AdminError> {
    let current = not_retired(admin)?;
    if !current.scopes.contains(&command.scope) {
        return Ok(Vec::new());
    }
    if current.scopes.len() == 1 {
        return Err(AdminError::LastScope);
    }
    let previous = current.scopes.clone();
    let scopes = previous.iter().copied().filter(|scope| *scope != command.scope).collect();
    Ok(vec![AdminEvent::AdminScopeRevoked {
        scope: command.scope,
        revoked_by: command.actor,
        previous,
        scopes,
    }])
}

fn not_retired(admin: &Admin) -> Result<&Created, AdminError> {
    match admin.created.as_ref().ok_or(AdminError::NotFound)? {
        current if current.status == AdminStatus::Retired => Err(AdminError::Retired),
        current => Ok(current),
    }
}

impl Admin {
    fn apply(&mut self, event: AdminEvent) {
        self.change(|admin| admin.changes = admin.changes.saturating_add(1));
        match event {
            AdminEvent::AdminCreated { credential_id, display_name, scopes, .. } => {
                let (status, deleted, changes) = (AdminStatus::Active, false, 0);
                self.created =
                    Some(Created { credential_id, display_name, scopes, status, deleted, changes });
            }
            AdminEvent::AdminDisplayNameChanged { display_name } => {
                self.change(|admin| admin.display_name = display_name);
            }
            AdminEvent::AdminSuspended { .. } => {
                self.change(|admin| admin.status = AdminStatus::Suspended);
            }
            AdminEvent::AdminReinstated { .. } => {
                self.change(|admin| admin.status = AdminStatus::Active);
            }
            AdminEvent::AdminRetired { .. } => {
                self.change(|admin| admin.status = AdminStatus::Retired);
            }
            AdminEvent::AdminDeleted { .. } => self.change(|admin| {
                admin.status = AdminStatus::Retired;
                admin.deleted = true;
            }),
            AdminEvent::AdminScopeGranted { scopes, .. }
            | AdminEvent::AdminScopeRevoked { scopes, .. } => {
                self.change(|admin| admin.scopes = scopes);
            }
        }
    }

    fn changes(&self) -> u32 {
        self.created.as_ref().map_or(0, |admin| admin.changes)
    }

    fn change(&mut self, change: impl FnOnce(&mut Created)) {
        if let Some(admin) = &mut self.created {
            change(admin);
        }
    }
}

#[cfg(test)]
mod tests;
