//! One voter's vote on one post (E15). The stream is the pair: `{post}:{member|admin}:{voter}` (K4).
//!
//! Life cycle: the first vote opens the stream; each later change is another `PostVoteCast`; `none`
//! takes the vote back. A vote that is already so changes nothing.

use serde::{Deserialize, Serialize};

use super::vote::{self, Target, VoteState};
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::{PostId, PostVoteId},
    refusal::{Refusal, RefusalKind},
};

/// A vote as the log tells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PostVote {
    pub id: Option<PostVoteId>,
    pub vote_state: VoteState,
}

impl PostVote {
    /// The id of the stream of one voter's vote on one post.
    pub fn stream_id(post: PostId, voter: Actor) -> String {
        format!("{post}:{voter}")
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum PostVoteCommand {
    Cast(CastPostVote),
}

#[derive(Clone, Debug, PartialEq)]
pub struct CastPostVote {
    /// The id that the vote gets if this is the first of its voter on its post.
    pub new_id: PostVoteId,
    pub post_id: PostId,
    pub voter: Actor,
    pub vote_state: VoteState,
    pub post: Target,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PostVoteEvent {
    /// The whole state of the vote after the change, and what it was before: a score is the sum of
    /// `vote_state` − `previous`, so that no projection needs to remember each vote.
    PostVoteCast {
        id: PostVoteId,
        post_id: PostId,
        voter: Actor,
        vote_state: VoteState,
        previous: VoteState,
    },
}

domain_event!(PostVoteEvent { PostVoteCast => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PostVoteError {
    #[error("a post cannot be voted on by its author")]
    OwnPost,
    #[error("only a member or an admin can vote on a post")]
    NoVoter,
    #[error("the post is deleted")]
    PostDeleted,
}

impl From<vote::Refused> for PostVoteError {
    fn from(refused: vote::Refused) -> Self {
        match refused {
            vote::Refused::Own => Self::OwnPost,
            vote::Refused::Deleted => Self::PostDeleted,
        }
    }
}

impl Refusal for PostVoteError {
    fn rule(&self) -> &'static str {
        match self {
            Self::OwnPost => "PVT-07",
            Self::NoVoter => "PVT-03",
            Self::PostDeleted => "PVT-08",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::OwnPost | Self::NoVoter => RefusalKind::Forbidden,
            Self::PostDeleted => RefusalKind::Gone,
        }
    }
}

aggregate!(PostVote, "post_vote", PostVoteCommand, PostVoteEvent, PostVoteError);

impl Decide for PostVote {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(&self, command: PostVoteCommand) -> Result<Vec<PostVoteEvent>, PostVoteError> {
        match command {
            PostVoteCommand::Cast(command) => cast(self, command),
        }
    }
}

fn cast(vote: &PostVote, command: CastPostVote) -> Result<Vec<PostVoteEvent>, PostVoteError> {
    if !command.voter.has_account() {
        return Err(PostVoteError::NoVoter);
    }
    if !vote::changes(vote.vote_state, command.vote_state, command.voter, command.post)? {
        return Ok(Vec::new());
    }
    Ok(vec![PostVoteEvent::PostVoteCast {
        id: vote.id.unwrap_or(command.new_id),
        post_id: command.post_id,
        voter: command.voter,
        vote_state: command.vote_state,
        previous: vote.vote_state,
    }])
}

impl PostVote {
    fn apply(&mut self, event: PostVoteEvent) {
        let PostVoteEvent::PostVoteCast { id, vote_state, .. } = event;
        self.id = Some(id);
        self.vote_state = vote_state;
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::Aggregate;
    use uuid::Uuid;

    use super::*;
    use crate::ids::{GuestId, MemberId};

    const VOTER: Actor = Actor::member(MemberId(Uuid::from_u128(1)));
    const AUTHOR: Actor = Actor::member(MemberId(Uuid::from_u128(2)));

    fn vote(vote_state: VoteState) -> CastPostVote {
        CastPostVote {
            new_id: PostVoteId(Uuid::from_u128(9)),
            post_id: PostId(Uuid::from_u128(3)),
            voter: VOTER,
            vote_state,
            post: Target { author: AUTHOR, is_deleted: false },
        }
    }

    #[test]
    fn pvt_01_pvt_06_a_vote_is_one_of_three_words() {
        for (word, accepted) in [
            ("upvote", true),
            ("downvote", true),
            ("none", true),
            ("Upvote", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(word.parse::<VoteState>().is_ok(), accepted, "{word}");
        }
    }

    #[test]
    fn pvt_02_pvt_04_pvt_05_every_toggle_moves_the_score_by_the_difference() {
        use VoteState::{Downvote, None, Upvote};
        for from in [Upvote, Downvote, None] {
            for to in [Upvote, Downvote, None] {
                let before =
                    PostVote { id: Some(PostVoteId(Uuid::from_u128(4))), vote_state: from };
                let events = before.decide(PostVoteCommand::Cast(vote(to))).unwrap();
                assert_eq!(events.is_empty(), from == to);
                let mut after = before.clone();
                let mut moved = 0;
                for event in events {
                    let PostVoteEvent::PostVoteCast { id, vote_state, previous, .. } = &event;
                    assert_eq!(Some(*id), before.id, "the row keeps its id");
                    moved += vote_state.weight() - previous.weight();
                    Aggregate::apply(&mut after, event);
                }
                assert_eq!(after.vote_state, to);
                assert_eq!(moved, to.weight() - from.weight());
            }
        }
    }

    #[test]
    fn pvt_07_a_post_is_not_voted_on_by_its_author() {
        let own = CastPostVote {
            post: Target { author: VOTER, is_deleted: false },
            ..vote(VoteState::Upvote)
        };
        assert_eq!(
            PostVote::default().decide(PostVoteCommand::Cast(own)),
            Err(PostVoteError::OwnPost)
        );
    }

    #[test]
    fn pvt_03_a_guest_does_not_vote_on_posts() {
        for voter in [Actor::guest(GuestId(Uuid::from_u128(1))), Actor::SYSTEM] {
            let cast = CastPostVote { voter, ..vote(VoteState::Upvote) };
            let refused = PostVote::default().decide(PostVoteCommand::Cast(cast));
            assert_eq!(refused, Err(PostVoteError::NoVoter));
        }
    }

    #[test]
    fn pvt_08_a_deleted_post_is_not_voted_on() {
        let late = CastPostVote {
            post: Target { author: AUTHOR, is_deleted: true },
            ..vote(VoteState::Upvote)
        };
        assert_eq!(
            PostVote::default().decide(PostVoteCommand::Cast(late)),
            Err(PostVoteError::PostDeleted)
        );
    }
}
