//! The words by which communities are found (COM-11). A deleted one is not (COM-09).

use std::collections::{BTreeMap, HashMap};

use agora_event_store::RecordedEvent;
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "community_search",
    version: 1,
    event_types: &["CommunityCreated", "CommunityUpdated", "CommunityDeleted", "CommunityRestored"],
    columns: Columns::Payload,
    tables: &["community_search"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event {
    CommunityCreated { name: String, description: Option<String> },
    CommunityUpdated { description: Option<String> },
    CommunityDeleted {},
    CommunityRestored {},
}

/// What a batch changes of one community.
#[derive(Default)]
struct Change {
    name: Option<String>,
    description: Option<String>,
    is_described: bool,
    is_deleted: Option<bool>,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut changes: BTreeMap<Uuid, Change> = BTreeMap::new();
    for event in events {
        let change = changes.entry(stream_uuid(event)?).or_default();
        match payload(event)? {
            Event::CommunityCreated { name, description } => {
                *change = Change {
                    name: Some(name),
                    description,
                    is_described: true,
                    is_deleted: Some(false),
                };
            }
            Event::CommunityUpdated { description } => {
                (change.description, change.is_described) = (description, true);
            }
            Event::CommunityDeleted {} => change.is_deleted = Some(true),
            Event::CommunityRestored {} => change.is_deleted = Some(false),
        }
    }
    let (new, old): (HashMap<_, _>, HashMap<_, _>) =
        changes.into_iter().partition(|(_, change)| change.name.is_some());
    insert(&new, connection).await?;
    update(&old, connection).await
}

async fn insert(
    communities: &HashMap<Uuid, Change>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    if communities.is_empty() {
        return Ok(());
    }
    let all = || communities.values();
    sqlx::query(
        "INSERT INTO community_search (id, words, is_deleted)
         SELECT id, setweight(to_tsvector(s.language, name), 'A')
                    || setweight(to_tsvector(s.language, translate(coalesce(description, ''), '<', ' ')), 'B'),
                is_deleted
         FROM (SELECT search.language() AS language OFFSET 0) s,
              unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[])
              AS u(id, name, description, is_deleted)",
    )
    .bind(communities.keys().copied().collect::<Vec<_>>())
    .bind(all().map(|change| change.name.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|change| change.description.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|change| change.is_deleted.unwrap_or_default()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// The name's words stay: they are those of weight A.
async fn update(
    communities: &HashMap<Uuid, Change>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    if communities.is_empty() {
        return Ok(());
    }
    let all = || communities.values();
    sqlx::query(
        "UPDATE community_search c SET
             words = CASE WHEN u.is_described
                 THEN ts_filter(c.words, '{a}')
                      || setweight(to_tsvector(s.language, translate(coalesce(u.description, ''), '<', ' ')), 'B')
                 ELSE c.words END,
             is_deleted = coalesce(u.is_deleted, c.is_deleted)
         FROM (SELECT search.language() AS language OFFSET 0) s,
              unnest($1::uuid[], $2::text[], $3::boolean[], $4::boolean[])
              AS u(id, description, is_described, is_deleted)
         WHERE c.id = u.id",
    )
    .bind(communities.keys().copied().collect::<Vec<_>>())
    .bind(all().map(|change| change.description.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|change| change.is_described).collect::<Vec<_>>())
    .bind(all().map(|change| change.is_deleted).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
