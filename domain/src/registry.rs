//! Every aggregate with its event types: one line an aggregate. Tests that walk all events (stored
//! fixtures, upcasting) and the relay's subjects go by this list.

use cqrs_es::Aggregate;

use crate::content::{
    post::{Post, PostEvent},
    post_vote::{PostVote, PostVoteEvent},
};

/// An aggregate's name as stored, and the name and current version of each of its events.
pub struct AggregateTypes {
    pub aggregate_type: &'static str,
    pub events: &'static [(&'static str, &'static str)],
}

pub const AGGREGATES: &[AggregateTypes] = &[
    AggregateTypes { aggregate_type: Post::TYPE, events: PostEvent::TYPES },
    AggregateTypes { aggregate_type: PostVote::TYPE, events: PostVoteEvent::TYPES },
];
