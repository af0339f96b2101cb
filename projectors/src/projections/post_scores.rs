//! Scores of posts (PVT-04): the sum over all votes of what each change moved.

use agora_domain::content::vote::VoteState;
use agora_event_store::RecordedEvent;
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    projection::{ApplyError, Columns, Projection, payload},
    votes::Scores,
};

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

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut scores = Scores::default();
    for event in events {
        let at = event.recorded_at;
        match payload(event)? {
            Event::PostCreated { post_id, community_id } => scores.open(post_id, community_id, at),
            Event::PostVoteCast { post_id, vote_state, previous } => {
                scores.move_by(post_id, vote_state, previous, at);
            }
        }
    }
    let statement = "INSERT INTO post_scores AS s
             (post_id, community_id, score, upvotes, downvotes, updated_at)
         SELECT post_id, community_id, upvotes - downvotes, upvotes, downvotes, updated_at
         FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::timestamptz[])
              AS u(post_id, community_id, upvotes, downvotes, updated_at)
         ON CONFLICT (post_id) DO UPDATE SET
             community_id = coalesce(s.community_id, excluded.community_id),
             score = s.score + excluded.score,
             upvotes = s.upvotes + excluded.upvotes,
             downvotes = s.downvotes + excluded.downvotes,
             updated_at = excluded.updated_at";
    scores.write(statement, connection).await
}
