//! `edit-post`: its author, or an admin with a reason, changes a post's title or body.

use agora_domain::{
    PersonalCategory,
    content::post::{EditPost as Edit, Post, PostCommand},
    ids::PostId,
    site::settings,
    values::{Body, ModerationReason, Title},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    refusal::{CommandError, no_such},
};

/// Edits a post; what stays as it is is `None`.
pub struct EditPost {
    post_id: PostId,
    title: Option<Title>,
    body: Option<Body>,
    reason: Option<ModerationReason>,
}

/// The body of `edit-post`. What is absent stays as it is. After 100 changes its
/// author edits and restores a post no more, after 190 nobody does (PST-12).
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditPostBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    post_id: Field<PostId>,
    /// One line.
    #[schema(value_type = Option<String>, min_length = 5, max_length = 120)]
    #[serde(default)]
    title: Field<Title>,
    /// Plain text with line breaks.
    #[schema(value_type = Option<String>, min_length = 10, max_length = 10_000)]
    #[serde(default)]
    body: Field<Body>,
    /// Needed of an admin who edits somebody else's post.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    #[serde(default)]
    reason: Field<ModerationReason>,
}

impl Command for EditPost {
    const NAME: &'static str = "edit-post";
    const SUMMARY: &'static str = "Change a post of one's own or, as an admin with a reason, any";
    const RULES: &'static [&'static str] = &[
        "PST-01", "PST-02", "PST-03", "PST-04", "PST-08", "PST-09", "PST-12", "MOD-02", "MOD-03",
        "MOD-06", "MEM-05", "REL-10", "ESX-03", "ESX-04",
    ];
    type Body = EditPostBody;

    fn parse(body: EditPostBody, wrong: &mut WrongFields) -> Option<Self> {
        let post_id = wrong.required("/post_id", body.post_id);
        let title = wrong.optional("/title", body.title);
        let text = wrong.optional("/body", body.body);
        let reason = wrong.optional("/reason", body.reason);
        Some(Self { post_id: post_id?, title: title?, body: text?, reason: reason? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let editor = decision.actor()?;
        let post = decision.load::<Post>(self.post_id.to_string()).await?;
        let author = post.state.author().ok_or_else(|| no_such("post"))?;
        if let Some(body) = &self.body {
            decision.fits(&settings::MAX_POST_LENGTH, body.as_str(), "PST-02").await?;
        }
        // Whoever edits: the text and the reason are about the author.
        let content = PersonalCategory::Content;
        let edit = Edit {
            editor,
            title: self.title.clone().map(|title| decision.personal(author, content, title)),
            body: self.body.clone().map(|body| decision.personal(author, content, body)),
            reason: self.reason.clone().map(|reason| decision.personal(author, content, reason)),
        };
        decision.decide_on_target(&post, PostCommand::Edit(edit)).await?;
        Ok(Done::of::<Post>(self.post_id))
    }

    fn example() -> Value {
        json!({
            "post_id": "01970000-0000-7000-8000-000000000001",
            "title": "Which kernel do you run today?",
        })
    }
}
