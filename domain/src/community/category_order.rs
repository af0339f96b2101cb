//! The order in which the categories are shown: one stream for all, so that the places are 1..n
//! without gaps whatever happens at once (CAT-07).
//!
//! Life cycle: every change writes the whole order anew; a category's `display_order` is its place
//! in it, from 1.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    aggregate::{Decide, aggregate, domain_event},
    ids::CategoryId,
    refusal::{Refusal, RefusalKind},
    values::DisplayOrder,
};

/// The order as the log tells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CategoryOrder {
    order: Vec<CategoryId>,
}

impl CategoryOrder {
    /// The id of the one stream.
    pub const STREAM_ID: &'static str = "all";

    pub fn order(&self) -> &[CategoryId] {
        &self.order
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum CategoryOrderCommand {
    Insert(InsertCategory),
    Reorder(ReorderCategories),
    Remove(RemoveCategory),
}

#[derive(Clone, Debug, PartialEq)]
pub struct InsertCategory {
    pub category_id: CategoryId,
    /// Those from there on move down. The end where `None` or beyond it.
    pub at: Option<DisplayOrder>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReorderCategories {
    pub order: Vec<CategoryId>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RemoveCategory {
    pub category_id: CategoryId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CategoryOrderEvent {
    /// The whole order after the change.
    CategoriesReordered { order: Vec<CategoryId> },
}

domain_event!(CategoryOrderEvent { CategoriesReordered => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CategoryOrderError {
    #[error("the order must name every category that is not retired exactly once")]
    NotAPermutation,
}

impl Refusal for CategoryOrderError {
    fn rule(&self) -> &'static str {
        match self {
            Self::NotAPermutation => "CAT-07",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotAPermutation => RefusalKind::Invalid,
        }
    }
}

aggregate!(
    CategoryOrder,
    "category_order",
    CategoryOrderCommand,
    CategoryOrderEvent,
    CategoryOrderError
);

impl Decide for CategoryOrder {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: CategoryOrderCommand,
    ) -> Result<Vec<CategoryOrderEvent>, CategoryOrderError> {
        match command {
            CategoryOrderCommand::Insert(command) => Ok(insert(self, command)),
            CategoryOrderCommand::Reorder(command) => reorder(self, command),
            CategoryOrderCommand::Remove(command) => Ok(remove(self, command)),
        }
    }
}

fn insert(current: &CategoryOrder, command: InsertCategory) -> Vec<CategoryOrderEvent> {
    if current.order.contains(&command.category_id) {
        return Vec::new();
    }
    let mut order = current.order.clone();
    let end = order.len();
    // A place that does not fit a usize lies beyond the end.
    let index = command.at.map_or(end, |at| usize::try_from(at.get() - 1).unwrap_or(end).min(end));
    order.insert(index, command.category_id);
    vec![CategoryOrderEvent::CategoriesReordered { order }]
}

fn reorder(
    current: &CategoryOrder,
    command: ReorderCategories,
) -> Result<Vec<CategoryOrderEvent>, CategoryOrderError> {
    let before: BTreeSet<&CategoryId> = current.order.iter().collect();
    let after: BTreeSet<&CategoryId> = command.order.iter().collect();
    if before != after || command.order.len() != current.order.len() {
        return Err(CategoryOrderError::NotAPermutation);
    }
    if command.order == current.order {
        return Ok(Vec::new());
    }
    Ok(vec![CategoryOrderEvent::CategoriesReordered { order: command.order }])
}

fn remove(current: &CategoryOrder, command: RemoveCategory) -> Vec<CategoryOrderEvent> {
    if !current.order.contains(&command.category_id) {
        return Vec::new();
    }
    let stays = |category_id: &CategoryId| *category_id != command.category_id;
    let order = current.order.iter().copied().filter(stays).collect();
    vec![CategoryOrderEvent::CategoriesReordered { order }]
}

impl CategoryOrder {
    fn apply(&mut self, event: CategoryOrderEvent) {
        let CategoryOrderEvent::CategoriesReordered { order } = event;
        self.order = order;
    }
}

#[cfg(test)]
mod tests;
