//! Who may change what somebody wrote, how often, and what a moderator owes its author (PST-09,
//! PST-12, CMT-10, MOD-06).

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    changes::{self, CARETAKERS_CHANGES_MAX, CHANGES_MAX},
    personal::Personal,
    values::ModerationReason,
};

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

/// Which act of moderation keeps a thing removed, by the place on the thing's stream of the event that
/// records it (MOD-08).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Removal {
    /// Of the last event.
    sequence: u64,
    standing: Option<u64>,
}

impl Removal {
    /// Goes on to the next event, with the action where it records an act.
    pub(crate) fn follow(&mut self, action: Option<ModerationAction>) {
        self.sequence += 1;
        match action {
            Some(ModerationAction::Delete) => self.standing = Some(self.sequence),
            Some(ModerationAction::Restore) => self.standing = None,
            Some(ModerationAction::Edit) | None => {}
        }
    }

    /// Events since the creation.
    pub(crate) fn changes(self) -> u32 {
        u32::try_from(self.sequence.saturating_sub(1)).unwrap_or(u32::MAX)
    }

    pub(crate) fn is_by(self, act: u64) -> bool {
        self.standing == Some(act)
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
    let changes_max = if actor == author { CHANGES_MAX } else { CARETAKERS_CHANGES_MAX };
    changes::room(changes, changes_max).map_err(|_| Refused::ChangedTooOften)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mod_08_a_removal_is_by_the_last_act_that_removed() {
        let mut removal = Removal::default();
        let mut follow = |actions: &[Option<ModerationAction>]| {
            actions.iter().for_each(|action| removal.follow(*action));
            removal
        };
        // Created; deleted; edited means nothing to it; restored; deleted anew.
        let first = follow(&[None, None, Some(ModerationAction::Delete)]);
        assert!(first.is_by(3) && !first.is_by(2));
        assert!(follow(&[None, Some(ModerationAction::Edit)]).is_by(3));
        assert!(!follow(&[None, Some(ModerationAction::Restore)]).is_by(3));
        let later = follow(&[None, Some(ModerationAction::Delete)]);
        assert!(later.is_by(9) && !later.is_by(3));
    }
}
