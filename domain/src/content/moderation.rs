//! Who may change what somebody wrote, how often, and what a moderator owes its author (PST-09,
//! PST-12, CMT-10, MOD-06).

use serde::{Deserialize, Serialize};

use crate::{actor::Actor, personal::Personal, values::ModerationReason};

/// After so many events a post or comment is not edited or restored by its author any more. Its whole
/// stream is read where it is loaded and where its history is shown (PST-12), so it must stay short.
pub const CHANGES_MAX: u32 = 100;

/// As [`CHANGES_MAX`], for moderators. No deletion is ever refused: after the last restoration a
/// deletion by the author and one by a moderator can come, three events, and 200 are not reached.
pub const MODERATED_CHANGES_MAX: u32 = 190;

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
    ChangedTooOften,
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

/// Whether there is room for an edit or a restoration after so many events that followed the creation,
/// of whatever kind.
pub(super) fn room(author: Actor, actor: Actor, changes: u32) -> Result<(), Refused> {
    let changes_max = if actor == author { CHANGES_MAX } else { MODERATED_CHANGES_MAX };
    (changes < changes_max).then_some(()).ok_or(Refused::ChangedTooOften)
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
