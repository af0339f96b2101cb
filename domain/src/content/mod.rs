//! Posts, comments, and the votes on them.

pub mod comment;
pub mod comment_vote;
pub mod content_notice;
pub mod moderation;
pub mod moderation_appeal;
pub mod post;
pub mod post_vote;
pub mod ranking;
pub mod vote;
