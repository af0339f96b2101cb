//! Scores of comments (CVT-04): the sum over all votes of what each change moved. And their ranks,
//! which follow from the scores (CMT-11). A deleted comment keeps both: it is a placeholder.

use agora_domain::content::{ranking::Ranking, vote::VoteState};
use agora_event_store::RecordedEvent;
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    projection::{ApplyError, Columns, Projection, payload},
    ranks::{Ranks, Table},
    votes::Scores,
};

pub(super) const PROJECTION: Projection = Projection {
    name: "comment_scores",
    version: 2,
    event_types: &["CommentCreated", "CommentVoteCast"],
    columns: Columns::Payload,
    tables: &["comment_ranks", "comment_scores"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

const RANKS: Table = Table {
    name: "comment_ranks",
    place: "answers",
    id: "comment_id",
    rankings: &[Ranking::Top, Ranking::Hot],
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
             (comment_id, answers, created_at, score, upvotes, downvotes, updated_at)
         SELECT comment_id, answers, created_at, upvotes - downvotes, upvotes, downvotes, updated_at
         FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::bigint[], $5::bigint[],
                     $6::timestamptz[])
              AS u(comment_id, answers, created_at, upvotes, downvotes, updated_at)
         ON CONFLICT (comment_id) DO UPDATE SET
             answers = coalesce(s.answers, excluded.answers),
             created_at = coalesce(s.created_at, excluded.created_at),
             score = s.score + excluded.score,
             upvotes = s.upvotes + excluded.upvotes,
             downvotes = s.downvotes + excluded.downvotes,
             updated_at = excluded.updated_at
         RETURNING comment_id AS id, answers AS place, created_at, upvotes, downvotes";
    let mut ranks = Ranks::of(RANKS);
    for changed in scores.write(statement, connection).await? {
        ranks.follow(&changed, None);
    }
    ranks.write(connection).await
}
