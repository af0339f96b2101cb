//! `update-community`: its owner, or an admin once the owner's account is deleted, changes what a
//! community shows of itself, or its category.

use agora_domain::{
    community::{
        category::Category,
        community::{Community, CommunityCommand, NewCategory, UpdateCommunity as Update},
    },
    ids::{CategoryId, CommunityId},
    refusal::RuleBreak,
    values::{CommunityDescription, CommunityName, ImageUri},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command, communities,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    refusal::CommandError,
};

/// Changes a community; what stays as it is is `None`.
pub struct UpdateCommunity {
    community_id: CommunityId,
    description: Option<Option<CommunityDescription>>,
    category_id: Option<CategoryId>,
    logo_uri: Option<Option<ImageUri>>,
    banner_uri: Option<Option<ImageUri>>,
}

/// The body of `update-community`. What is absent stays as it is; the name always does.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateCommunityBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    community_id: Field<CommunityId>,
    /// Null takes the description away.
    #[schema(value_type = Option<String>, max_length = 200)]
    #[serde(default)]
    description: Field<CommunityDescription>,
    #[schema(value_type = Option<Uuid>)]
    #[serde(default)]
    category_id: Field<CategoryId>,
    /// Null takes the logo away.
    #[schema(value_type = Option<String>, format = "uri", min_length = 9, max_length = 2_048,
             pattern = "^https://")]
    #[serde(default)]
    logo_uri: Field<ImageUri>,
    /// Null takes the banner away.
    #[schema(value_type = Option<String>, format = "uri", min_length = 9, max_length = 2_048,
             pattern = "^https://")]
    #[serde(default)]
    banner_uri: Field<ImageUri>,
    /// Known only to be refused by its rule: a name never changes (COM-02).
    #[schema(ignore)]
    #[serde(default)]
    name: Field<CommunityName>,
}

impl Command for UpdateCommunity {
    const NAME: &'static str = "update-community";
    const SUMMARY: &'static str =
        "Change a community of one's own or, as an admin, one whose owner's account is deleted";
    const RULES: &'static [&'static str] = &[
        "COM-02", "COM-04", "COM-05", "COM-07", "COM-09", "COM-14", "COM-16", "MEM-05", "REL-10",
        "ESX-03", "ESX-04",
    ];
    type Body = UpdateCommunityBody;

    fn parse(body: UpdateCommunityBody, wrong: &mut WrongFields) -> Option<Self> {
        if !matches!(body.name, Field::Missing) {
            let fixed = RuleBreak::new("COM-02", "never changes");
            let _: Option<()> = wrong.note("/name", &fixed);
        }
        let community_id = wrong.required("/community_id", body.community_id);
        let description = wrong.change("/description", body.description);
        let category_id = match body.category_id {
            Field::Missing => Some(None),
            given => wrong.required("/category_id", given).map(Some),
        };
        let logo_uri = wrong.change("/logo_uri", body.logo_uri);
        let banner_uri = wrong.change("/banner_uri", body.banner_uri);
        Some(Self {
            community_id: community_id?,
            description: description?,
            category_id: category_id?,
            logo_uri: logo_uri?,
            banner_uri: banner_uri?,
        })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let actor = decision.actor()?;
        let community = decision.load::<Community>(self.community_id.to_string()).await?;
        let category = match self.category_id {
            None => None,
            Some(category_id) => {
                let category = decision.load::<Category>(category_id.to_string()).await?;
                Some(NewCategory { category_id, open: category.state.is_open() })
            }
        };
        let update = Update {
            actor,
            description: self.description.clone(),
            logo_uri: self.logo_uri.clone(),
            banner_uri: self.banner_uri.clone(),
            category,
            owner_is_gone: communities::owner_is_gone(&community.state, decision).await?,
        };
        decision.decide_on_target(&community, CommunityCommand::Update(update)).await?;
        Ok(Done::of::<Community>(self.community_id))
    }

    fn example() -> Value {
        json!({
            "community_id": "01970000-0000-7000-8000-000000000001",
            "description": "All about kernels, old and new.",
            "logo_uri": null,
        })
    }
}
