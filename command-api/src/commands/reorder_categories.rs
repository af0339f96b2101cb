//! `reorder-categories`: gives every category its place.

use agora_domain::{
    community::category_order::{
        CategoryOrder, CategoryOrderCommand, ReorderCategories as Reorder,
    },
    ids::CategoryId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, List, WrongFields},
    refusal::CommandError,
};

/// Where commands that change the order of categories wait for each other.
pub fn order_queue() -> String {
    "category_order".to_owned()
}

/// Reorders all categories.
pub struct ReorderCategories {
    order: Vec<CategoryId>,
}

/// The body of `reorder-categories`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReorderCategoriesBody {
    /// Every category that is not retired, once, in the order in which they are to be shown.
    #[schema(value_type = Vec<Uuid>, required)]
    #[serde(default)]
    order: Field<List<CategoryId>>,
}

impl Command for ReorderCategories {
    const NAME: &'static str = "reorder-categories";
    const SUMMARY: &'static str = "Put the categories into another order";
    const RULES: &'static [&'static str] = &["CAT-07", "ESX-03", "ESX-04"];
    type Body = ReorderCategoriesBody;

    fn parse(body: ReorderCategoriesBody, wrong: &mut WrongFields) -> Option<Self> {
        let order = wrong.list("/order", body.order);
        Some(Self { order: order? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(order_queue())
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let order = decision.load::<CategoryOrder>(CategoryOrder::STREAM_ID).await?;
        let reorder = CategoryOrderCommand::Reorder(Reorder { order: self.order.clone() });
        decision.decide_on_target(&order, reorder).await?;
        Ok(Done::of::<CategoryOrder>(CategoryOrder::STREAM_ID))
    }

    fn example() -> Value {
        json!({
            "order": [
                "01970000-0000-7000-8000-000000000002",
                "01970000-0000-7000-8000-000000000001",
            ],
        })
    }
}
