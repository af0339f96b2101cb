//! Categories, communities, who belongs to them and who looked in lately.

pub mod category;
pub mod category_order;
#[expect(clippy::module_inception, reason = "the aggregate and the context share the one name")]
pub mod community;
pub mod community_rules;
pub mod membership;
pub mod recent_communities;
