//! A category of communities (E01).
//!
//! Life cycle: created under a name that never changes (CAT-04) → described any number of times →
//! retired: no longer offered, while what refers to it stays valid. Where it stands in the list is
//! [`CategoryOrder`](super::category_order)'s, changed in the same unit.

use serde::{Deserialize, Serialize};

use crate::{
    aggregate::{Decide, aggregate, domain_event},
    changes::{self, CARETAKERS_CHANGES_MAX, ChangedTooOften},
    ids::CategoryId,
    refusal::{Refusal, RefusalKind},
    values::{CategoryDescription, CategoryName},
};

/// A category as the log tells it. `Default` is the category that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Category {
    created: Option<Created>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Created {
    name: CategoryName,
    description: Option<CategoryDescription>,
    retired: bool,
    /// Events since its creation.
    changes: u32,
}

impl Category {
    pub fn exists(&self) -> bool {
        self.created.is_some()
    }

    pub fn name(&self) -> Option<&CategoryName> {
        self.created.as_ref().map(|category| &category.name)
    }

    pub fn description(&self) -> Option<&CategoryDescription> {
        self.created.as_ref().and_then(|category| category.description.as_ref())
    }

    pub fn is_retired(&self) -> bool {
        self.created.as_ref().is_some_and(|category| category.retired)
    }

    /// Whether a community may be put into it (CAT-08).
    pub fn is_open(&self) -> bool {
        self.exists() && !self.is_retired()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum CategoryCommand {
    Create(CreateCategory),
    Describe(DescribeCategory),
    Retire,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CreateCategory {
    pub category_id: CategoryId,
    pub name: CategoryName,
    pub description: Option<CategoryDescription>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DescribeCategory {
    pub description: Option<CategoryDescription>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CategoryEvent {
    CategoryCreated {
        category_id: CategoryId,
        name: CategoryName,
        description: Option<CategoryDescription>,
    },
    CategoryDescribed {
        description: Option<CategoryDescription>,
    },
    CategoryRetired {},
}

domain_event!(CategoryEvent {
    CategoryCreated => "1",
    CategoryDescribed => "1",
    CategoryRetired => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CategoryError {
    #[error("there is already a category of this id")]
    AlreadyExists,
    #[error("there is no such category")]
    NotFound,
    #[error("the category was described too often to be described once more")]
    ChangedTooOften,
}

impl Refusal for CategoryError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists | Self::NotFound => "REL-10",
            Self::ChangedTooOften => "CAT-05",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyExists => RefusalKind::Conflict,
            Self::NotFound => RefusalKind::NotFound,
            Self::ChangedTooOften => RefusalKind::Invalid,
        }
    }
}

impl From<ChangedTooOften> for CategoryError {
    fn from(_: ChangedTooOften) -> Self {
        Self::ChangedTooOften
    }
}

aggregate!(Category, "category", CategoryCommand, CategoryEvent, CategoryError);

impl Decide for Category {
    fn decide(&self, command: CategoryCommand) -> Result<Vec<CategoryEvent>, CategoryError> {
        match command {
            CategoryCommand::Create(command) => create(self, command),
            CategoryCommand::Describe(command) => describe(self, command),
            CategoryCommand::Retire => retire(self),
        }
    }
}

fn create(
    category: &Category,
    command: CreateCategory,
) -> Result<Vec<CategoryEvent>, CategoryError> {
    if category.exists() {
        return Err(CategoryError::AlreadyExists);
    }
    Ok(vec![CategoryEvent::CategoryCreated {
        category_id: command.category_id,
        name: command.name,
        description: command.description,
    }])
}

fn describe(
    category: &Category,
    command: DescribeCategory,
) -> Result<Vec<CategoryEvent>, CategoryError> {
    let current = category.created.as_ref().ok_or(CategoryError::NotFound)?;
    if command.description == current.description {
        return Ok(Vec::new());
    }
    changes::room(current.changes, CARETAKERS_CHANGES_MAX)?;
    Ok(vec![CategoryEvent::CategoryDescribed { description: command.description }])
}

fn retire(category: &Category) -> Result<Vec<CategoryEvent>, CategoryError> {
    let current = category.created.as_ref().ok_or(CategoryError::NotFound)?;
    if current.retired {
        return Ok(Vec::new());
    }
    Ok(vec![CategoryEvent::CategoryRetired {}])
}

impl Category {
    fn apply(&mut self, event: CategoryEvent) {
        self.change(|category| category.changes = category.changes.saturating_add(1));
        match event {
            CategoryEvent::CategoryCreated { name, description, .. } => {
                self.created = Some(Created { name, description, retired: false, changes: 0 });
            }
            CategoryEvent::CategoryDescribed { description } => {
                self.change(|category| category.description = description);
            }
            CategoryEvent::CategoryRetired {} => self.change(|category| category.retired = true),
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Created)) {
        if let Some(category) = &mut self.created {
            change(category);
        }
    }
}

#[cfg(test)]
mod tests;
