//! What votes on posts and on comments have in common.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{actor::Actor, refusal::RuleBreak};

/// What a voter says of a post or a comment. Removal is `none`, never null (PVT-01, PVT-06).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VoteState {
    Upvote,
    Downvote,
    #[default]
    None,
}

impl VoteState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upvote => "upvote",
            Self::Downvote => "downvote",
            Self::None => "none",
        }
    }

    /// What it adds to the score (PVT-04, CVT-04).
    pub const fn weight(self) -> i64 {
        match self {
            Self::Upvote => 1,
            Self::Downvote => -1,
            Self::None => 0,
        }
    }
}

impl FromStr for VoteState {
    type Err = RuleBreak;

    fn from_str(text: &str) -> Result<Self, RuleBreak> {
        match text {
            "upvote" => Ok(Self::Upvote),
            "downvote" => Ok(Self::Downvote),
            "none" => Ok(Self::None),
            _ => Err(RuleBreak::new("PVT-01", "must be upvote, downvote or none")),
        }
    }
}

/// What the decision needs to know of what is voted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub author: Actor,
    /// The thing itself, or what it stands in, is deleted.
    pub is_deleted: bool,
}

/// Why a vote is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Own,
    Deleted,
}

/// Whether a vote changes anything.
pub(super) fn changes(
    current: VoteState,
    wanted: VoteState,
    voter: Actor,
    target: Target,
) -> Result<bool, Refused> {
    if target.is_deleted {
        return Err(Refused::Deleted);
    }
    if voter == target.author {
        return Err(Refused::Own);
    }
    Ok(current != wanted)
}
