//! `cast-vote`: says yes or no to a post or a comment, or takes that back.

use agora_domain::{
    content::{
        comment::Comment,
        comment_vote::{CastCommentVote, CommentVote, CommentVoteCommand},
        post_vote::{CastPostVote, PostVote, PostVoteCommand},
        vote::{Target, VoteState},
    },
    ids::{CommentId, PostId},
    refusal::RuleBreak,
    site::settings,
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    App, Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, Object, WrongFields},
    guests, posts,
    refusal::{CommandError, no_such},
};

/// Votes on a post or a comment.
pub struct CastVote {
    target: VoteTarget,
    vote_state: VoteState,
}

#[derive(Clone, Copy)]
enum VoteTarget {
    Post(PostId),
    Comment(CommentId),
}

/// The body of `cast-vote`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CastVoteBody {
    #[schema(value_type = TargetBody, required)]
    #[serde(default)]
    target: Field<Object<TargetBody>>,
    /// `none` takes the vote back.
    #[schema(value_type = String, required, example = "upvote", pattern = "^(upvote|downvote|none)$")]
    #[serde(default)]
    vote_state: Field<VoteState>,
}

/// What is voted on.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Target)]
pub struct TargetBody {
    #[schema(value_type = String, required, example = "post", pattern = "^(post|comment)$")]
    #[serde(default)]
    kind: Field<TargetKind>,
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    id: Field<PostId>,
}

/// A post or a comment.
#[derive(Clone, Copy)]
pub enum TargetKind {
    Post,
    Comment,
}

impl TargetBody {
    /// What is named, as far as it can be read; a comment's id, too, is a UUID.
    pub fn parse(self, wrong: &mut WrongFields) -> (Option<TargetKind>, Option<PostId>) {
        (wrong.required("/target/kind", self.kind), wrong.required("/target/id", self.id))
    }
}

impl std::str::FromStr for TargetKind {
    type Err = RuleBreak;

    fn from_str(text: &str) -> Result<Self, RuleBreak> {
        match text {
            "post" => Ok(Self::Post),
            "comment" => Ok(Self::Comment),
            _ => Err(RuleBreak::malformed("must be `post` or `comment`")),
        }
    }
}

impl Command for CastVote {
    const NAME: &'static str = "cast-vote";
    const SUMMARY: &'static str = "Vote a post or a comment up or down, or take the vote back";
    const RULES: &'static [&'static str] = &[
        "PVT-01", "PVT-03", "PVT-06", "PVT-07", "PVT-08", "CVT-01", "CVT-03", "CVT-06", "CVT-07",
        "GST-05", "CFG-07", "REL-10", "ESX-03", "ESX-04",
    ];
    type Body = CastVoteBody;

    fn parse(body: CastVoteBody, wrong: &mut WrongFields) -> Option<Self> {
        let target = wrong.required("/target", body.target);
        let (kind, id) = target.map_or((None, None), |Object(target)| target.parse(wrong));
        let on_comment = matches!(kind, Some(TargetKind::Comment));
        let vote_state = match body.vote_state {
            Field::Null => {
                let rule = if on_comment { "CVT-01" } else { "PVT-06" };
                let null = RuleBreak::new(rule, "must not be null: `none` takes a vote back");
                wrong.note("/vote_state", &null)
            }
            Field::Bad(broken) if on_comment && broken.rule == Some("PVT-01") => {
                wrong.note("/vote_state", &RuleBreak::new("CVT-01", broken.detail))
            }
            other => wrong.required("/vote_state", other),
        };
        let id: PostId = id?;
        let target = match kind? {
            TargetKind::Post => VoteTarget::Post(id),
            TargetKind::Comment => VoteTarget::Comment(CommentId(id.0)),
        };
        Some(Self { target, vote_state: vote_state? })
    }

    async fn prepare(&mut self, app: &App, caller: &Caller) -> Result<(), Problem> {
        guests::throttle(app, caller, "CVT-06")
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        let voter = caller.actor()?;
        Some(match self.target {
            VoteTarget::Post(id) => PostVote::stream_id(id, voter),
            VoteTarget::Comment(id) => CommentVote::stream_id(id, voter),
        })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        if !decision.flag(&settings::ENABLE_VOTING).await? {
            let off = Problem::forbidden("Voting is switched off (enable_voting).");
            return Err(off.with_rule("CFG-07").into());
        }
        match self.target {
            VoteTarget::Post(post_id) => self.on_post(post_id, decision).await,
            VoteTarget::Comment(comment_id) => self.on_comment(comment_id, decision).await,
        }
    }

    fn example() -> Value {
        json!({
            "target": { "kind": "post", "id": "01970000-0000-7000-8000-000000000001" },
            "vote_state": "upvote",
        })
    }
}

impl CastVote {
    async fn on_post(
        &self,
        post_id: PostId,
        decision: &mut Decision<'_>,
    ) -> Result<Done, CommandError> {
        let voter = decision.actor()?;
        if guests::sender(decision.caller).is_some() {
            let detail = "Guests do not vote on posts: log in first.";
            return Err(Problem::forbidden(detail).with_rule("PVT-03").into());
        }
        let post = posts::look_at(post_id, decision).await?.ok_or_else(|| no_such("post"))?;
        let stream_id = PostVote::stream_id(post_id, voter);
        let vote = decision.presume::<PostVote>(&stream_id).await?;
        let cast = CastPostVote {
            new_id: decision.new_id(),
            post_id,
            voter,
            vote_state: self.vote_state,
            post: Target { author: post.author, is_deleted: !post.is_open },
        };
        decision.decide_on_target(&vote, PostVoteCommand::Cast(cast)).await?;
        Ok(Done::of::<PostVote>(stream_id))
    }

    async fn on_comment(
        &self,
        comment_id: CommentId,
        decision: &mut Decision<'_>,
    ) -> Result<Done, CommandError> {
        let voter = decision.actor()?;
        guests::admit(decision, &settings::ALLOW_GUEST_VOTES, "CVT-06").await?;
        let comment = decision.load::<Comment>(comment_id.to_string()).await?;
        let (Some(author), Some(post_id)) = (comment.state.author(), comment.state.post_id())
        else {
            return Err(no_such("comment"));
        };
        let post = posts::look_at(post_id, decision).await?.ok_or_else(|| no_such("post"))?;
        let stream_id = CommentVote::stream_id(comment_id, voter);
        // With a guest's vote its activity may be written, so that a unit with events would not show
        // that the vote was only presumed to be new.
        let vote = match guests::sender(decision.caller) {
            Some(_) => decision.load::<CommentVote>(&stream_id).await?,
            None => decision.presume::<CommentVote>(&stream_id).await?,
        };
        let is_deleted = comment.state.is_deleted() || !post.is_open;
        let cast = CastCommentVote {
            new_id: decision.new_id(),
            comment_id,
            voter,
            vote_state: self.vote_state,
            comment: Target { author, is_deleted },
        };
        decision.decide_on_target(&vote, CommentVoteCommand::Cast(cast)).await?;
        Ok(Done::of::<CommentVote>(stream_id))
    }
}
