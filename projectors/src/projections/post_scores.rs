//! Scores of posts (PVT-04): the sum over all votes of what each change moved.

use std::collections::HashMap;

use agora_domain::content::post_vote::VoteState;
use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, payload};

pub(super) const PROJECTION: Projection = Projection {
    name: "post_scores",
    version: 1,
    event_types: &["PostCreated", "PostVoteCast"],
    columns: Columns::Payload,
    tables: &["post_scores"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
enum Event {
    PostCreated { post_id: Uuid, community_id: Uuid },
    PostVoteCast { post_id: Uuid, vote_state: VoteState, previous: VoteState },
}

/// What a batch changes of one post.
#[derive(Default)]
struct Delta {
    community_id: Option<Uuid>,
    upvotes: i64,
    downvotes: i64,
    updated_at: DateTime<Utc>,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut deltas: HashMap<Uuid, Delta> = HashMap::new();
    for event in events {
        match payload(event)? {
            Event::PostCreated { post_id, community_id } => {
                let delta = deltas.entry(post_id).or_default();
                delta.community_id = Some(community_id);
                delta.updated_at = event.recorded_at;
            }
            Event::PostVoteCast { post_id, vote_state, previous } => {
                let delta = deltas.entry(post_id).or_default();
                delta.upvotes += i64::from(vote_state == VoteState::Upvote)
                    - i64::from(previous == VoteState::Upvote);
                delta.downvotes += i64::from(vote_state == VoteState::Downvote)
                    - i64::from(previous == VoteState::Downvote);
                delta.updated_at = event.recorded_at;
            }
        }
    }
    // In the order of the key: then index pages are touched once, and rows locked in one order.
    let mut deltas: Vec<_> = deltas.into_iter().collect();
    deltas.sort_unstable_by_key(|(post_id, _)| *post_id);
    sqlx::query(
        "INSERT INTO post_scores AS s
             (post_id, community_id, score, upvotes, downvotes, updated_at)
         SELECT post_id, community_id, upvotes - downvotes, upvotes, downvotes, updated_at
         FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::timestamptz[])
              AS u(post_id, community_id, upvotes, downvotes, updated_at)
         ON CONFLICT (post_id) DO UPDATE SET
             community_id = coalesce(s.community_id, excluded.community_id),
             score = s.score + excluded.score,
             upvotes = s.upvotes + excluded.upvotes,
             downvotes = s.downvotes + excluded.downvotes,
             updated_at = excluded.updated_at",
    )
    .bind(deltas.iter().map(|(post_id, _)| *post_id).collect::<Vec<_>>())
    .bind(deltas.iter().map(|(_, delta)| delta.community_id).collect::<Vec<_>>())
    .bind(deltas.iter().map(|(_, delta)| delta.upvotes).collect::<Vec<_>>())
    .bind(deltas.iter().map(|(_, delta)| delta.downvotes).collect::<Vec<_>>())
    .bind(deltas.iter().map(|(_, delta)| delta.updated_at).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
