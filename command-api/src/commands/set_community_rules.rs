//! `set-community-rules`: the rules of a community, as a whole.

use agora_domain::{
    community::{
        community::Community,
        community_rules::{CommunityRules, CommunityRulesCommand, SetCommunityRules as Set},
    },
    ids::CommunityId,
    values::RuleText,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command, communities,
    decision::{Decision, Done},
    fields::{Field, List, WrongFields},
    refusal::{CommandError, no_such},
};

/// Sets a community's rules.
pub struct SetCommunityRules {
    community_id: CommunityId,
    rules: Vec<RuleText>,
}

/// The body of `set-community-rules`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetCommunityRulesBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    community_id: Field<CommunityId>,
    /// All rules in their order, none twice; an empty list takes all away. A text that stands in
    /// the list already stays the same rule.
    #[schema(value_type = Vec<RuleSchema>, required, max_items = 10)]
    #[serde(default)]
    rules: Field<List<RuleText>>,
}

/// A rule's text, one of a list.
#[derive(ToSchema)]
#[schema(as = CommunityRuleText, min_length = 1, max_length = 100)]
#[expect(dead_code, reason = "it stands in the OpenAPI document alone")]
pub struct RuleSchema(String);

impl Command for SetCommunityRules {
    const NAME: &'static str = "set-community-rules";
    const SUMMARY: &'static str = "Set the rules, at most ten, of a community of one's own or, as an \
                                   admin, of one whose owner's account is deleted";
    const RULES: &'static [&'static str] = &[
        "RUL-01", "RUL-02", "RUL-03", "RUL-04", "RUL-06", "RUL-07", "COM-07", "COM-16", "MEM-05",
        "REL-10", "ESX-03", "ESX-04",
    ];
    type Body = SetCommunityRulesBody;

    fn parse(body: SetCommunityRulesBody, wrong: &mut WrongFields) -> Option<Self> {
        let community_id = wrong.required("/community_id", body.community_id);
        let rules = wrong.list("/rules", body.rules);
        Some(Self { community_id: community_id?, rules: rules? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let community = decision.load::<Community>(self.community_id.to_string()).await?;
        let owner = community.state.owner().ok_or_else(|| no_such("community"))?;
        let rules = decision.load::<CommunityRules>(self.community_id.to_string()).await?;
        let set = Set {
            community_id: self.community_id,
            actor: decision.actor()?,
            rules: self.rules.iter().map(|text| (decision.new_id(), text.clone())).collect(),
            now: decision.now,
            owner,
            owner_is_gone: communities::owner_is_gone(&community.state, decision).await?,
            community_open: community.state.is_open(),
        };
        decision.decide_on_target(&rules, CommunityRulesCommand::Set(set)).await?;
        Ok(Done::of::<CommunityRules>(self.community_id))
    }

    fn example() -> Value {
        json!({
            "community_id": "01970000-0000-7000-8000-000000000001",
            "rules": ["Be kind.", "Stay on topic."],
        })
    }
}
