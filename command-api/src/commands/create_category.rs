//! `create-category`: makes a category and gives it its place among the others.

use agora_domain::{
    community::{
        category::{Category, CategoryCommand, CreateCategory as Create},
        category_order::{CategoryOrder, CategoryOrderCommand, InsertCategory},
    },
    ids::CategoryId,
    values::{CategoryDescription, CategoryName, DisplayOrder},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::reorder_categories::order_queue;
use crate::{
    Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, Whole, WrongFields},
    refusal::CommandError,
};

/// The scope of claims under which categories' names stand, folded.
pub const CATEGORY_NAME: &str = "category_name";

/// Makes a category.
pub struct CreateCategory {
    name: CategoryName,
    description: Option<CategoryDescription>,
    display_order: Option<DisplayOrder>,
}

/// The body of `create-category`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCategoryBody {
    /// Unique up to case; it never changes.
    #[schema(value_type = String, required, min_length = 5, max_length = 32,
             pattern = "^[A-Za-z0-9_-]+$")]
    #[serde(default)]
    name: Field<CategoryName>,
    #[schema(value_type = Option<String>, max_length = 200)]
    #[serde(default)]
    description: Field<CategoryDescription>,
    /// Its place, from 1; those from there on move down. The end where it is absent or beyond it.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 4_294_967_295_u32)]
    #[serde(default)]
    display_order: Field<Whole<DisplayOrder>>,
}

impl Command for CreateCategory {
    const NAME: &'static str = "create-category";
    const SUMMARY: &'static str = "Make a category of communities";
    const RULES: &'static [&'static str] =
        &["CAT-01", "CAT-02", "CAT-03", "CAT-05", "CAT-06", "ESX-04"];
    type Body = CreateCategoryBody;

    fn parse(body: CreateCategoryBody, wrong: &mut WrongFields) -> Option<Self> {
        let name = wrong.required("/name", body.name);
        let description = wrong.optional("/description", body.description);
        let display_order = wrong.optional("/display_order", body.display_order);
        Some(Self {
            name: name?,
            description: description?,
            display_order: display_order?.map(|Whole(order)| order),
        })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(order_queue())
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let category_id: CategoryId = decision.new_id();
        let create =
            Create { category_id, name: self.name.clone(), description: self.description.clone() };
        let category = decision.begin::<Category>(category_id);
        decision.decide_on_target(&category, CategoryCommand::Create(create)).await?;
        let order = decision.load::<CategoryOrder>(CategoryOrder::STREAM_ID).await?;
        let insert = InsertCategory { category_id, at: self.display_order };
        decision.decide(&order, CategoryOrderCommand::Insert(insert)).await?;
        decision.take(CATEGORY_NAME, self.name.folded(), category_id);
        Ok(Done::of::<Category>(category_id))
    }

    fn example() -> Value {
        json!({ "name": "technology", "description": "All that is made.", "display_order": 1 })
    }
}
