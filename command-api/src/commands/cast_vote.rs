//! `cast-vote`: says yes or no to a post, or takes that back.

use agora_domain::{
    community::community::Community,
    content::{
        post::Post,
        post_vote::{CastPostVote, PostVote, PostVoteCommand, VoteState},
    },
    ids::PostId,
    refusal::RuleBreak,
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, Object, WrongFields},
    refusal::CommandError,
};

/// Votes on a post.
pub struct CastVote {
    post_id: PostId,
    vote_state: VoteState,
}

/// The body of `cast-vote`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CastVoteBody {
    #[schema(value_type = Target, required)]
    #[serde(default)]
    target: Option<Object<Target>>,
    /// `none` takes the vote back.
    #[schema(value_type = String, required, example = "upvote", pattern = "^(upvote|downvote|none)$")]
    #[serde(default)]
    vote_state: Field<VoteState>,
}

/// What is voted on.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    #[schema(value_type = String, required, example = "post", pattern = "^post$")]
    #[serde(default)]
    kind: Field<TargetKind>,
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    id: Field<PostId>,
}

struct TargetKind;

impl std::str::FromStr for TargetKind {
    type Err = RuleBreak;

    fn from_str(text: &str) -> Result<Self, RuleBreak> {
        (text == "post").then_some(Self).ok_or(RuleBreak::malformed("must be `post`"))
    }
}

impl Command for CastVote {
    const NAME: &'static str = "cast-vote";
    const SUMMARY: &'static str = "Vote a post up or down, or take the vote back";
    const RULES: &'static [&'static str] =
        &["PVT-01", "PVT-03", "PVT-06", "PVT-07", "PVT-08", "REL-10", "ESX-03", "ESX-04"];
    type Body = CastVoteBody;

    fn parse(body: CastVoteBody, wrong: &mut WrongFields) -> Option<Self> {
        let Object(target) = body.target.unwrap_or_default();
        let kind = wrong.required("/target/kind", target.kind);
        let post_id = wrong.required("/target/id", target.id);
        let vote_state = match body.vote_state {
            Field::Null => {
                let null = RuleBreak::new("PVT-06", "must not be null: `none` takes a vote back");
                wrong.note("/vote_state", &null)
            }
            other => wrong.required("/vote_state", other),
        };
        kind?;
        Some(Self { post_id: post_id?, vote_state: vote_state? })
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        Some(PostVote::stream_id(self.post_id, caller.actor()?))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let voter = decision.actor()?;
        let post = decision.load::<Post>(self.post_id.to_string()).await?;
        let (Some(post_author), Some(community_id)) =
            (post.state.author(), post.state.community_id())
        else {
            return Err(Problem::not_found("There is no such post.").with_rule("REL-10").into());
        };
        let community = decision.load::<Community>(community_id.to_string()).await?;
        let stream_id = PostVote::stream_id(self.post_id, voter);
        let vote = decision.presume::<PostVote>(&stream_id).await?;
        let cast = CastPostVote {
            new_id: decision.new_id(),
            post_id: self.post_id,
            voter,
            vote_state: self.vote_state,
            post_author,
            post_deleted: post.state.is_deleted() || !community.state.is_open(),
        };
        decision.decide_on_target(&vote, PostVoteCommand::Cast(cast)).await?;
        Ok(Done::of::<PostVote>(stream_id))
    }

    fn example() -> Value {
        json!({
            "target": { "kind": "post", "id": "01970000-0000-7000-8000-000000000001" },
            "vote_state": "upvote",
        })
    }
}
