//! `retire-category`: a category is no longer offered; what is in it stays.

use agora_domain::{
    community::{
        category::{Category, CategoryCommand},
        category_order::{CategoryOrder, CategoryOrderCommand, RemoveCategory},
    },
    ids::CategoryId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::reorder_categories::order_queue;
use crate::{
    Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::CommandError,
};

/// Retires a category.
pub struct RetireCategory {
    category_id: CategoryId,
}

/// The body of `retire-category`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetireCategoryBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    category_id: Field<CategoryId>,
}

impl Command for RetireCategory {
    const NAME: &'static str = "retire-category";
    const SUMMARY: &'static str = "Offer a category no longer";
    const RULES: &'static [&'static str] = &["CAT-07", "REL-10", "ESX-03", "ESX-04"];
    type Body = RetireCategoryBody;

    fn parse(body: RetireCategoryBody, wrong: &mut WrongFields) -> Option<Self> {
        let category_id = wrong.required("/category_id", body.category_id);
        Some(Self { category_id: category_id? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(order_queue())
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let category_id = self.category_id;
        let category = decision.load::<Category>(category_id.to_string()).await?;
        decision.decide_on_target(&category, CategoryCommand::Retire).await?;
        let order = decision.load::<CategoryOrder>(CategoryOrder::STREAM_ID).await?;
        let remove = CategoryOrderCommand::Remove(RemoveCategory { category_id });
        decision.decide(&order, remove).await?;
        Ok(Done::of::<Category>(category_id))
    }

    fn example() -> Value {
        json!({ "category_id": "01970000-0000-7000-8000-000000000001" })
    }
}
