//! `join-community`: becomes a member of a community.

use agora_domain::{
    community::{
        community::Community,
        membership::{JoinCommunity as Join, Membership, MembershipCommand},
    },
    ids::CommunityId,
};
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

/// Joins a community.
pub struct JoinCommunity {
    community_id: CommunityId,
}

/// The body of `join-community`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinCommunityBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    community_id: Field<CommunityId>,
}

impl Command for JoinCommunity {
    const NAME: &'static str = "join-community";
    const SUMMARY: &'static str = "Become a member of a community";
    const RULES: &'static [&'static str] = &["MSH-01", "MSH-04", "MEM-05", "ESX-03", "ESX-04"];
    type Body = JoinCommunityBody;

    fn parse(body: JoinCommunityBody, wrong: &mut WrongFields) -> Option<Self> {
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
        let community = decision.load::<Community>(community_id.to_string()).await?;
        let stream_id = Membership::stream_id(community_id, member_id);
        let membership = decision.load::<Membership>(&stream_id).await?;
        let join = Join {
            new_id: decision.new_id(),
            community_id,
            member_id,
            community_open: community.state.is_open(),
        };
        decision.decide_on_target(&membership, MembershipCommand::Join(join)).await?;
        Ok(Done::of::<Membership>(stream_id))
    }

    fn example() -> Value {
        json!({ "community_id": "01970000-0000-7000-8000-000000000001" })
    }
}
