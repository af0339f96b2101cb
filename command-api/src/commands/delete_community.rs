//! `delete-community`: a community disappears; nobody joins it or posts in it, and its rules
//! are cleared. Its name stays taken.

use agora_domain::{
    community::{
        community::{ChangeCommunityVisibility, Community, CommunityCommand},
        community_rules::{ClearCommunityRules, CommunityRules, CommunityRulesCommand},
    },
    ids::CommunityId,
    values::ModerationReason,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    communities::reason_for,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    refusal::CommandError,
};

/// Deletes a community.
pub struct DeleteCommunity {
    community_id: CommunityId,
    reason: Option<ModerationReason>,
}

/// The body of `delete-community`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteCommunityBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    community_id: Field<CommunityId>,
    /// Needed of an admin; the owner reads it.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    #[serde(default)]
    reason: Field<ModerationReason>,
}

impl Command for DeleteCommunity {
    const NAME: &'static str = "delete-community";
    const SUMMARY: &'static str = "Delete a community of one's own or, as an admin with a reason, any; an admin can restore it";
    const RULES: &'static [&'static str] =
        &["COM-08", "COM-10", "MOD-02", "MOD-06", "MOD-07", "MEM-05", "REL-10", "ESX-03", "ESX-04"];
    type Body = DeleteCommunityBody;

    fn parse(body: DeleteCommunityBody, wrong: &mut WrongFields) -> Option<Self> {
        let community_id = wrong.required("/community_id", body.community_id);
        let reason = wrong.optional("/reason", body.reason);
        Some(Self { community_id: community_id?, reason: reason? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let actor = decision.actor()?;
        let community = decision.load::<Community>(self.community_id.to_string()).await?;
        let reason = reason_for(&community.state, self.reason.clone(), decision).await?;
        let change = ChangeCommunityVisibility { actor, reason };
        decision.decide_on_target(&community, CommunityCommand::Delete(change)).await?;
        let rules = decision.load::<CommunityRules>(self.community_id.to_string()).await?;
        let clear = ClearCommunityRules { community_id: self.community_id, actor };
        decision.decide(&rules, CommunityRulesCommand::Clear(clear)).await?;
        Ok(Done::of::<Community>(self.community_id))
    }

    fn example() -> Value {
        json!({ "community_id": "01970000-0000-7000-8000-000000000001" })
    }
}
