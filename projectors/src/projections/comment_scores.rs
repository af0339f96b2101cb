//! Scores of comments (CVT-04): the sum over all votes of what each change moved.

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
    name: "comment_scores",
    version: 1,
    event_types: &["CommentCreated", "CommentVoteCast"],
    columns: Columns::Payload,
    tables: &["comment_scores"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
enum Event {
    CommentCreated { comment_id: Uuid, post_id: Uuid, parent_comment_id: Option<Uuid> },
    CommentVoteCast { comment_id: Uuid, vote_state: VoteState, previous: VoteState },
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut scores = Scores::default();
    for event in events {
        let at = event.recorded_at;
        match payload(event)? {
            Event::CommentCreated { comment_id, post_id, parent_comment_id } => {
                scores.open(comment_id, parent_comment_id.unwrap_or(post_id), at);
            }
            Event::CommentVoteCast { comment_id, vote_state, previous } => {
                scores.move_by(comment_id, vote_state, previous, at);
            }
        }
    }
    let statement = "INSERT INTO comment_scores AS s
             (comment_id, answers, score, upvotes, downvotes, updated_at)
         SELECT comment_id, answers, upvotes - downvotes, upvotes, downvotes, updated_at
         FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::timestamptz[])
              AS u(comment_id, answers, upvotes, downvotes, updated_at)
         ON CONFLICT (comment_id) DO UPDATE SET
             answers = coalesce(s.answers, excluded.answers),
             score = s.score + excluded.score,
             upvotes = s.upvotes + excluded.upvotes,
             downvotes = s.downvotes + excluded.downvotes,
             updated_at = excluded.updated_at";
    scores.write(statement, connection).await
}
