//! Scores of posts (PVT-04): the sum over all votes of what each change moved. And their ranks, which
//! follow from the scores (PST-14).

use std::collections::HashMap;

use agora_domain::content::{ranking::Ranking, vote::VoteState};
use agora_event_store::RecordedEvent;
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    projection::{ApplyError, Columns, Projection, payload, stream_uuid},
    ranks::{Ranks, Table},
    votes::{Changed, Score, Scores},
};

pub(super) const PROJECTION: Projection = Projection {
    name: "post_scores",
    version: 2,
    event_types: &["PostCreated", "PostVoteCast", "PostDeleted", "PostRestored"],
    columns: Columns::Payload,
    tables: &["post_ranks", "post_scores"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

const RANKS: Table = Table {
    name: "post_ranks",
    place: "community_id",
    id: "post_id",
    rankings: &[Ranking::Top, Ranking::Hot, Ranking::Controversial],
};

#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event {
    PostCreated { post_id: Uuid, community_id: Uuid },
    PostVoteCast { post_id: Uuid, vote_state: VoteState, previous: VoteState },
    PostDeleted {},
    PostRestored {},
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut scores = Scores::default();
    // Whether a post was shown or hidden last.
    let mut shown: HashMap<Uuid, bool> = HashMap::new();
    for event in events {
        let at = event.recorded_at;
        match payload(event)? {
            Event::PostCreated { post_id, community_id } => scores.open(post_id, community_id, at),
            Event::PostVoteCast { post_id, vote_state, previous } => {
                scores.move_by(post_id, vote_state, previous, at);
            }
            Event::PostDeleted {} => drop(shown.insert(stream_uuid(event)?, false)),
            Event::PostRestored {} => drop(shown.insert(stream_uuid(event)?, true)),
        }
    }
    let statement = "INSERT INTO post_scores AS s
             (post_id, community_id, created_at, score, upvotes, downvotes, updated_at)
         SELECT post_id, community_id, created_at, upvotes - downvotes, upvotes, downvotes, updated_at
         FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::bigint[], $5::bigint[],
                     $6::timestamptz[])
              AS u(post_id, community_id, created_at, upvotes, downvotes, updated_at)
         ON CONFLICT (post_id) DO UPDATE SET
             community_id = coalesce(s.community_id, excluded.community_id),
             created_at = coalesce(s.created_at, excluded.created_at),
             score = s.score + excluded.score,
             upvotes = s.upvotes + excluded.upvotes,
             downvotes = s.downvotes + excluded.downvotes,
             updated_at = excluded.updated_at
         RETURNING post_id AS id, community_id AS place, created_at, upvotes, downvotes";
    let changed = scores.write(statement, connection).await?;
    let mut ranks = Ranks::of(RANKS);
    for changed in &changed {
        ranks.follow(changed, shown.remove(&changed.score.id));
    }
    for score in unchanged(&shown, connection).await? {
        let shown = shown.get(&score.id).copied();
        ranks.follow(&Changed { before: Some((score.upvotes, score.downvotes)), score }, shown);
    }
    ranks.write(connection).await
}

/// The scores of posts that were shown or hidden and not voted on.
async fn unchanged(
    shown: &HashMap<Uuid, bool>,
    connection: &mut PgConnection,
) -> Result<Vec<Score>, ApplyError> {
    if shown.is_empty() {
        return Ok(Vec::new());
    }
    let statement = "SELECT post_id AS id, community_id AS place, created_at, upvotes, downvotes
         FROM post_scores WHERE post_id = ANY ($1)";
    let posts = shown.keys().copied().collect::<Vec<_>>();
    Ok(sqlx::query_as(statement).bind(posts).fetch_all(connection).await?)
}
