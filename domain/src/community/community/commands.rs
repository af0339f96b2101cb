//! What can be asked of a community.

use crate::{
    actor::Actor,
    ids::{CategoryId, CommunityId},
    personal::Personal,
    values::{CommunityDescription, CommunityName, ImageUri, ModerationReason},
};

#[derive(Clone, Debug, PartialEq)]
pub enum CommunityCommand {
    Create(CreateCommunity),
    Update(UpdateCommunity),
    Delete(ChangeCommunityVisibility),
    Restore(ChangeCommunityVisibility),
}

#[derive(Clone, Debug, PartialEq)]
pub struct CreateCommunity {
    pub community_id: CommunityId,
    /// The owner to be.
    pub creator: Actor,
    pub category_id: CategoryId,
    pub name: CommunityName,
    pub description: Option<CommunityDescription>,
    pub logo_uri: Option<ImageUri>,
    pub banner_uri: Option<ImageUri>,
    /// What the decision needs to know of the creator and of the category.
    pub creator_is_active: bool,
    pub category_open: bool,
}

/// What stays as it is where `None`; `Some(None)` clears.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateCommunity {
    pub actor: Actor,
    pub description: Option<Option<CommunityDescription>>,
    pub logo_uri: Option<Option<ImageUri>>,
    pub banner_uri: Option<Option<ImageUri>>,
    pub category: Option<NewCategory>,
    /// Whether the owner's account is deleted, which is for ever: admins are the stewards of what it
    /// leaves behind (COM-16).
    pub owner_is_gone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NewCategory {
    pub category_id: CategoryId,
    /// Whether it exists and is not retired.
    pub open: bool,
}

/// Deletes or restores.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeCommunityVisibility {
    pub actor: Actor,
    pub reason: Option<Personal<ModerationReason>>,
}
