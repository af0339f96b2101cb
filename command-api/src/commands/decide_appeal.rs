//! `decide-appeal`: an admin who neither acted nor appealed decides. What was removed and is overturned
//! comes back in the same unit, by the rules of every restoration.

use agora_domain::{
    Actor, Personal,
    community::community::{ChangeCommunityVisibility, Community, CommunityCommand},
    content::{
        comment::{Comment, CommentCommand, RestoreComment},
        moderation::ModerationAction,
        moderation_appeal::{
            AppealOutcome, DecideAppeal as DecideIt, ModeratedKind, Moderation, ModerationAppeal,
            ModerationAppealCommand,
        },
        post::{ChangePostVisibility, Post, PostCommand},
    },
    ids::ModerationId,
    values::ModerationReason,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command, communities,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    moderations,
    refusal::{CommandError, no_such},
};

/// Decides an appeal.
pub struct DecideAppeal {
    moderation_id: ModerationId,
    outcome: AppealOutcome,
    reason: ModerationReason,
}

/// The body of `decide-appeal`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideAppealBody {
    /// The act that the appeal is against.
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    moderation_id: Field<ModerationId>,
    /// `upheld`: the act stands. `overturned`: it was wrong, and what it removed comes back.
    #[schema(value_type = String, required, pattern = "^(upheld|overturned)$")]
    #[serde(default)]
    outcome: Field<AppealOutcome>,
    /// The appellant reads it.
    #[schema(value_type = String, required, min_length = 1, max_length = 255)]
    #[serde(default)]
    reason: Field<ModerationReason>,
}

impl Command for DecideAppeal {
    const NAME: &'static str = "decide-appeal";
    const SUMMARY: &'static str = "Decide an appeal against what another admin did";
    const RULES: &'static [&'static str] =
        &["MOD-02", "MOD-06", "MOD-07", "MOD-08", "PST-12", "CMT-10", "REL-10", "ESX-03", "ESX-04"];
    type Body = DecideAppealBody;

    fn parse(body: DecideAppealBody, wrong: &mut WrongFields) -> Option<Self> {
        let moderation_id = wrong.required("/moderation_id", body.moderation_id);
        let outcome = wrong.required("/outcome", body.outcome);
        let reason = wrong.required("/reason", body.reason);
        Some(Self { moderation_id: moderation_id?, outcome: outcome?, reason: reason? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let decided_by = decision.actor()?;
        let appeal = decision.load::<ModerationAppeal>(self.moderation_id.to_string()).await?;
        let against = appeal.state.against().ok_or_else(|| no_such("appeal"))?;
        let reason =
            moderations::reason_about(against.affected, self.reason.clone(), decision).await?;
        let outcome = self.outcome;
        let decide = DecideIt { decided_by, outcome, reason: reason.clone() };
        decision.decide_on_target(&appeal, ModerationAppealCommand::Decide(decide)).await?;
        let removed = against.action == ModerationAction::Delete;
        if outcome == AppealOutcome::Overturned && removed && !appeal.state.is_decided() {
            self.restore(against, decided_by, reason, decision).await?;
        }
        Ok(Done::of::<ModerationAppeal>(self.moderation_id))
    }

    fn example() -> Value {
        json!({
            "moderation_id": "01970000-0000-7000-8000-000000000001",
            "outcome": "overturned",
            "reason": "It was on topic after all.",
        })
    }
}

impl DecideAppeal {
    /// Brings back what the act still keeps removed; what its author deleted since stays deleted, and
    /// what was removed again stays removed.
    async fn restore(
        &self,
        against: Moderation,
        actor: Actor,
        reason: Personal<ModerationReason>,
        decision: &mut Decision<'_>,
    ) -> Result<(), CommandError> {
        // None where the log has lost it (a restore).
        let Some(act) = moderations::recorded(self.moderation_id, decision.app).await? else {
            return Ok(());
        };
        let act = act.sequence;
        let id = against.thing_id.to_string();
        let reason = Some(reason);
        match against.kind {
            ModeratedKind::Post => {
                let post = decision.load::<Post>(id).await?;
                if post.state.is_removed_by(act) {
                    let restore = ChangePostVisibility { actor, reason };
                    decision.decide(&post, PostCommand::Restore(restore)).await?;
                }
            }
            ModeratedKind::Comment => {
                let comment = decision.load::<Comment>(id).await?;
                if comment.state.is_removed_by(act) {
                    // An admin restores whatever the post's state.
                    let restore = RestoreComment { actor, post_open: true, reason };
                    decision.decide(&comment, CommentCommand::Restore(restore)).await?;
                }
            }
            ModeratedKind::Community => {
                let community = decision.load::<Community>(id).await?;
                if community.state.is_removed_by(act) {
                    let reason = Some(self.reason.clone());
                    let reason =
                        communities::reason_for(&community.state, reason, decision).await?;
                    let restore = ChangeCommunityVisibility { actor, reason };
                    decision.decide(&community, CommunityCommand::Restore(restore)).await?;
                }
            }
        }
        Ok(())
    }
}
