//! `describe-category`: says anew what a category is about.

use agora_domain::{
    community::category::{Category, CategoryCommand, DescribeCategory as Describe},
    ids::CategoryId,
    refusal::RuleBreak,
    values::{CategoryDescription, CategoryName},
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

/// Describes a category.
pub struct DescribeCategory {
    category_id: CategoryId,
    description: Option<CategoryDescription>,
}

/// The body of `describe-category`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribeCategoryBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    category_id: Field<CategoryId>,
    /// Null takes the description away.
    #[schema(value_type = Option<String>, required, max_length = 200)]
    #[serde(default)]
    description: Field<CategoryDescription>,
    /// Known only to be refused by its rule: a name never changes (CAT-04).
    #[schema(ignore)]
    #[serde(default)]
    name: Field<CategoryName>,
}

impl Command for DescribeCategory {
    const NAME: &'static str = "describe-category";
    const SUMMARY: &'static str = "Change what a category is about; its name never changes";
    const RULES: &'static [&'static str] = &["CAT-04", "CAT-05", "REL-10", "ESX-03", "ESX-04"];
    type Body = DescribeCategoryBody;

    fn parse(body: DescribeCategoryBody, wrong: &mut WrongFields) -> Option<Self> {
        if !matches!(body.name, Field::Missing) {
            let fixed = RuleBreak::new("CAT-04", "never changes");
            let _: Option<()> = wrong.note("/name", &fixed);
        }
        let category_id = wrong.required("/category_id", body.category_id);
        let description = match wrong.change("/description", body.description)? {
            Some(change) => change,
            None => wrong.note("/description", &RuleBreak::malformed("is required"))?,
        };
        Some(Self { category_id: category_id?, description })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let category = decision.load::<Category>(self.category_id.to_string()).await?;
        let describe = Describe { description: self.description.clone() };
        decision.decide_on_target(&category, CategoryCommand::Describe(describe)).await?;
        Ok(Done::of::<Category>(self.category_id))
    }

    fn example() -> Value {
        json!({
            "category_id": "01970000-0000-7000-8000-000000000001",
            "description": "All that is made, and how.",
        })
    }
}
