//! `restore-comment`: a deleted comment is back as it was.

use agora_domain::{
    content::comment::{Comment, CommentCommand, RestoreComment as Restore},
    ids::CommentId,
    site::settings,
    values::ModerationReason,
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
    guests, moderations, posts,
    refusal::{CommandError, no_such},
};

/// Restores a comment.
pub struct RestoreComment {
    comment_id: CommentId,
    reason: Option<ModerationReason>,
}

/// The body of `restore-comment`. One that has been changed too often for `edit-comment` stays
/// deleted.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreCommentBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    comment_id: Field<CommentId>,
    /// Needed of an admin who restores somebody else's comment.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    #[serde(default)]
    reason: Field<ModerationReason>,
}

impl Command for RestoreComment {
    const NAME: &'static str = "restore-comment";
    const SUMMARY: &'static str =
        "Bring a deleted comment back; what an admin deleted, an admin restores";
    const RULES: &'static [&'static str] = &[
        "CMT-06", "CMT-07", "CMT-08", "CMT-09", "CMT-10", "MOD-02", "MOD-06", "MOD-07", "MEM-05",
        "REL-10", "ESX-03", "ESX-04",
    ];
    type Body = RestoreCommentBody;

    fn parse(body: RestoreCommentBody, wrong: &mut WrongFields) -> Option<Self> {
        let comment_id = wrong.required("/comment_id", body.comment_id);
        let reason = wrong.optional("/reason", body.reason);
        Some(Self { comment_id: comment_id?, reason: reason? })
    }

    async fn prepare(&mut self, app: &App, caller: &Caller) -> Result<(), Problem> {
        guests::throttle(app, caller, "CMT-09")
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let actor = decision.actor()?;
        guests::admit(decision, &settings::ALLOW_GUEST_COMMENTS, "CMT-09").await?;
        let comment = decision.load::<Comment>(self.comment_id.to_string()).await?;
        let author = comment.state.author().ok_or_else(|| no_such("comment"))?;
        let post_id = comment.state.post_id().ok_or_else(|| no_such("comment"))?;
        let post = posts::look_at(post_id, decision).await?.ok_or_else(|| no_such("post"))?;
        let reason = moderations::reason_for(author, self.reason.clone(), decision).await?;
        let restore = Restore { actor, post_open: post.is_open, reason };
        decision.decide_on_target(&comment, CommentCommand::Restore(restore)).await?;
        Ok(Done::of::<Comment>(self.comment_id))
    }

    fn example() -> Value {
        json!({ "comment_id": "01970000-0000-7000-8000-000000000001" })
    }
}
