//! `restore-community`: a deleted community is back as it was.

use agora_domain::{
    community::community::{ChangeCommunityVisibility, Community, CommunityCommand},
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

/// Restores a community.
pub struct RestoreCommunity {
    community_id: CommunityId,
    reason: Option<ModerationReason>,
}

/// The body of `restore-community`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreCommunityBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    community_id: Field<CommunityId>,
    /// The owner reads it.
    #[schema(value_type = String, required, min_length = 1, max_length = 255)]
    #[serde(default)]
    reason: Field<ModerationReason>,
}

impl Command for RestoreCommunity {
    const NAME: &'static str = "restore-community";
    const SUMMARY: &'static str = "Bring a deleted community back, with a reason";
    const RULES: &'static [&'static str] =
        &["COM-08", "MOD-02", "MOD-06", "MOD-07", "REL-10", "ESX-03", "ESX-04"];
    type Body = RestoreCommunityBody;

    fn parse(body: RestoreCommunityBody, wrong: &mut WrongFields) -> Option<Self> {
        let community_id = wrong.required("/community_id", body.community_id);
        let reason = wrong.optional("/reason", body.reason);
        Some(Self { community_id: community_id?, reason: reason? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let actor = decision.actor()?;
        let community = decision.load::<Community>(self.community_id.to_string()).await?;
        let reason = reason_for(&community.state, self.reason.clone(), decision).await?;
        let change = ChangeCommunityVisibility { actor, reason };
        decision.decide_on_target(&community, CommunityCommand::Restore(change)).await?;
        Ok(Done::of::<Community>(self.community_id))
    }

    fn example() -> Value {
        json!({
            "community_id": "01970000-0000-7000-8000-000000000001",
            "reason": "It was deleted by mistake.",
        })
    }
}
