//! `delete-comment`: a comment becomes a placeholder in its tree; it can be restored.

use agora_domain::{
    content::comment::{Comment, CommentCommand, DeleteComment as Delete},
    ids::CommentId,
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
    guests, moderations,
    refusal::{CommandError, no_such},
};

/// Deletes a comment.
pub struct DeleteComment {
    comment_id: CommentId,
    reason: Option<ModerationReason>,
}

/// The body of `delete-comment`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteCommentBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    comment_id: Field<CommentId>,
    /// Needed of an admin who deletes somebody else's comment.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    #[serde(default)]
    reason: Field<ModerationReason>,
}

impl Command for DeleteComment {
    const NAME: &'static str = "delete-comment";
    const SUMMARY: &'static str =
        "Delete a comment of one's own or, as an admin with a reason, any";
    const RULES: &'static [&'static str] = &[
        "CMT-06", "CMT-07", "CMT-09", "CMT-10", "MOD-02", "MOD-06", "MOD-07", "MEM-05", "REL-10",
        "ESX-03", "ESX-04",
    ];
    type Body = DeleteCommentBody;

    fn parse(body: DeleteCommentBody, wrong: &mut WrongFields) -> Option<Self> {
        let comment_id = wrong.required("/comment_id", body.comment_id);
        let reason = wrong.optional("/reason", body.reason);
        Some(Self { comment_id: comment_id?, reason: reason? })
    }

    async fn prepare(&mut self, app: &App, caller: &Caller) -> Result<(), Problem> {
        guests::throttle(app, caller, "CMT-09")
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let actor = decision.actor()?;
        // Whatever the configuration says by now: a guest may take back what it wrote.
        guests::note_activity(decision).await?;
        let comment = decision.load::<Comment>(self.comment_id.to_string()).await?;
        let author = comment.state.author().ok_or_else(|| no_such("comment"))?;
        let reason = moderations::reason_for(author, self.reason.clone(), decision).await?;
        // What is gone with its post may be deleted all the same.
        let delete = Delete { actor, reason };
        decision.decide_on_target(&comment, CommentCommand::Delete(delete)).await?;
        Ok(Done::of::<Comment>(self.comment_id))
    }

    fn example() -> Value {
        json!({ "comment_id": "01970000-0000-7000-8000-000000000001" })
    }
}
