//! A community (E10).
//!
//! Life cycle: created by a member, who is its owner for ever (COM-06), under a name that is its for
//! ever, even once deleted (COM-03) → updated by its owner, or by admins once the owner's account is
//! deleted (COM-16) → deleted ⇄ restored. Deletion is soft (COM-09): by the owner or an admin; it is
//! undone by an admin only. An admin gives a reason, and a
//! `CommunityModerated` stands beside the change in the same unit (MOD-06, MOD-07).

mod commands;

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    changes::{self, CARETAKERS_CHANGES_MAX, CHANGES_MAX, ChangedTooOften},
    content::moderation::{self, ModerationAction, Removal},
    ids::{CategoryId, CommunityId, MemberId},
    personal::Personal,
    refusal::{Refusal, RefusalKind},
    values::{CommunityDescription, CommunityName, ImageUri, ModerationReason},
};

pub use commands::*;

/// A community as the log tells it. `Default` is the community that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Community {
    created: Option<Created>,
    removal: Removal,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Created {
    owner: MemberId,
    category_id: CategoryId,
    name: CommunityName,
    profile: Profile,
    deleted_by: Option<Actor>,
}

/// What the owner may change, besides the category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Profile {
    description: Option<CommunityDescription>,
    logo_uri: Option<ImageUri>,
    banner_uri: Option<ImageUri>,
}

impl Community {
    pub fn exists(&self) -> bool {
        self.created.is_some()
    }

    /// Whether anybody may join it and post in it: it exists and is not deleted (COM-09).
    pub fn is_open(&self) -> bool {
        self.created.as_ref().is_some_and(|community| community.deleted_by.is_none())
    }

    /// Whether the act of moderation of this sequence is what keeps it removed (MOD-08).
    pub fn is_removed_by(&self, act: u64) -> bool {
        self.removal.is_by(act)
    }

    pub fn owner(&self) -> Option<MemberId> {
        self.created.as_ref().map(|community| community.owner)
    }

    pub fn name(&self) -> Option<&CommunityName> {
        self.created.as_ref().map(|community| &community.name)
    }

    pub fn category_id(&self) -> Option<CategoryId> {
        self.created.as_ref().map(|community| community.category_id)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CommunityEvent {
    CommunityCreated {
        community_id: CommunityId,
        owner: MemberId,
        category_id: CategoryId,
        name: CommunityName,
        description: Option<CommunityDescription>,
        logo_uri: Option<ImageUri>,
        banner_uri: Option<ImageUri>,
    },
    /// The whole of what the owner may change, after the change.
    CommunityUpdated {
        description: Option<CommunityDescription>,
        logo_uri: Option<ImageUri>,
        banner_uri: Option<ImageUri>,
    },
    CommunityRecategorised {
        category_id: CategoryId,
    },
    CommunityDeleted {
        deleted_by: Actor,
    },
    CommunityRestored {
        restored_by: Actor,
    },
    /// Stands directly after the change that an admin made.
    CommunityModerated {
        action: ModerationAction,
        moderator: Actor,
        reason: Personal<ModerationReason>,
        owner: MemberId,
    },
}

domain_event!(CommunityEvent {
    CommunityCreated => "1",
    CommunityUpdated => "1",
    CommunityRecategorised => "1",
    CommunityDeleted => "1",
    CommunityRestored => "1",
    CommunityModerated => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CommunityError {
    #[error("there is already a community of this id")]
    AlreadyExists,
    #[error("there is no such community")]
    NotFound,
    #[error("only an active member can create a community")]
    NoOwner,
    #[error("the category does not exist or is retired: choose another")]
    CategoryClosed,
    #[error("only the community's owner may change it")]
    NotTheOwner,
    #[error("only the community's owner or an admin may delete it")]
    MayNotDelete,
    #[error("only an admin may restore a community")]
    MayNotRestore,
    #[error("an admin who deletes or restores a community must give a reason")]
    ReasonMissing,
    #[error("the community is deleted")]
    Deleted,
    #[error("the community was changed too often to be changed once more; it can be deleted")]
    ChangedTooOften,
}

impl Refusal for CommunityError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists | Self::NotFound => "REL-10",
            Self::NoOwner => "COM-12",
            Self::CategoryClosed => "COM-05",
            Self::NotTheOwner | Self::ChangedTooOften => "COM-07",
            Self::MayNotDelete | Self::MayNotRestore => "COM-08",
            Self::ReasonMissing => "MOD-06",
            Self::Deleted => "COM-09",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyExists => RefusalKind::Conflict,
            Self::NotFound => RefusalKind::NotFound,
            Self::NoOwner | Self::NotTheOwner | Self::MayNotDelete | Self::MayNotRestore => {
                RefusalKind::Forbidden
            }
            Self::CategoryClosed | Self::ReasonMissing | Self::ChangedTooOften => {
                RefusalKind::Invalid
            }
            Self::Deleted => RefusalKind::Gone,
        }
    }
}

impl From<ChangedTooOften> for CommunityError {
    fn from(_: ChangedTooOften) -> Self {
        Self::ChangedTooOften
    }
}

aggregate!(Community, "community", CommunityCommand, CommunityEvent, CommunityError);

impl Decide for Community {
    fn decide(&self, command: CommunityCommand) -> Result<Vec<CommunityEvent>, CommunityError> {
        match command {
            CommunityCommand::Create(command) => create(self, command),
            CommunityCommand::Update(command) => update(self, command),
            CommunityCommand::Delete(command) => delete(self, command),
            CommunityCommand::Restore(command) => restore(self, command),
        }
    }
}

fn create(
    community: &Community,
    command: CreateCommunity,
) -> Result<Vec<CommunityEvent>, CommunityError> {
    if community.exists() {
        return Err(CommunityError::AlreadyExists);
    }
    let creator = command.creator.as_member().filter(|_| command.creator_is_active);
    let owner = creator.ok_or(CommunityError::NoOwner)?;
    if !command.category_open {
        return Err(CommunityError::CategoryClosed);
    }
    Ok(vec![CommunityEvent::CommunityCreated {
        community_id: command.community_id,
        owner,
        category_id: command.category_id,
        name: command.name,
        description: command.description,
        logo_uri: command.logo_uri,
        banner_uri: command.banner_uri,
    }])
}

fn update(
    community: &Community,
    command: UpdateCommunity,
) -> Result<Vec<CommunityEvent>, CommunityError> {
    let current = community.created.as_ref().ok_or(CommunityError::NotFound)?;
    let is_steward = command.owner_is_gone && command.actor.is_admin();
    if command.actor != Actor::member(current.owner) && !is_steward {
        return Err(CommunityError::NotTheOwner);
    }
    if current.deleted_by.is_some() {
        return Err(CommunityError::Deleted);
    }
    let before = &current.profile;
    let after = Profile {
        description: command.description.unwrap_or_else(|| before.description.clone()),
        logo_uri: command.logo_uri.unwrap_or_else(|| before.logo_uri.clone()),
        banner_uri: command.banner_uri.unwrap_or_else(|| before.banner_uri.clone()),
    };
    let recategorised = recategorise(current, command.category)?;
    let updated = (after != *before).then_some(CommunityEvent::CommunityUpdated {
        description: after.description,
        logo_uri: after.logo_uri,
        banner_uri: after.banner_uri,
    });
    let events: Vec<_> = updated.into_iter().chain(recategorised).collect();
    if !events.is_empty() {
        let changes_max = if is_steward { CARETAKERS_CHANGES_MAX } else { CHANGES_MAX };
        changes::room(community.removal.changes(), changes_max)?;
    }
    Ok(events)
}

/// A community stays in a category that was retired after it came there.
fn recategorise(
    community: &Created,
    category: Option<NewCategory>,
) -> Result<Option<CommunityEvent>, CommunityError> {
    match category {
        Some(new) if new.category_id != community.category_id => {
            let category_id = new.category_id;
            new.open
                .then_some(Some(CommunityEvent::CommunityRecategorised { category_id }))
                .ok_or(CommunityError::CategoryClosed)
        }
        _ => Ok(None),
    }
}

fn delete(
    community: &Community,
    command: ChangeCommunityVisibility,
) -> Result<Vec<CommunityEvent>, CommunityError> {
    let current = community.created.as_ref().ok_or(CommunityError::NotFound)?;
    let ChangeCommunityVisibility { actor, reason } = command;
    let reason = moderation::reason(Actor::member(current.owner), actor, reason);
    let reason = reason.map_err(|refused| match refused {
        moderation::Refused::ReasonMissing => CommunityError::ReasonMissing,
        _ => CommunityError::MayNotDelete,
    })?;
    if current.deleted_by.is_some() {
        return Ok(Vec::new());
    }
    let deleted = CommunityEvent::CommunityDeleted { deleted_by: actor };
    Ok(with_moderation(current, deleted, ModerationAction::Delete, actor, reason))
}

fn restore(
    community: &Community,
    command: ChangeCommunityVisibility,
) -> Result<Vec<CommunityEvent>, CommunityError> {
    let current = community.created.as_ref().ok_or(CommunityError::NotFound)?;
    if !command.actor.is_admin() {
        return Err(CommunityError::MayNotRestore);
    }
    let reason = command.reason.ok_or(CommunityError::ReasonMissing)?;
    if current.deleted_by.is_none() {
        return Ok(Vec::new());
    }
    changes::room(community.removal.changes(), CARETAKERS_CHANGES_MAX)?;
    let (action, actor) = (ModerationAction::Restore, command.actor);
    let restored = CommunityEvent::CommunityRestored { restored_by: actor };
    Ok(with_moderation(current, restored, action, actor, Some(reason)))
}

fn with_moderation(
    community: &Created,
    change: CommunityEvent,
    action: ModerationAction,
    moderator: Actor,
    reason: Option<Personal<ModerationReason>>,
) -> Vec<CommunityEvent> {
    let owner = community.owner;
    let moderated = reason.map(|reason| CommunityEvent::CommunityModerated {
        action,
        moderator,
        reason,
        owner,
    });
    std::iter::once(change).chain(moderated).collect()
}

impl Community {
    fn apply(&mut self, event: CommunityEvent) {
        self.removal.follow(match event {
            CommunityEvent::CommunityModerated { action, .. } => Some(action),
            _ => None,
        });
        match event {
            CommunityEvent::CommunityCreated {
                owner,
                category_id,
                name,
                description,
                logo_uri,
                banner_uri,
                ..
            } => {
                let profile = Profile { description, logo_uri, banner_uri };
                let deleted_by = None;
                self.created = Some(Created { owner, category_id, name, profile, deleted_by });
            }
            CommunityEvent::CommunityUpdated { description, logo_uri, banner_uri } => {
                let profile = Profile { description, logo_uri, banner_uri };
                self.change(|community| community.profile = profile);
            }
            CommunityEvent::CommunityRecategorised { category_id } => {
                self.change(|community| community.category_id = category_id);
            }
            CommunityEvent::CommunityDeleted { deleted_by } => {
                self.change(|community| community.deleted_by = Some(deleted_by));
            }
            CommunityEvent::CommunityRestored { .. } => {
                self.change(|community| community.deleted_by = None);
            }
            CommunityEvent::CommunityModerated { .. } => {}
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Created)) {
        if let Some(community) = &mut self.created {
            change(community);
        }
    }
}

#[cfg(test)]
mod tests;
