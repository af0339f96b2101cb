//! Each voter's vote on each post (E15): one row a pair, however often it is toggled (PVT-02).

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
    name: "post_votes",
    version: 1,
    event_types: &["PostVoteCast"],
    columns: Columns::Payload,
    tables: &["post_votes"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
enum Event {
    PostVoteCast { id: Uuid, post_id: Uuid, voter: Actor, vote_state: VoteState },
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut votes = Votes::default();
    for event in events {
        let Event::PostVoteCast { id, post_id, voter, vote_state } = payload(event)?;
        votes.cast(id, post_id, voter, vote_state, event.recorded_at);
    }
    let statement = "INSERT INTO post_votes (id, community_platform_post_id, voter_memberuser_id,
             voter_adminuser_id, vote_state, created_at, updated_at)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[],
             $6::timestamptz[], $7::timestamptz[])
         ON CONFLICT (id) DO UPDATE SET
             vote_state = excluded.vote_state, updated_at = excluded.updated_at";
    votes.write(Voters::WithAccounts, statement, connection).await
}
