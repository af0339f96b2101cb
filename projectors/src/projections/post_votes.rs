//! Each voter's vote on each post (E15): one row a pair, however often it is toggled (PVT-02).

use std::collections::HashMap;

use agora_domain::{Actor, content::post_vote::VoteState};
use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, payload};

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

struct Vote {
    post_id: Uuid,
    voter: Actor,
    vote_state: VoteState,
    first_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut votes: HashMap<Uuid, Vote> = HashMap::with_capacity(events.len());
    for event in events {
        let Event::PostVoteCast { id, post_id, voter, vote_state } = payload(event)?;
        let at = event.recorded_at;
        let vote = votes.entry(id).or_insert(Vote {
            post_id,
            voter,
            vote_state,
            first_at: at,
            last_at: at,
        });
        vote.vote_state = vote_state;
        vote.last_at = at;
    }
    let mut votes: Vec<_> = votes.into_iter().collect();
    votes.sort_unstable_by_key(|(id, _)| *id);
    sqlx::query(
        "INSERT INTO post_votes (id, community_platform_post_id, voter_memberuser_id,
             voter_adminuser_id, vote_state, created_at, updated_at)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[],
             $6::timestamptz[], $7::timestamptz[])
         ON CONFLICT (id) DO UPDATE SET
             vote_state = excluded.vote_state, updated_at = excluded.updated_at",
    )
    .bind(votes.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(votes.iter().map(|(_, vote)| vote.post_id).collect::<Vec<_>>())
    .bind(votes.iter().map(|(_, vote)| vote.voter.as_member().map(|id| id.0)).collect::<Vec<_>>())
    .bind(votes.iter().map(|(_, vote)| vote.voter.as_admin().map(|id| id.0)).collect::<Vec<_>>())
    .bind(votes.iter().map(|(_, vote)| vote.vote_state.as_str()).collect::<Vec<_>>())
    .bind(votes.iter().map(|(_, vote)| vote.first_at).collect::<Vec<_>>())
    .bind(votes.iter().map(|(_, vote)| vote.last_at).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
