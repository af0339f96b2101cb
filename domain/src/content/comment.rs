//! A comment on a post, or on another comment of the same post (E17).
//!
//! Life cycle: created → edited any number of times → deleted ⇄ restored. Deletion is soft: the
//! comment stays in its tree as a placeholder, and so do the replies to it (CMT-06, CMT-07). A tree
//! has any depth (CMT-03). An admin who changes somebody else's comment gives a reason, and a
//! `CommentModerated` stands beside the change in the same unit (CMT-10, MOD-07).

use serde::{Deserialize, Serialize};

use super::moderation::{self, ModerationAction, Removal};
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::{CommentId, CommunityId, PostId},
    personal::Personal,
    refusal::{Refusal, RefusalKind},
    values::{CommentBody, CommentDisplayName, ModerationReason},
};

/// A comment as the log tells it. `Default` is the comment that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comment {
    created: Option<Created>,
    removal: Removal,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Created {
    post_id: PostId,
    community_id: CommunityId,
    depth: u32,
    author: Actor,
    body: Personal<CommentBody>,
    deleted_by: Option<Actor>,
}

impl Comment {
    pub fn exists(&self) -> bool {
        self.created.is_some()
    }

    pub fn author(&self) -> Option<Actor> {
        self.created.as_ref().map(|comment| comment.author)
    }

    pub fn post_id(&self) -> Option<PostId> {
        self.created.as_ref().map(|comment| comment.post_id)
    }

    pub fn is_deleted(&self) -> bool {
        self.created.as_ref().is_some_and(|comment| comment.deleted_by.is_some())
    }

    /// Whether the act of moderation of this sequence is what keeps it removed (MOD-08).
    pub fn is_removed_by(&self, act: u64) -> bool {
        self.removal.is_by(act)
    }

    /// As what a reply to it answers, if it exists.
    pub fn as_parent(&self, comment_id: CommentId) -> Option<Parent> {
        let comment = self.created.as_ref()?;
        let is_deleted = comment.deleted_by.is_some();
        Some(Parent { comment_id, post_id: comment.post_id, depth: comment.depth, is_deleted })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum CommentCommand {
    Create(CreateComment),
    Edit(EditComment),
    Delete(DeleteComment),
    Restore(RestoreComment),
}

#[derive(Clone, Debug, PartialEq)]
pub struct CreateComment {
    pub comment_id: CommentId,
    pub post_id: PostId,
    pub community_id: CommunityId,
    /// What it answers; nothing where it is a comment on the post itself.
    pub parent: Option<Parent>,
    pub author: Actor,
    pub body: Personal<CommentBody>,
    pub display_name: Option<Personal<CommentDisplayName>>,
    /// What the decision needs to know of the post and of the community that it is in.
    pub post_open: bool,
}

/// The comment that a reply answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parent {
    pub comment_id: CommentId,
    pub post_id: PostId,
    pub depth: u32,
    pub is_deleted: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct EditComment {
    pub editor: Actor,
    /// Whether the post and its community are there; only admins change what is not.
    pub post_open: bool,
    pub body: Personal<CommentBody>,
    pub reason: Option<Personal<ModerationReason>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DeleteComment {
    pub actor: Actor,
    pub reason: Option<Personal<ModerationReason>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RestoreComment {
    pub actor: Actor,
    /// Whether the post and its community are there; only admins restore in what is not.
    pub post_open: bool,
    pub reason: Option<Personal<ModerationReason>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CommentEvent {
    CommentCreated {
        comment_id: CommentId,
        post_id: PostId,
        /// Of the post.
        community_id: CommunityId,
        parent_comment_id: Option<CommentId>,
        /// 0 for a comment on the post itself, else one more than the parent's.
        depth: u32,
        author: Actor,
        body: Personal<CommentBody>,
        /// The name as it was shown when the comment was written (K8).
        display_name: Option<Personal<CommentDisplayName>>,
    },
    /// The whole body after the edit.
    CommentEdited {
        editor: Actor,
        body: Personal<CommentBody>,
    },
    CommentDeleted {
        deleted_by: Actor,
    },
    CommentRestored {
        restored_by: Actor,
    },
    /// Stands directly after the change that a moderator made.
    CommentModerated {
        action: ModerationAction,
        moderator: Actor,
        reason: Personal<ModerationReason>,
        /// Of the comment, and who wrote it.
        community_id: CommunityId,
        author: Actor,
    },
}

domain_event!(CommentEvent {
    CommentCreated => "1",
    CommentEdited => "1",
    CommentDeleted => "1",
    CommentRestored => "1",
    CommentModerated => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CommentError {
    #[error("there is already a comment of this id")]
    AlreadyExists,
    #[error("there is no such comment")]
    NotFound,
    #[error("the post does not exist or is deleted")]
    PostClosed,
    #[error("the parent is a comment on another post")]
    ParentElsewhere,
    #[error("the parent is deleted: answer another comment, or the post")]
    ParentDeleted,
    #[error("only a member, an admin or a guest can be the author")]
    NoAuthor,
    #[error("a guest gives no name: nothing personal is kept of it")]
    GuestNamed,
    #[error("only the comment's author or an admin may do this")]
    NotTheAuthor,
    #[error("an admin who changes somebody else's comment must give a reason")]
    ReasonMissing,
    #[error("the comment is deleted: restore it first")]
    Deleted,
    #[error("the comment was deleted by a moderator, so only an admin may restore it")]
    DeletedByModerator,
}

impl From<moderation::Refused> for CommentError {
    fn from(refused: moderation::Refused) -> Self {
        match refused {
            moderation::Refused::NotTheAuthor => Self::NotTheAuthor,
            moderation::Refused::ReasonMissing => Self::ReasonMissing,
            moderation::Refused::DeletedByModerator => Self::DeletedByModerator,
        }
    }
}

impl Refusal for CommentError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists | Self::NotFound => "REL-10",
            Self::PostClosed => "CMT-08",
            Self::ParentElsewhere => "CMT-04",
            Self::ParentDeleted | Self::Deleted => "CMT-07",
            Self::NoAuthor => "CMT-05",
            Self::GuestNamed => "CMT-09",
            Self::NotTheAuthor | Self::DeletedByModerator => "CMT-10",
            Self::ReasonMissing => "MOD-06",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyExists => RefusalKind::Conflict,
            Self::NotFound | Self::PostClosed => RefusalKind::NotFound,
            Self::NoAuthor | Self::NotTheAuthor | Self::DeletedByModerator => {
                RefusalKind::Forbidden
            }
            Self::ParentElsewhere | Self::ReasonMissing | Self::GuestNamed => RefusalKind::Invalid,
            Self::ParentDeleted | Self::Deleted => RefusalKind::Gone,
        }
    }
}

aggregate!(Comment, "comment", CommentCommand, CommentEvent, CommentError);

impl Decide for Comment {
    fn decide(&self, command: CommentCommand) -> Result<Vec<CommentEvent>, CommentError> {
        match command {
            CommentCommand::Create(command) => create(self, command),
            CommentCommand::Edit(command) => edit(self, command),
            CommentCommand::Delete(command) => delete(self, command),
            CommentCommand::Restore(command) => restore(self, command),
        }
    }
}

fn create(comment: &Comment, command: CreateComment) -> Result<Vec<CommentEvent>, CommentError> {
    if comment.exists() {
        return Err(CommentError::AlreadyExists);
    }
    if command.author == Actor::SYSTEM {
        return Err(CommentError::NoAuthor);
    }
    if command.author.as_guest().is_some() && command.display_name.is_some() {
        return Err(CommentError::GuestNamed);
    }
    if !command.post_open {
        return Err(CommentError::PostClosed);
    }
    let depth = match command.parent {
        None => 0,
        Some(parent) if parent.post_id != command.post_id => {
            return Err(CommentError::ParentElsewhere);
        }
        Some(parent) if parent.is_deleted => return Err(CommentError::ParentDeleted),
        Some(parent) => parent.depth.saturating_add(1),
    };
    Ok(vec![CommentEvent::CommentCreated {
        comment_id: command.comment_id,
        post_id: command.post_id,
        community_id: command.community_id,
        parent_comment_id: command.parent.map(|parent| parent.comment_id),
        depth,
        author: command.author,
        body: command.body,
        display_name: command.display_name,
    }])
}

fn edit(comment: &Comment, command: EditComment) -> Result<Vec<CommentEvent>, CommentError> {
    let current = comment.created.as_ref().ok_or(CommentError::NotFound)?;
    let reason = moderation::reason(current.author, command.editor, command.reason)?;
    if !command.post_open && !command.editor.is_admin() {
        return Err(CommentError::PostClosed);
    }
    if current.deleted_by.is_some() {
        return Err(CommentError::Deleted);
    }
    if command.body == current.body {
        return Ok(Vec::new());
    }
    let edited = CommentEvent::CommentEdited { editor: command.editor, body: command.body };
    Ok(with_moderation(current, edited, ModerationAction::Edit, command.editor, reason))
}

fn delete(comment: &Comment, command: DeleteComment) -> Result<Vec<CommentEvent>, CommentError> {
    let current = comment.created.as_ref().ok_or(CommentError::NotFound)?;
    let reason = moderation::reason(current.author, command.actor, command.reason)?;
    if !moderation::deletes(current.author, current.deleted_by, command.actor) {
        return Ok(Vec::new());
    }
    let deleted = CommentEvent::CommentDeleted { deleted_by: command.actor };
    Ok(with_moderation(current, deleted, ModerationAction::Delete, command.actor, reason))
}

fn restore(comment: &Comment, command: RestoreComment) -> Result<Vec<CommentEvent>, CommentError> {
    let current = comment.created.as_ref().ok_or(CommentError::NotFound)?;
    let reason = moderation::reason(current.author, command.actor, command.reason)?;
    if !command.post_open && !command.actor.is_admin() {
        return Err(CommentError::PostClosed);
    }
    if !moderation::restores(current.author, current.deleted_by, command.actor)? {
        return Ok(Vec::new());
    }
    let restored = CommentEvent::CommentRestored { restored_by: command.actor };
    Ok(with_moderation(current, restored, ModerationAction::Restore, command.actor, reason))
}

fn with_moderation(
    comment: &Created,
    change: CommentEvent,
    action: ModerationAction,
    moderator: Actor,
    reason: Option<Personal<ModerationReason>>,
) -> Vec<CommentEvent> {
    let (community_id, author) = (comment.community_id, comment.author);
    let moderated = reason.map(|reason| CommentEvent::CommentModerated {
        action,
        moderator,
        reason,
        community_id,
        author,
    });
    std::iter::once(change).chain(moderated).collect()
}

impl Comment {
    fn apply(&mut self, event: CommentEvent) {
        self.removal.follow(match event {
            CommentEvent::CommentModerated { action, .. } => Some(action),
            _ => None,
        });
        match event {
            CommentEvent::CommentCreated { post_id, community_id, depth, author, body, .. } => {
                let deleted_by = None;
                self.created =
                    Some(Created { post_id, community_id, depth, author, body, deleted_by });
            }
            CommentEvent::CommentEdited { body, .. } => self.change(|comment| comment.body = body),
            CommentEvent::CommentDeleted { deleted_by } => {
                self.change(|comment| comment.deleted_by = Some(deleted_by));
            }
            CommentEvent::CommentRestored { .. } => {
                self.change(|comment| comment.deleted_by = None);
            }
            CommentEvent::CommentModerated { .. } => {}
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Created)) {
        if let Some(comment) = &mut self.created {
            change(comment);
        }
    }
}

#[cfg(test)]
mod tests;
