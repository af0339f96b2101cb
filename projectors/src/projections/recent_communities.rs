//! What each member visited last (E13): at most five, the most recent first (REC-01, REC-02).
//!
//! An event carries the member's whole list. A deleted community keeps its row without a rank, so
//! that the others close up (REC-06) and it is in its place again when it is restored.

use std::collections::BTreeMap;

use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "recent_communities",
    version: 1,
    event_types: &["CommunityVisited", "CommunityDeleted", "CommunityRestored"],
    columns: Columns::Payload,
    tables: &["recent_communities", "recent_communities_deleted"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event {
    CommunityVisited { member_id: Uuid, recent: Vec<Recent> },
    CommunityDeleted {},
    CommunityRestored {},
}

#[derive(Deserialize)]
struct Recent {
    id: Uuid,
    community_id: Uuid,
    last_activity_at: DateTime<Utc>,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    // Only the last of each counts: lists are whole, and so is whether a community is there.
    let mut lists: BTreeMap<Uuid, Vec<Recent>> = BTreeMap::new();
    let mut deleted: BTreeMap<Uuid, bool> = BTreeMap::new();
    for event in events {
        match payload(event)? {
            Event::CommunityVisited { member_id, recent } => {
                lists.insert(member_id, recent);
            }
            Event::CommunityDeleted {} => {
                deleted.insert(stream_uuid(event)?, true);
            }
            Event::CommunityRestored {} => {
                deleted.insert(stream_uuid(event)?, false);
            }
        }
    }
    if !deleted.is_empty() {
        mark_communities(&deleted, connection).await?;
    }
    if !lists.is_empty() {
        replace_lists(&lists, connection).await?;
    }
    rank(&lists, &deleted, connection).await
}

async fn mark_communities(
    deleted: &BTreeMap<Uuid, bool>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    let of = |wanted: bool| -> Vec<Uuid> {
        deleted.iter().filter(|(_, is)| **is == wanted).map(|(id, _)| *id).collect()
    };
    sqlx::query("DELETE FROM recent_communities_deleted WHERE community_id = ANY ($1)")
        .bind(of(false))
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO recent_communities_deleted (community_id)
         SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING",
    )
    .bind(of(true))
    .execute(connection)
    .await?;
    Ok(())
}

async fn replace_lists(
    lists: &BTreeMap<Uuid, Vec<Recent>>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    let rows: Vec<_> = lists
        .iter()
        .flat_map(|(member, list)| {
            (1_i32..).zip(list).map(move |(index, recent)| (*member, index, recent))
        })
        .collect();
    // An entry keeps its id while it is in the list, so most rows are changed, not replaced.
    sqlx::query(
        "DELETE FROM recent_communities r
         WHERE r.memberuser_id = ANY ($1::uuid[])
           AND NOT EXISTS (SELECT FROM unnest($2::uuid[]) AS kept(id) WHERE kept.id = r.id)",
    )
    .bind(lists.keys().copied().collect::<Vec<_>>())
    .bind(rows.iter().map(|(.., recent)| recent.id).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO recent_communities (id, memberuser_id, community_id, last_activity_at,
             list_index)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[],
             $5::integer[])
         ON CONFLICT (id) DO UPDATE SET
             last_activity_at = excluded.last_activity_at, list_index = excluded.list_index",
    )
    .bind(rows.iter().map(|(.., recent)| recent.id).collect::<Vec<_>>())
    .bind(rows.iter().map(|(member, ..)| *member).collect::<Vec<_>>())
    .bind(rows.iter().map(|(.., recent)| recent.community_id).collect::<Vec<_>>())
    .bind(rows.iter().map(|(.., recent)| recent.last_activity_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, index, _)| *index).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives ranks 1..n to what is shown of every list that the batch touched.
async fn rank(
    lists: &BTreeMap<Uuid, Vec<Recent>>,
    deleted: &BTreeMap<Uuid, bool>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    sqlx::query(
        "WITH touched AS (
             SELECT unnest($1::uuid[]) AS memberuser_id
             UNION
             SELECT r.memberuser_id FROM recent_communities r WHERE r.community_id = ANY ($2)
         ), ranked AS (
             SELECT r.id, row_number() OVER (PARTITION BY r.memberuser_id ORDER BY r.list_index)
                        AS recent_rank
             FROM recent_communities r JOIN touched USING (memberuser_id)
             WHERE NOT EXISTS (SELECT FROM recent_communities_deleted d
                               WHERE d.community_id = r.community_id)
         ), wanted AS (
             SELECT r.id, k.recent_rank
             FROM recent_communities r JOIN touched USING (memberuser_id)
             LEFT JOIN ranked k USING (id)
         )
         UPDATE recent_communities r SET recent_rank = w.recent_rank
         FROM wanted w
         WHERE r.id = w.id AND r.recent_rank IS DISTINCT FROM w.recent_rank",
    )
    .bind(lists.keys().copied().collect::<Vec<_>>())
    .bind(deleted.keys().copied().collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
