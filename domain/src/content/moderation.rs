//! Who may change what somebody wrote, and what a moderator owes its author (PST-09, CMT-10, MOD-06).

use serde::{Deserialize, Serialize};

use crate::{actor::Actor, personal::Personal, values::ModerationReason};

/// What a moderator did (MOD-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModerationAction {
    Edit,
    Delete,
    Restore,
}

impl ModerationAction {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edit => "edit",
            Self::Delete => "delete",
            Self::Restore => "restore",
        }
    }
}

/// Why a change is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    NotTheAuthor,
    ReasonMissing,
    DeletedByModerator,
}

/// The author changes its own without a reason, and no moderation is recorded (MOD-03); an admin
/// changes any other with one.
pub(crate) fn reason(
    author: Actor,
    actor: Actor,
    reason: Option<Personal<ModerationReason>>,
) -> Result<Option<Personal<ModerationReason>>, Refused> {
    if actor == author {
        Ok(None)
    } else if !actor.is_admin() {
        Err(Refused::NotTheAuthor)
    } else {
        reason.map(Some).ok_or(Refused::ReasonMissing)
    }
}

/// Whether a deletion changes anything: a moderator's word stands above the author's, who could take
/// its own back.
pub(super) fn deletes(author: Actor, deleted_by: Option<Actor>, actor: Actor) -> bool {
    deleted_by.is_none_or(|by| by == author && actor != author)
}

/// Whether a restoration changes anything. No author undoes a moderator, nor does an admin undo
/// another's moderation of what it wrote itself.
pub(super) fn restores(
    author: Actor,
    deleted_by: Option<Actor>,
    actor: Actor,
) -> Result<bool, Refused> {
    match deleted_by {
        Some(by) if by != author && actor == author => Err(Refused::DeletedByModerator),
        other => Ok(other.is_some()),
    }
}
