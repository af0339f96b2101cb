//! `visit-community`: says that a member looked into a community, so that it leads the list of
//! recent ones.

use agora_domain::{
    community::{
        community::Community,
        recent_communities::{
            RecentCommunities, RecentCommunitiesCommand, VisitCommunity as Visit,
        },
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

/// Visits a community.
pub struct VisitCommunity {
    community_id: CommunityId,
}

/// The body of `visit-community`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VisitCommunityBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    community_id: Field<CommunityId>,
}

impl Command for VisitCommunity {
    const NAME: &'static str = "visit-community";
    const SUMMARY: &'static str = "Say that one looks into a community";
    const RULES: &'static [&'static str] = &["REC-03", "REC-06", "MEM-05", "ESX-03", "ESX-04"];
    type Body = VisitCommunityBody;

    fn parse(body: VisitCommunityBody, wrong: &mut WrongFields) -> Option<Self> {
        let community_id = wrong.required("/community_id", body.community_id);
        Some(Self { community_id: community_id? })
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        let member_id = caller.actor()?.as_member()?;
        Some(format!("recent_communities/{member_id}"))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let community_id = self.community_id;
        let member_id = decision.actor()?.as_member().ok_or_else(|| members_only("REC-03"))?;
        let community = decision.load::<Community>(community_id.to_string()).await?;
        let stream_id = RecentCommunities::stream_id(member_id);
        let recent = decision.load::<RecentCommunities>(&stream_id).await?;
        let visit = Visit {
            new_id: decision.new_id(),
            member_id,
            community_id,
            now: decision.now,
            community_open: community.state.is_open(),
        };
        decision.decide_on_target(&recent, RecentCommunitiesCommand::Visit(visit)).await?;
        Ok(Done::of::<RecentCommunities>(stream_id))
    }

    fn example() -> Value {
        json!({ "community_id": "01970000-0000-7000-8000-000000000001" })
    }
}
