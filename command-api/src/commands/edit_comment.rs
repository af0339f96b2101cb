//! `edit-comment`: changes what a comment says.

use agora_domain::{
    PersonalCategory,
    content::comment::{Comment, CommentCommand, EditComment as Edit},
    ids::CommentId,
    site::settings,
    values::{CommentBody, ModerationReason},
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
    refusal::{CommandError, no_such},
};

/// Edits a comment.
pub struct EditComment {
    comment_id: CommentId,
    body: CommentBody,
    reason: Option<ModerationReason>,
}

/// The body of `edit-comment`. After 100 changes its author edits and restores a comment no more,
/// after 190 nobody does (CMT-10).
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditCommentBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    comment_id: Field<CommentId>,
    /// Plain text with line breaks.
    #[schema(value_type = String, required, min_length = 2, max_length = 2_000)]
    #[serde(default)]
    body: Field<CommentBody>,
    /// Needed of an admin who edits somebody else's comment.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    #[serde(default)]
    reason: Field<ModerationReason>,
}

impl Command for EditComment {
    const NAME: &'static str = "edit-comment";
    const SUMMARY: &'static str =
        "Change a comment of one's own or, as an admin with a reason, any";
    const RULES: &'static [&'static str] = &[
        "CMT-01", "CMT-07", "CMT-08", "CMT-09", "CMT-10", "PST-03", "MOD-02", "MOD-06", "MOD-07",
        "MEM-05", "REL-10", "ESX-03", "ESX-04",
    ];
    type Body = EditCommentBody;

    fn parse(body: EditCommentBody, wrong: &mut WrongFields) -> Option<Self> {
        let comment_id = wrong.required("/comment_id", body.comment_id);
        let text = wrong.required("/body", body.body);
        let reason = wrong.optional("/reason", body.reason);
        Some(Self { comment_id: comment_id?, body: text?, reason: reason? })
    }

    async fn prepare(&mut self, app: &App, caller: &Caller) -> Result<(), Problem> {
        guests::throttle(app, caller, "CMT-09")
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let editor = decision.actor()?;
        guests::admit(decision, &settings::ALLOW_GUEST_COMMENTS, "CMT-09").await?;
        let comment = decision.load::<Comment>(self.comment_id.to_string()).await?;
        let author = comment.state.author().ok_or_else(|| no_such("comment"))?;
        let post_id = comment.state.post_id().ok_or_else(|| no_such("comment"))?;
        let post = posts::look_at(post_id, decision).await?.ok_or_else(|| no_such("post"))?;
        decision.fits(&settings::MAX_COMMENT_LENGTH, self.body.as_str(), "CMT-01").await?;
        // Whoever edits: the text and the reason are about the author.
        let content = PersonalCategory::Content;
        let edit = Edit {
            editor,
            post_open: post.is_open,
            body: decision.personal(author, content, self.body.clone()),
            reason: self.reason.clone().map(|reason| decision.personal(author, content, reason)),
        };
        decision.decide_on_target(&comment, CommentCommand::Edit(edit)).await?;
        Ok(Done::of::<Comment>(self.comment_id))
    }

    fn example() -> Value {
        json!({
            "comment_id": "01970000-0000-7000-8000-000000000001",
            "body": "Mine is older than both my cats.",
        })
    }
}
