//! `decide-content-notice`: an admin says what came of a notice, and why (DSA Art. 16(5)).

use agora_domain::{
    content::content_notice::{ContentNotice, ContentNoticeCommand, DecideNotice, NoticeOutcome},
    ids::ContentNoticeId,
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

/// Decides a notice.
pub struct DecideContentNotice {
    notice_id: ContentNoticeId,
    outcome: NoticeOutcome,
    reason: ModerationReason,
}

/// The body of `decide-content-notice`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideContentNoticeBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    notice_id: Field<ContentNoticeId>,
    /// `ACTION_TAKEN`: it was removed or changed, by a command of its own with its own reason.
    #[schema(value_type = String, required, pattern = "^(ACTION_TAKEN|NO_ACTION)$")]
    #[serde(default)]
    outcome: Field<NoticeOutcome>,
    /// Whoever gave the notice reads it.
    #[schema(value_type = String, required, min_length = 1, max_length = 255)]
    #[serde(default)]
    reason: Field<ModerationReason>,
}

impl Command for DecideContentNotice {
    const NAME: &'static str = "decide-content-notice";
    const SUMMARY: &'static str = "Say what came of a notice about a post or a comment, and why";
    const RULES: &'static [&'static str] =
        &["LAW-10", "MOD-02", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = DecideContentNoticeBody;

    fn parse(body: DecideContentNoticeBody, wrong: &mut WrongFields) -> Option<Self> {
        let notice_id = wrong.required("/notice_id", body.notice_id);
        let outcome = wrong.required("/outcome", body.outcome);
        let reason = wrong.required("/reason", body.reason);
        Some(Self { notice_id: notice_id?, outcome: outcome?, reason: reason? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let decided_by = decision.actor()?;
        let notice = decision.load::<ContentNotice>(self.notice_id.to_string()).await?;
        let notifier = notice.state.notifier().ok_or_else(|| no_such("notice"))?;
        let reason = moderations::reason_about(notifier, self.reason.clone(), decision).await?;
        let decide = DecideNotice { decided_by, outcome: self.outcome, reason };
        decision.decide_on_target(&notice, ContentNoticeCommand::Decide(decide)).await?;
        Ok(Done::of::<ContentNotice>(self.notice_id))
    }

    fn example() -> Value {
        json!({
            "notice_id": "01970000-0000-7000-8000-000000000001",
            "outcome": "ACTION_TAKEN",
            "reason": "The post was removed: these birds are protected.",
        })
    }
}
