//! `appeal-moderation`: whoever wrote or owns what a moderator changed says why that was wrong.

use agora_domain::{
    PersonalCategory,
    content::moderation_appeal::{LodgeAppeal, ModerationAppeal, ModerationAppealCommand},
    ids::ModerationId,
    values::AppealText,
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

/// Appeals.
pub struct AppealModeration {
    moderation_id: ModerationId,
    text: AppealText,
}

/// The body of `appeal-moderation`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppealModerationBody {
    /// The `id` of one's notice.
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    moderation_id: Field<ModerationId>,
    #[schema(value_type = String, required, min_length = 1, max_length = 1_000)]
    #[serde(default)]
    text: Field<AppealText>,
}

impl Command for AppealModeration {
    const NAME: &'static str = "appeal-moderation";
    const SUMMARY: &'static str = "Appeal against what a moderator did to what is one's own, once";
    const RULES: &'static [&'static str] = &["MOD-08", "MEM-05", "REL-10", "ESX-03", "ESX-04"];
    type Body = AppealModerationBody;

    fn parse(body: AppealModerationBody, wrong: &mut WrongFields) -> Option<Self> {
        let moderation_id = wrong.required("/moderation_id", body.moderation_id);
        let text = wrong.required("/text", body.text);
        Some(Self { moderation_id: moderation_id?, text: text? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let appellant = decision.actor()?;
        let against = moderations::look_up(self.moderation_id, decision)
            .await?
            .ok_or_else(|| no_such("act of moderation"))?;
        let appeal = decision.load::<ModerationAppeal>(self.moderation_id.to_string()).await?;
        let text = decision.personal(appellant, PersonalCategory::Content, self.text.clone());
        let lodge = LodgeAppeal { against, appellant, text };
        decision.decide_on_target(&appeal, ModerationAppealCommand::Lodge(lodge)).await?;
        Ok(Done::of::<ModerationAppeal>(self.moderation_id))
    }

    fn example() -> Value {
        json!({
            "moderation_id": "01970000-0000-7000-8000-000000000001",
            "text": "It was an answer to the post above.",
        })
    }
}
