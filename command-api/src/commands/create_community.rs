//! `create-community`: makes a community; who makes it owns it and is its first member.

use agora_domain::{
    community::{
        category::Category,
        community::{Community, CommunityCommand, CreateCommunity as Create},
        membership::{JoinCommunity, Membership, MembershipCommand},
    },
    identity::member::Member,
    ids::{CategoryId, CommunityId},
    values::{CommunityDescription, CommunityName, ImageUri},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    refusal::CommandError,
};

/// The scope of claims under which communities' names stand, folded; never released (COM-03).
pub const COMMUNITY_NAME: &str = "community_name";

/// Makes a community.
pub struct CreateCommunity {
    name: CommunityName,
    category_id: CategoryId,
    description: Option<CommunityDescription>,
    logo_uri: Option<ImageUri>,
    banner_uri: Option<ImageUri>,
}

/// The body of `create-community`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCommunityBody {
    /// Unique up to case, for ever; it never changes.
    #[schema(value_type = String, required, min_length = 5, max_length = 32,
             pattern = "^[A-Za-z0-9_-]+$")]
    #[serde(default)]
    name: Field<CommunityName>,
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    category_id: Field<CategoryId>,
    #[schema(value_type = Option<String>, max_length = 200)]
    #[serde(default)]
    description: Field<CommunityDescription>,
    #[schema(value_type = Option<String>, format = "uri", min_length = 9, max_length = 2_048,
             pattern = "^https://")]
    #[serde(default)]
    logo_uri: Field<ImageUri>,
    #[schema(value_type = Option<String>, format = "uri", min_length = 9, max_length = 2_048,
             pattern = "^https://")]
    #[serde(default)]
    banner_uri: Field<ImageUri>,
}

impl Command for CreateCommunity {
    const NAME: &'static str = "create-community";
    const SUMMARY: &'static str = "Make a community, own it and be its first member";
    const RULES: &'static [&'static str] =
        &["COM-01", "COM-02", "COM-03", "COM-04", "COM-05", "COM-12", "COM-14", "MEM-05", "ESX-04"];
    type Body = CreateCommunityBody;

    fn parse(body: CreateCommunityBody, wrong: &mut WrongFields) -> Option<Self> {
        let name = wrong.required("/name", body.name);
        let category_id = wrong.required("/category_id", body.category_id);
        let description = wrong.optional("/description", body.description);
        let logo_uri = wrong.optional("/logo_uri", body.logo_uri);
        let banner_uri = wrong.optional("/banner_uri", body.banner_uri);
        Some(Self {
            name: name?,
            category_id: category_id?,
            description: description?,
            logo_uri: logo_uri?,
            banner_uri: banner_uri?,
        })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let creator = decision.actor()?;
        let community_id: CommunityId = decision.new_id();
        let category = decision.load::<Category>(self.category_id.to_string()).await?;
        let creator_is_active = match creator.as_member() {
            None => false,
            Some(member) => decision.load::<Member>(member.to_string()).await?.state.is_active(),
        };
        let create = Create {
            community_id,
            creator,
            category_id: self.category_id,
            name: self.name.clone(),
            description: self.description.clone(),
            logo_uri: self.logo_uri.clone(),
            banner_uri: self.banner_uri.clone(),
            creator_is_active,
            category_open: category.state.is_open(),
        };
        let community = decision.begin::<Community>(community_id);
        decision.decide_on_target(&community, CommunityCommand::Create(create)).await?;
        if let Some(member_id) = creator.as_member() {
            let stream_id = Membership::stream_id(community_id, member_id);
            let membership = decision.begin::<Membership>(stream_id);
            let new_id = decision.new_id();
            let join = JoinCommunity { new_id, community_id, member_id, community_open: true };
            decision.decide(&membership, MembershipCommand::Join(join)).await?;
        }
        decision.take(COMMUNITY_NAME, self.name.folded(), community_id);
        Ok(Done::of::<Community>(community_id))
    }

    fn example() -> Value {
        json!({
            "name": "kernel-talk",
            "category_id": "01970000-0000-7000-8000-000000000001",
            "description": "All about kernels.",
            "logo_uri": "https://example.org/logo.png",
        })
    }
}
