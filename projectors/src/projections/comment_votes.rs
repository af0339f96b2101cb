//! Each voter's vote on each comment (E18): one row a pair, however often it is toggled (CVT-02).

use agora_domain::{Actor, content::vote::VoteState};
use agora_event_store::RecordedEvent;
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    projection::{ApplyError, Columns, Projection, payload},
    votes::{Voters, Votes},
};

pub(super) const PROJECTION: Projection = Projection {
    name: "comment_votes",
    version: 1,
    event_types: &["CommentVoteCast"],
    columns: Columns::Payload,
    tables: &["comment_votes"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
enum Event {
    CommentVoteCast { id: Uuid, comment_id: Uuid, voter: Actor, vote_state: VoteState },
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut votes = Votes::default();
    for event in events {
        let Event::CommentVoteCast { id, comment_id, voter, vote_state } = payload(event)?;
        votes.cast(id, comment_id, voter, vote_state, event.recorded_at);
    }
    let statement = "INSERT INTO comment_votes (id, comment_id, voter_memberuser_id,
             voter_adminuser_id, vote_type, created_at, updated_at, voter_guestuser_id)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[],
             $6::timestamptz[], $7::timestamptz[], $8::uuid[])
         ON CONFLICT (id) DO UPDATE SET
             vote_type = excluded.vote_type, updated_at = excluded.updated_at";
    votes.write(Voters::AlsoGuests, statement, connection).await
}
