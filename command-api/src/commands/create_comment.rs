//! `create-comment`: comments on a post, or answers a comment on it.

use agora_domain::{
    PersonalCategory,
    content::comment::{Comment, CommentCommand, CreateComment as Create},
    ids::{CommentId, PostId},
    site::settings,
    values::{CommentBody, CommentDisplayName},
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    App, Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    guests, posts,
    refusal::CommandError,
};

/// Writes a comment.
pub struct CreateComment {
    post_id: PostId,
    parent_comment_id: Option<CommentId>,
    body: CommentBody,
    display_name: Option<CommentDisplayName>,
}

/// The body of `create-comment`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCommentBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    post_id: Field<PostId>,
    /// The comment that this one answers, on the same post; absent where it is about the post.
    #[schema(value_type = Option<Uuid>)]
    #[serde(default)]
    parent_comment_id: Field<CommentId>,
    /// Plain text with line breaks.
    #[schema(value_type = String, required, min_length = 2, max_length = 2_000)]
    #[serde(default)]
    body: Field<CommentBody>,
    /// Shown as the author's name; empty or absent is shown as `Anonymous`. Guests give none.
    #[schema(value_type = Option<String>, max_length = 32)]
    #[serde(default)]
    display_name: Field<CommentDisplayName>,
}

impl Command for CreateComment {
    const NAME: &'static str = "create-comment";
    const SUMMARY: &'static str = "Comment on a post, or answer a comment on it";
    const RULES: &'static [&'static str] = &[
        "CMT-01", "CMT-02", "CMT-03", "CMT-04", "CMT-05", "CMT-07", "CMT-08", "CMT-09", "GST-05",
        "PST-03", "MEM-05", "ESX-04",
    ];
    type Body = CreateCommentBody;

    fn parse(body: CreateCommentBody, wrong: &mut WrongFields) -> Option<Self> {
        let post_id = wrong.required("/post_id", body.post_id);
        let parent_comment_id = wrong.optional("/parent_comment_id", body.parent_comment_id);
        let text = wrong.required("/body", body.body);
        let display_name = wrong.optional("/display_name", body.display_name);
        Some(Self {
            post_id: post_id?,
            parent_comment_id: parent_comment_id?,
            body: text?,
            display_name: display_name?,
        })
    }

    async fn prepare(&mut self, app: &App, caller: &Caller) -> Result<(), Problem> {
        guests::throttle(app, caller, "CMT-09")
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let author = decision.actor()?;
        guests::admit(decision, &settings::ALLOW_GUEST_COMMENTS, "CMT-09").await?;
        decision.fits(&settings::MAX_COMMENT_LENGTH, self.body.as_str(), "CMT-01").await?;
        let unknown = || Problem::not_found("There is no such post.").with_rule("CMT-08");
        let post = posts::look_at(self.post_id, decision).await?.ok_or_else(unknown)?;
        let parent = match self.parent_comment_id {
            None => None,
            Some(parent_id) => {
                let parent = decision.load::<Comment>(parent_id.to_string()).await?;
                let unknown = || {
                    let detail = "There is no comment of this parent_comment_id.";
                    Problem::rule_broken("CMT-04", detail)
                };
                Some(parent.state.as_parent(parent_id).ok_or_else(unknown)?)
            }
        };
        let comment_id: CommentId = decision.new_id();
        let create = Create {
            comment_id,
            post_id: self.post_id,
            community_id: post.community_id,
            parent,
            author,
            body: decision.personal(author, PersonalCategory::Content, self.body.clone()),
            display_name: self
                .display_name
                .clone()
                .map(|name| decision.personal(author, PersonalCategory::Identity, name)),
            post_open: post.is_open,
        };
        let comment = decision.begin::<Comment>(comment_id);
        decision.decide_on_target(&comment, CommentCommand::Create(create)).await?;
        Ok(Done::of::<Comment>(comment_id))
    }

    fn example() -> Value {
        json!({
            "post_id": "01970000-0000-7000-8000-000000000001",
            "body": "Mine is older than my cat.",
            "display_name": "Kari",
        })
    }
}
