//! A post in a community (E14).
//!
//! Life cycle: created → edited → deleted ⇄ restored, at most so often that its stream stays short. Deletion is soft (PST-08).
//! An admin who changes somebody else's post gives a reason, and a `PostModerated` stands beside the
//! change in the same unit (PST-09). Who deleted a post last decides who may restore it: an author
//! cannot undo a moderator.

use serde::{Deserialize, Serialize};

use super::moderation::{self, ModerationAction, Removal};
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::{CommunityId, PostId},
    personal::Personal,
    refusal::{Refusal, RefusalKind},
    values::{AuthorDisplayName, Body, ModerationReason, Title},
};

/// A post as the log tells it. `Default` is the post that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Post {
    created: Option<Created>,
    removal: Removal,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Created {
    community_id: CommunityId,
    author: Actor,
    title: Personal<Title>,
    body: Personal<Body>,
    deleted_by: Option<Actor>,
    /// Events since the creation.
    changes: u32,
}

impl Post {
    pub fn exists(&self) -> bool {
        self.created.is_some()
    }

    pub fn author(&self) -> Option<Actor> {
        self.created.as_ref().map(|post| post.author)
    }

    pub fn community_id(&self) -> Option<CommunityId> {
        self.created.as_ref().map(|post| post.community_id)
    }

    pub fn is_deleted(&self) -> bool {
        self.created.as_ref().is_some_and(|post| post.deleted_by.is_some())
    }

    /// Whether the act of moderation of this sequence is what keeps it removed (MOD-08).
    pub fn is_removed_by(&self, act: u64) -> bool {
        self.removal.is_by(act)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum PostCommand {
    Create(CreatePost),
    Edit(EditPost),
    Delete(ChangePostVisibility),
    Restore(ChangePostVisibility),
}

#[derive(Clone, Debug, PartialEq)]
pub struct CreatePost {
    pub post_id: PostId,
    pub community_id: CommunityId,
    /// A member or an admin: exactly one (PST-05).
    pub author: Actor,
    pub title: Personal<Title>,
    pub body: Personal<Body>,
    pub author_display_name: Option<Personal<AuthorDisplayName>>,
    /// What the decision needs to know of the community and of the author in it.
    pub community_open: bool,
    /// Is a member of the community, or need not be (PST-13).
    pub author_may_post: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct EditPost {
    pub editor: Actor,
    /// What stays as it is where `None`.
    pub title: Option<Personal<Title>>,
    pub body: Option<Personal<Body>>,
    pub reason: Option<Personal<ModerationReason>>,
}

/// Deletes or restores.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangePostVisibility {
    pub actor: Actor,
    pub reason: Option<Personal<ModerationReason>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PostEvent {
    PostCreated {
        post_id: PostId,
        community_id: CommunityId,
        author: Actor,
        title: Personal<Title>,
        body: Personal<Body>,
        /// The name as it was shown when the post was written (K8).
        author_display_name: Option<Personal<AuthorDisplayName>>,
    },
    /// The whole title and body after the edit.
    PostEdited {
        editor: Actor,
        title: Personal<Title>,
        body: Personal<Body>,
    },
    PostDeleted {
        deleted_by: Actor,
    },
    PostRestored {
        restored_by: Actor,
    },
    /// Stands directly after the change that a moderator made.
    PostModerated {
        action: ModerationAction,
        moderator: Actor,
        reason: Personal<ModerationReason>,
        /// Of the post, and who wrote it; not said before version 2.
        community_id: Option<CommunityId>,
        author: Option<Actor>,
    },
}

domain_event!(PostEvent {
    PostCreated => "1",
    PostEdited => "1",
    PostDeleted => "1",
    PostRestored => "1",
    PostModerated => "2",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PostError {
    #[error("there is already a post of this id")]
    AlreadyExists,
    #[error("there is no such post")]
    NotFound,
    #[error("the community does not exist or is deleted")]
    CommunityClosed,
    #[error("only members of the community may post in it: send join-community first")]
    NotAMember,
    #[error("only a member or an admin can be the author")]
    NoAuthor,
    #[error("only the post's author or an admin may do this")]
    NotTheAuthor,
    #[error("an admin who changes somebody else's post must give a reason")]
    ReasonMissing,
    #[error("the post is deleted: restore it first")]
    Deleted,
    #[error("the post was deleted by a moderator, so only an admin may restore it")]
    DeletedByModerator,
    #[error("the post has been changed too often: it stays as it is, or is deleted")]
    ChangedTooOften,
}

impl From<moderation::Refused> for PostError {
    fn from(refused: moderation::Refused) -> Self {
        match refused {
            moderation::Refused::NotTheAuthor => Self::NotTheAuthor,
            moderation::Refused::ReasonMissing => Self::ReasonMissing,
            moderation::Refused::DeletedByModerator => Self::DeletedByModerator,
            moderation::Refused::ChangedTooOften => Self::ChangedTooOften,
        }
    }
}

impl Refusal for PostError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists | Self::NotFound => "REL-10",
            Self::CommunityClosed => "PST-06",
            Self::NotAMember => "PST-13",
            Self::NoAuthor => "PST-05",
            Self::NotTheAuthor | Self::DeletedByModerator => "PST-09",
            Self::ReasonMissing => "MOD-06",
            Self::Deleted => "PST-08",
            Self::ChangedTooOften => "PST-12",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyExists => RefusalKind::Conflict,
            Self::NotFound | Self::CommunityClosed => RefusalKind::NotFound,
            Self::NotAMember | Self::NoAuthor | Self::NotTheAuthor | Self::DeletedByModerator => {
                RefusalKind::Forbidden
            }
            Self::ReasonMissing | Self::ChangedTooOften => RefusalKind::Invalid,
            Self::Deleted => RefusalKind::Gone,
        }
    }
}

aggregate!(Post, "post", PostCommand, PostEvent, PostError);

impl Decide for Post {
    fn decide(&self, command: PostCommand) -> Result<Vec<PostEvent>, PostError> {
        match command {
            PostCommand::Create(command) => create(self, command),
            PostCommand::Edit(command) => edit(self, command),
            PostCommand::Delete(command) => delete(self, command),
            PostCommand::Restore(command) => restore(self, command),
        }
    }
}

fn create(post: &Post, command: CreatePost) -> Result<Vec<PostEvent>, PostError> {
    if post.exists() {
        return Err(PostError::AlreadyExists);
    }
    if !command.author.has_account() {
        return Err(PostError::NoAuthor);
    }
    if !command.community_open {
        return Err(PostError::CommunityClosed);
    }
    if !command.author_may_post {
        return Err(PostError::NotAMember);
    }
    Ok(vec![PostEvent::PostCreated {
        post_id: command.post_id,
        community_id: command.community_id,
        author: command.author,
        title: command.title,
        body: command.body,
        author_display_name: command.author_display_name,
    }])
}

fn edit(post: &Post, command: EditPost) -> Result<Vec<PostEvent>, PostError> {
    let current = post.created.as_ref().ok_or(PostError::NotFound)?;
    let reason = moderation::reason(current.author, command.editor, command.reason)?;
    if current.deleted_by.is_some() {
        return Err(PostError::Deleted);
    }
    let title = command.title.unwrap_or_else(|| current.title.clone());
    let body = command.body.unwrap_or_else(|| current.body.clone());
    if title == current.title && body == current.body {
        return Ok(Vec::new());
    }
    moderation::room(current.author, command.editor, current.changes)?;
    let edited = PostEvent::PostEdited { editor: command.editor, title, body };
    Ok(with_moderation(current, edited, ModerationAction::Edit, command.editor, reason))
}

fn delete(post: &Post, command: ChangePostVisibility) -> Result<Vec<PostEvent>, PostError> {
    let current = post.created.as_ref().ok_or(PostError::NotFound)?;
    let reason = moderation::reason(current.author, command.actor, command.reason)?;
    if !moderation::deletes(current.author, current.deleted_by, command.actor) {
        return Ok(Vec::new());
    }
    let deleted = PostEvent::PostDeleted { deleted_by: command.actor };
    Ok(with_moderation(current, deleted, ModerationAction::Delete, command.actor, reason))
}

fn restore(post: &Post, command: ChangePostVisibility) -> Result<Vec<PostEvent>, PostError> {
    let current = post.created.as_ref().ok_or(PostError::NotFound)?;
    let reason = moderation::reason(current.author, command.actor, command.reason)?;
    if !moderation::restores(current.author, current.deleted_by, command.actor)? {
        return Ok(Vec::new());
    }
    moderation::room(current.author, command.actor, current.changes)?;
    let restored = PostEvent::PostRestored { restored_by: command.actor };
    Ok(with_moderation(current, restored, ModerationAction::Restore, command.actor, reason))
}

fn with_moderation(
    post: &Created,
    change: PostEvent,
    action: ModerationAction,
    moderator: Actor,
    reason: Option<Personal<ModerationReason>>,
) -> Vec<PostEvent> {
    let (community_id, author) = (Some(post.community_id), Some(post.author));
    let moderated = reason.map(|reason| PostEvent::PostModerated {
        action,
        moderator,
        reason,
        community_id,
        author,
    });
    std::iter::once(change).chain(moderated).collect()
}

impl Post {
    fn apply(&mut self, event: PostEvent) {
        self.change(|post| post.changes = post.changes.saturating_add(1));
        self.removal.follow(match event {
            PostEvent::PostModerated { action, .. } => Some(action),
            _ => None,
        });
        match event {
            PostEvent::PostCreated { community_id, author, title, body, .. } => {
                let (deleted_by, changes) = (None, 0);
                self.created =
                    Some(Created { community_id, author, title, body, deleted_by, changes });
            }
            PostEvent::PostEdited { title, body, .. } => self.change(|post| {
                post.title = title;
                post.body = body;
            }),
            PostEvent::PostDeleted { deleted_by } => {
                self.change(|post| post.deleted_by = Some(deleted_by));
            }
            PostEvent::PostRestored { .. } => self.change(|post| post.deleted_by = None),
            PostEvent::PostModerated { .. } => {}
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Created)) {
        if let Some(post) = &mut self.created {
            change(post);
        }
    }
}

#[cfg(test)]
mod tests;
