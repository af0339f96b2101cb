//! A registered person's account (E07).
//!
//! Life cycle (MEM-08): active ⇄ suspended; either → pending deletion → deleted, which is the end
//! (MEM-07). A rejected deletion makes the member active again, and suspends it anew where it was
//! suspended before: asking for deletion and taking it back must not lift a suspension.

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    changes::{self, CARETAKERS_CHANGES_MAX, CHANGES_MAX, ChangedTooOften},
    ids::{CredentialId, MemberId},
    personal::Personal,
    refusal::{Refusal, RefusalKind},
    values::{DisplayName, Reason},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberStatus {
    Active,
    Suspended,
    PendingDeletion,
    Deleted,
}

impl MemberStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::PendingDeletion => "pending_deletion",
            Self::Deleted => "deleted",
        }
    }
}

/// A member as the log tells it. `Default` is the member that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Member {
    registered: Option<Registered>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Registered {
    credential_id: CredentialId,
    display_name: Option<Personal<DisplayName>>,
    status: MemberStatus,
    /// The suspension in force, remembered while a deletion is pending.
    suspension: Option<Suspension>,
    /// Events since the registration.
    changes: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Suspension {
    suspended_by: Actor,
    reason: Option<Personal<Reason>>,
}

impl Member {
    pub fn exists(&self) -> bool {
        self.registered.is_some()
    }

    pub fn status(&self) -> Option<MemberStatus> {
        self.registered.as_ref().map(|member| member.status)
    }

    pub fn is_active(&self) -> bool {
        self.status() == Some(MemberStatus::Active)
    }

    pub fn credential_id(&self) -> Option<CredentialId> {
        self.registered.as_ref().map(|member| member.credential_id)
    }

    pub fn display_name(&self) -> Option<&Personal<DisplayName>> {
        self.registered.as_ref().and_then(|member| member.display_name.as_ref())
    }

    /// Suspended members and those who wait for their deletion read, export and see to their
    /// deletion (MEM-05, MEM-06), so they log in.
    pub fn may_log_in(&self) -> bool {
        self.status().is_some_and(|status| status != MemberStatus::Deleted)
    }

    /// What every command that writes on a member's behalf asks first (MEM-05, MEM-06).
    pub fn require_active(&self) -> Result<(), MemberError> {
        match self.status() {
            None => Err(MemberError::NotFound),
            Some(MemberStatus::Active) => Ok(()),
            Some(MemberStatus::Suspended) => Err(MemberError::Suspended),
            Some(MemberStatus::PendingDeletion) => Err(MemberError::PendingDeletion),
            Some(MemberStatus::Deleted) => Err(MemberError::Deleted),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum MemberCommand {
    Register(RegisterMember),
    ChangeDisplayName(ChangeDisplayName),
    Suspend(SuspendMember),
    Reinstate(ReinstateMember),
    MarkForDeletion(MarkMemberForDeletion),
    RejectDeletion(RejectMemberDeletion),
    Delete,
    /// Deletes, whatever it waits for: an erasure that was approved (DDR-14).
    Erase,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RegisterMember {
    pub member_id: MemberId,
    pub credential_id: CredentialId,
    pub display_name: Option<Personal<DisplayName>>,
    /// What the decision needs to know of the credential.
    pub credential_holder: Actor,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ChangeDisplayName {
    pub display_name: Option<Personal<DisplayName>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SuspendMember {
    pub suspended_by: Actor,
    pub reason: Option<Personal<Reason>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReinstateMember {
    pub reinstated_by: Actor,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MarkMemberForDeletion {
    /// The member itself, or an admin.
    pub requested_by: Actor,
    pub reason: Option<Personal<Reason>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RejectMemberDeletion {
    pub rejected_by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MemberEvent {
    MemberRegistered {
        member_id: MemberId,
        credential_id: CredentialId,
        display_name: Option<Personal<DisplayName>>,
    },
    DisplayNameChanged {
        display_name: Option<Personal<DisplayName>>,
    },
    MemberSuspended {
        suspended_by: Actor,
        reason: Option<Personal<Reason>>,
    },
    MemberReinstated {
        reinstated_by: Actor,
    },
    /// Version 1 did not tell who asked for it, nor why.
    MemberDeletionPending {
        requested_by: Option<Actor>,
        reason: Option<Personal<Reason>>,
    },
    /// Makes the member active; a suspension that was in force follows as a `MemberSuspended`.
    MemberDeletionRejected {
        rejected_by: Actor,
    },
    MemberDeleted {},
}

domain_event!(MemberEvent {
    MemberRegistered => "1",
    DisplayNameChanged => "1",
    MemberSuspended => "1",
    MemberReinstated => "1",
    MemberDeletionPending => "2",
    MemberDeletionRejected => "1",
    MemberDeleted => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MemberError {
    #[error("there is already a member of this id")]
    AlreadyExists,
    #[error("there is no such member")]
    NotFound,
    #[error("the credential belongs to somebody else")]
    CredentialOfAnother,
    #[error("the member is suspended: an admin must reinstate it first")]
    Suspended,
    #[error("the member waits for its deletion: withdraw the request first")]
    PendingDeletion,
    #[error("the member is deleted")]
    Deleted,
    #[error("no deletion of the member is pending")]
    NoDeletionPending,
    #[error("the member was changed too often to be changed once more; it can be deleted")]
    ChangedTooOften,
}

impl Refusal for MemberError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists | Self::Deleted => "MEM-07",
            Self::NotFound => "REL-10",
            Self::CredentialOfAnother => "MEM-03",
            Self::Suspended => "MEM-05",
            Self::PendingDeletion => "MEM-06",
            Self::NoDeletionPending | Self::ChangedTooOften => "MEM-08",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyExists | Self::NoDeletionPending => RefusalKind::Conflict,
            Self::NotFound => RefusalKind::NotFound,
            Self::CredentialOfAnother | Self::Suspended | Self::PendingDeletion => {
                RefusalKind::Forbidden
            }
            Self::Deleted => RefusalKind::Gone,
            Self::ChangedTooOften => RefusalKind::Invalid,
        }
    }
}

impl From<ChangedTooOften> for MemberError {
    fn from(_: ChangedTooOften) -> Self {
        Self::ChangedTooOften
    }
}

aggregate!(Member, "member", MemberCommand, MemberEvent, MemberError);

impl Decide for Member {
    fn decide(&self, command: MemberCommand) -> Result<Vec<MemberEvent>, MemberError> {
        match command {
            MemberCommand::Register(command) => register(self, command),
            MemberCommand::ChangeDisplayName(command) => change_display_name(self, command),
            MemberCommand::Suspend(command) => suspend(self, command),
            MemberCommand::Reinstate(command) => reinstate(self, command),
            MemberCommand::MarkForDeletion(command) => mark_for_deletion(self, command),
            MemberCommand::RejectDeletion(command) => reject_deletion(self, command),
            MemberCommand::Delete => delete(self),
            MemberCommand::Erase => erase(self),
        }
    }
}

fn register(member: &Member, command: RegisterMember) -> Result<Vec<MemberEvent>, MemberError> {
    if member.exists() {
        return Err(MemberError::AlreadyExists);
    }
    if command.credential_holder != Actor::member(command.member_id) {
        return Err(MemberError::CredentialOfAnother);
    }
    Ok(vec![MemberEvent::MemberRegistered {
        member_id: command.member_id,
        credential_id: command.credential_id,
        display_name: command.display_name,
    }])
}

fn change_display_name(
    member: &Member,
    command: ChangeDisplayName,
) -> Result<Vec<MemberEvent>, MemberError> {
    member.require_active()?;
    if command.display_name.as_ref() == member.display_name() {
        return Ok(Vec::new());
    }
    changes::room(member.changes(), CHANGES_MAX)?;
    Ok(vec![MemberEvent::DisplayNameChanged { display_name: command.display_name }])
}

fn suspend(member: &Member, command: SuspendMember) -> Result<Vec<MemberEvent>, MemberError> {
    match member.status().ok_or(MemberError::NotFound)? {
        MemberStatus::Active => Ok(vec![MemberEvent::MemberSuspended {
            suspended_by: command.suspended_by,
            reason: command.reason,
        }]),
        MemberStatus::Suspended => Ok(Vec::new()),
        MemberStatus::PendingDeletion => Err(MemberError::PendingDeletion),
        MemberStatus::Deleted => Err(MemberError::Deleted),
    }
}

fn reinstate(member: &Member, command: ReinstateMember) -> Result<Vec<MemberEvent>, MemberError> {
    match member.status().ok_or(MemberError::NotFound)? {
        MemberStatus::Active => Ok(Vec::new()),
        MemberStatus::Suspended => {
            changes::room(member.changes(), CARETAKERS_CHANGES_MAX)?;
            Ok(vec![MemberEvent::MemberReinstated { reinstated_by: command.reinstated_by }])
        }
        MemberStatus::PendingDeletion => Err(MemberError::PendingDeletion),
        MemberStatus::Deleted => Err(MemberError::Deleted),
    }
}

fn mark_for_deletion(
    member: &Member,
    command: MarkMemberForDeletion,
) -> Result<Vec<MemberEvent>, MemberError> {
    match member.status().ok_or(MemberError::NotFound)? {
        MemberStatus::Active | MemberStatus::Suspended => {
            Ok(vec![MemberEvent::MemberDeletionPending {
                requested_by: Some(command.requested_by),
                reason: command.reason,
            }])
        }
        MemberStatus::PendingDeletion => Ok(Vec::new()),
        MemberStatus::Deleted => Err(MemberError::Deleted),
    }
}

fn reject_deletion(
    member: &Member,
    command: RejectMemberDeletion,
) -> Result<Vec<MemberEvent>, MemberError> {
    let current = member.registered.as_ref().ok_or(MemberError::NotFound)?;
    match current.status {
        MemberStatus::Active | MemberStatus::Suspended => Err(MemberError::NoDeletionPending),
        MemberStatus::PendingDeletion => {
            changes::room(current.changes, CARETAKERS_CHANGES_MAX)?;
            let rejected = MemberEvent::MemberDeletionRejected { rejected_by: command.rejected_by };
            let suspended =
                current.suspension.clone().map(|suspension| MemberEvent::MemberSuspended {
                    suspended_by: suspension.suspended_by,
                    reason: suspension.reason,
                });
            Ok(std::iter::once(rejected).chain(suspended).collect())
        }
        MemberStatus::Deleted => Err(MemberError::Deleted),
    }
}

fn delete(member: &Member) -> Result<Vec<MemberEvent>, MemberError> {
    match member.status().ok_or(MemberError::NotFound)? {
        MemberStatus::Active | MemberStatus::Suspended => Err(MemberError::NoDeletionPending),
        MemberStatus::PendingDeletion => Ok(vec![MemberEvent::MemberDeleted {}]),
        MemberStatus::Deleted => Ok(Vec::new()),
    }
}

fn erase(member: &Member) -> Result<Vec<MemberEvent>, MemberError> {
    match member.status().ok_or(MemberError::NotFound)? {
        MemberStatus::Active | MemberStatus::Suspended => {
            let (requested_by, reason) = (Some(Actor::SYSTEM), None);
            let pending = MemberEvent::MemberDeletionPending { requested_by, reason };
            Ok(vec![pending, MemberEvent::MemberDeleted {}])
        }
        MemberStatus::PendingDeletion => Ok(vec![MemberEvent::MemberDeleted {}]),
        MemberStatus::Deleted => Ok(Vec::new()),
    }
}

impl Member {
    fn apply(&mut self, event: MemberEvent) {
        self.change(|member| member.changes = member.changes.saturating_add(1));
        match event {
            MemberEvent::MemberRegistered { credential_id, display_name, .. } => {
                let (status, suspension, changes) = (MemberStatus::Active, None, 0);
                self.registered =
                    Some(Registered { credential_id, display_name, status, suspension, changes });
            }
            MemberEvent::DisplayNameChanged { display_name } => {
                self.change(|member| member.display_name = display_name);
            }
            MemberEvent::MemberSuspended { suspended_by, reason } => self.change(|member| {
                member.status = MemberStatus::Suspended;
                member.suspension = Some(Suspension { suspended_by, reason });
            }),
            MemberEvent::MemberReinstated { .. } | MemberEvent::MemberDeletionRejected { .. } => {
                self.change(|member| {
                    member.status = MemberStatus::Active;
                    member.suspension = None;
                });
            }
            MemberEvent::MemberDeletionPending { .. } => {
                self.change(|member| member.status = MemberStatus::PendingDeletion);
            }
            MemberEvent::MemberDeleted {} => {
                self.change(|member| member.status = MemberStatus::Deleted);
            }
        }
    }

    fn changes(&self) -> u32 {
        self.registered.as_ref().map_or(0, |member| member.changes)
    }

    fn change(&mut self, change: impl FnOnce(&mut Registered)) {
        if let Some(member) = &mut self.registered {
            change(member);
        }
    }
}

#[cfg(test)]
mod tests;
