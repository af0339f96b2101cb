//! `restore-post`: a deleted post is back as it was.

use agora_domain::{
    content::post::{ChangePostVisibility, Post, PostCommand},
    ids::PostId,
    values::ModerationReason,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    moderations,
    refusal::{CommandError, no_such},
};

/// Restores a post.
pub struct RestorePost {
    post_id: PostId,
    reason: Option<ModerationReason>,
}

/// The body of `restore-post`. One that has been changed too often for `edit-post` stays
/// deleted.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestorePostBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    post_id: Field<PostId>,
    /// Needed of an admin who restores somebody else's post.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    #[serde(default)]
    reason: Field<ModerationReason>,
}

impl Command for RestorePost {
    const NAME: &'static str = "restore-post";
    const SUMMARY: &'static str =
        "Bring a deleted post back; what an admin deleted, an admin restores";
    const RULES: &'static [&'static str] = &[
        "PST-08", "PST-09", "PST-12", "MOD-02", "MOD-03", "MOD-06", "MEM-05", "REL-10", "ESX-03",
        "ESX-04",
    ];
    type Body = RestorePostBody;

    fn parse(body: RestorePostBody, wrong: &mut WrongFields) -> Option<Self> {
        let post_id = wrong.required("/post_id", body.post_id);
        let reason = wrong.optional("/reason", body.reason);
        Some(Self { post_id: post_id?, reason: reason? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let actor = decision.actor()?;
        let post = decision.load::<Post>(self.post_id.to_string()).await?;
        let author = post.state.author().ok_or_else(|| no_such("post"))?;
        let reason = moderations::reason_for(author, self.reason.clone(), decision).await?;
        let change = ChangePostVisibility { actor, reason };
        decision.decide_on_target(&post, PostCommand::Restore(change)).await?;
        Ok(Done::of::<Post>(self.post_id))
    }

    fn example() -> Value {
        json!({ "post_id": "01970000-0000-7000-8000-000000000001" })
    }
}
