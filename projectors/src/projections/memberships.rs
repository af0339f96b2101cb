//! Who is in which community now (E11). Leaving takes the row away; joining again makes a new one
//! with a new `joined_at` (MSH-03, MSH-05).

use std::collections::BTreeMap;

use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, payload};

pub(super) const PROJECTION: Projection = Projection {
    name: "memberships",
    version: 1,
    event_types: &["CommunityJoined", "CommunityLeft"],
    columns: Columns::Payload,
    tables: &["memberships"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
enum Event {
    CommunityJoined { id: Uuid, community_id: Uuid, member_id: Uuid },
    CommunityLeft { id: Uuid },
}

struct Joined {
    community_id: Uuid,
    member_id: Uuid,
    at: DateTime<Utc>,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut joined: BTreeMap<Uuid, Joined> = BTreeMap::new();
    let mut left: Vec<Uuid> = Vec::new();
    for event in events {
        match payload(event)? {
            Event::CommunityJoined { id, community_id, member_id } => {
                joined.insert(id, Joined { community_id, member_id, at: event.recorded_at });
            }
            // Who joined and left within the batch never had a row.
            Event::CommunityLeft { id } => {
                if joined.remove(&id).is_none() {
                    left.push(id);
                }
            }
        }
    }
    if !left.is_empty() {
        sqlx::query("DELETE FROM memberships WHERE id = ANY ($1::uuid[])")
            .bind(left)
            .execute(&mut *connection)
            .await?;
    }
    if !joined.is_empty() {
        sqlx::query(
            "INSERT INTO memberships (id, community_id, memberuser_id, joined_at)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[])",
        )
        .bind(joined.keys().copied().collect::<Vec<_>>())
        .bind(joined.values().map(|joined| joined.community_id).collect::<Vec<_>>())
        .bind(joined.values().map(|joined| joined.member_id).collect::<Vec<_>>())
        .bind(joined.values().map(|joined| joined.at).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    }
    Ok(())
}
