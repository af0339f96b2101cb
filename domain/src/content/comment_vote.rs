//! One voter's vote on one comment (E18). The stream is the pair: `{comment}:{member|admin|guest}:{voter}`
//! (K4).
//!
//! Life cycle: the first vote opens the stream; each later change is another `CommentVoteCast`; `none`
//! takes the vote back. A vote that is already so changes nothing.

use serde::{Deserialize, Serialize};

use super::vote::{self, Target, VoteState};
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::{CommentId, CommentVoteId},
    refusal::{Refusal, RefusalKind},
};

/// A vote as the log tells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CommentVote {
    pub id: Option<CommentVoteId>,
    pub vote_state: VoteState,
}

impl CommentVote {
    /// The id of the stream of one voter's vote on one comment.
    pub fn stream_id(comment: CommentId, voter: Actor) -> String {
        format!("{comment}:{voter}")
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum CommentVoteCommand {
    Cast(CastCommentVote),
}

#[derive(Clone, Debug, PartialEq)]
pub struct CastCommentVote {
    /// The id that the vote gets if this is the first of its voter on its comment.
    pub new_id: CommentVoteId,
    pub comment_id: CommentId,
    pub voter: Actor,
    pub vote_state: VoteState,
    pub comment: Target,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CommentVoteEvent {
    /// The whole state of the vote after the change, and what it was before: a score is the sum of
    /// `vote_state` − `previous`, so that no projection needs to remember each vote.
    CommentVoteCast {
        id: CommentVoteId,
        comment_id: CommentId,
        voter: Actor,
        vote_state: VoteState,
        previous: VoteState,
    },
}

domain_event!(CommentVoteEvent { CommentVoteCast => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CommentVoteError {
    #[error("a comment cannot be voted on by its author")]
    OwnComment,
    #[error("only a member, an admin or a guest can vote")]
    NoVoter,
    #[error("the comment is deleted")]
    CommentDeleted,
}

impl From<vote::Refused> for CommentVoteError {
    fn from(refused: vote::Refused) -> Self {
        match refused {
            vote::Refused::Own => Self::OwnComment,
            vote::Refused::Deleted => Self::CommentDeleted,
        }
    }
}

impl Refusal for CommentVoteError {
    fn rule(&self) -> &'static str {
        match self {
            Self::OwnComment => "CVT-03",
            Self::NoVoter => "CVT-05",
            Self::CommentDeleted => "CVT-07",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::OwnComment | Self::NoVoter => RefusalKind::Forbidden,
            Self::CommentDeleted => RefusalKind::Gone,
        }
    }
}

aggregate!(CommentVote, "comment_vote", CommentVoteCommand, CommentVoteEvent, CommentVoteError);

impl Decide for CommentVote {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: CommentVoteCommand,
    ) -> Result<Vec<CommentVoteEvent>, CommentVoteError> {
        match command {
            CommentVoteCommand::Cast(command) => cast(self, command),
        }
    }
}

fn cast(
    vote: &CommentVote,
    command: CastCommentVote,
) -> Result<Vec<CommentVoteEvent>, CommentVoteError> {
    if command.voter == Actor::SYSTEM {
        return Err(CommentVoteError::NoVoter);
    }
    if !vote::changes(vote.vote_state, command.vote_state, command.voter, command.comment)? {
        return Ok(Vec::new());
    }
    Ok(vec![CommentVoteEvent::CommentVoteCast {
        id: vote.id.unwrap_or(command.new_id),
        comment_id: command.comment_id,
        voter: command.voter,
        vote_state: command.vote_state,
        previous: vote.vote_state,
    }])
}

impl CommentVote {
    fn apply(&mut self, event: CommentVoteEvent) {
        let CommentVoteEvent::CommentVoteCast { id, vote_state, .. } = event;
        self.id = Some(id);
        self.vote_state = vote_state;
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ids::{AdminId, GuestId, MemberId};

    const VOTER: Actor = Actor::member(MemberId(Uuid::from_u128(1)));
    const AUTHOR: Actor = Actor::member(MemberId(Uuid::from_u128(2)));
    const ADMIN: Actor = Actor::admin(AdminId(Uuid::from_u128(2)));
    const GUEST: Actor = Actor::guest(GuestId(Uuid::from_u128(2)));

    fn vote(voter: Actor, author: Actor, is_deleted: bool) -> CommentVoteCommand {
        CommentVoteCommand::Cast(CastCommentVote {
            new_id: CommentVoteId(Uuid::from_u128(9)),
            comment_id: CommentId(Uuid::from_u128(3)),
            voter,
            vote_state: VoteState::Upvote,
            comment: Target { author, is_deleted },
        })
    }

    #[test]
    fn cvt_03_a_comment_is_not_voted_on_by_its_author_member_guest_or_admin() {
        let nothing = CommentVote::default();
        for person in [VOTER, GUEST, ADMIN] {
            let own = nothing.decide(vote(person, person, false));
            assert_eq!(own, Err(CommentVoteError::OwnComment));
        }
        // A member, an admin and a guest of one id are three.
        for other in [ADMIN, GUEST] {
            assert_eq!(nothing.decide(vote(other, AUTHOR, false)).unwrap().len(), 1);
        }
    }

    #[test]
    fn cvt_05_the_voter_is_a_member_an_admin_or_a_guest() {
        let nobody = CommentVote::default().decide(vote(Actor::SYSTEM, AUTHOR, false));
        assert_eq!(nobody, Err(CommentVoteError::NoVoter));
    }

    #[test]
    fn cvt_07_a_deleted_comment_is_not_voted_on() {
        let late = CommentVote::default().decide(vote(VOTER, AUTHOR, true));
        assert_eq!(late, Err(CommentVoteError::CommentDeleted));
    }

    #[test]
    fn cvt_02_cvt_04_a_vote_that_is_so_already_changes_nothing() {
        let mut cast = CommentVote::default();
        for event in cast.decide(vote(VOTER, AUTHOR, false)).unwrap() {
            let CommentVoteEvent::CommentVoteCast { vote_state, previous, .. } = &event;
            assert_eq!((*vote_state, *previous), (VoteState::Upvote, VoteState::None));
            cqrs_es::Aggregate::apply(&mut cast, event);
        }
        assert_eq!(cast.decide(vote(VOTER, AUTHOR, false)), Ok(vec![]));
    }
}
