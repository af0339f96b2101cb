//! What is stored about somebody: a file a category, a line each. What stands in no table of its own
//! is an event of the log.

mod account;
mod comments;
mod communities;
mod consents;
mod exports;
mod moderation;
mod organizations;
mod posts;
mod searches;
mod security;
mod sessions;
mod votes;

use super::entity::Entity;

const ALL: &[&[Entity]] = &[
    account::ENTITIES,
    sessions::ENTITIES,
    communities::ENTITIES,
    posts::ENTITIES,
    comments::ENTITIES,
    votes::ENTITIES,
    moderation::ENTITIES,
    searches::ENTITIES,
    consents::ENTITIES,
    exports::ENTITIES,
    organizations::ENTITIES,
    security::ENTITIES,
];

/// Every entity, in the order in which a bundle has them.
pub(super) fn all() -> impl Iterator<Item = &'static Entity> {
    ALL.iter().copied().flatten()
}
