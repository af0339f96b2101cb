//! `leave-community`: is no longer a member of a community.

use agora_domain::{
    community::{
        community::Community,
        membership::{LeaveCommunity as Leave, Membership, MembershipCommand},
    },
    ids::CommunityId,
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::{CommandError, members_only},
};

/// Leaves a community.
pub struct LeaveCommunity {
    community_id: CommunityId,
}

/// The body of `leave-community`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaveCommunityBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    community_id: Field<CommunityId>,
}

impl Command for LeaveCommunity {
    const NAME: &'static str = "leave-community";
    const SUMMARY: &'static str = "Be a member of a community no longer";
    const RULES: &'static [&'static str] = &["MSH-01", "MEM-05", "REL-10", "ESX-03", "ESX-04"];
    type Body = LeaveCommunityBody;

    fn parse(body: LeaveCommunityBody, wrong: &mut WrongFields) -> Option<Self> {
        let community_id = wrong.required("/community_id", body.community_id);
        Some(Self { community_id: community_id? })
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        let member_id = caller.actor()?.as_member()?;
        Some(Membership::stream_id(self.community_id, member_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let community_id = self.community_id;
        let member_id = decision.actor()?.as_member().ok_or_else(|| members_only("MSH-01"))?;
        // One may leave a deleted community, but not one that never was.
        let community = decision.load::<Community>(community_id.to_string()).await?;
        if !community.state.exists() {
            return Err(Problem::not_found("There is no such community.")
                .with_rule("REL-10")
                .into());
        }
        let stream_id = Membership::stream_id(community_id, member_id);
        let membership = decision.load::<Membership>(&stream_id).await?;
        let leave = MembershipCommand::Leave(Leave { community_id, member_id });
        decision.decide_on_target(&membership, leave).await?;
        Ok(Done::of::<Membership>(stream_id))
    }

    fn example() -> Value {
        json!({ "community_id": "01970000-0000-7000-8000-000000000001" })
    }
}
