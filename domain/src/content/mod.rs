//! Posts and the votes on them.

pub mod post;
pub mod post_vote;
