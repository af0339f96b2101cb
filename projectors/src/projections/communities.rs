//! Communities with the number of their members (E10). A deleted one keeps its row (COM-09).

use std::collections::BTreeMap;

use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "communities",
    version: 1,
    event_types: &[
        "CommunityCreated",
        "CommunityUpdated",
        "CommunityRecategorised",
        "CommunityDeleted",
        "CommunityRestored",
        "CommunityModerated",
        "CommunityJoined",
        "CommunityLeft",
    ],
    columns: Columns::Payload,
    tables: &["communities"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event {
    CommunityCreated {
        owner: Uuid,
        category_id: Uuid,
        name: String,
        description: Option<String>,
        logo_uri: Option<String>,
        banner_uri: Option<String>,
    },
    CommunityUpdated {
        description: Option<String>,
        logo_uri: Option<String>,
        banner_uri: Option<String>,
    },
    CommunityRecategorised {
        category_id: Uuid,
    },
    CommunityDeleted {},
    CommunityRestored {},
    CommunityModerated {},
    CommunityJoined {
        community_id: Uuid,
    },
    CommunityLeft {
        community_id: Uuid,
    },
}

#[derive(FromRow)]
struct Community {
    id: Uuid,
    owner_id: Uuid,
    category_id: Uuid,
    name: String,
    description: Option<String>,
    logo_uri: Option<String>,
    banner_uri: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    sequence: i64,
}

impl Community {
    fn apply(&mut self, change: Event, at: DateTime<Utc>) {
        match change {
            Event::CommunityUpdated { description, logo_uri, banner_uri } => {
                (self.description, self.logo_uri, self.banner_uri) =
                    (description, logo_uri, banner_uri);
                self.updated_at = at;
            }
            Event::CommunityRecategorised { category_id } => {
                self.category_id = category_id;
                self.updated_at = at;
            }
            Event::CommunityDeleted {} => self.deleted_at = Some(at),
            Event::CommunityRestored {} => self.deleted_at = None,
            Event::CommunityCreated { .. }
            | Event::CommunityModerated {}
            | Event::CommunityJoined { .. }
            | Event::CommunityLeft { .. } => {}
        }
    }
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut members: BTreeMap<Uuid, i64> = BTreeMap::new();
    let mut changes = Vec::new();
    for event in events {
        match payload(event)? {
            Event::CommunityJoined { community_id } => {
                *members.entry(community_id).or_default() += 1;
            }
            Event::CommunityLeft { community_id } => {
                *members.entry(community_id).or_default() -= 1;
            }
            change => changes.push((stream_uuid(event)?, *event, change)),
        }
    }
    // The rows first: members may join a community in the batch that makes it.
    if !changes.is_empty() {
        apply_changes(changes, connection).await?;
    }
    if !members.is_empty() {
        // Apart from the rest of the row, whose images may be long.
        sqlx::query(
            "UPDATE communities c SET member_count = c.member_count + u.joined
             FROM unnest($1::uuid[], $2::bigint[]) AS u(id, joined)
             WHERE c.id = u.id AND u.joined <> 0",
        )
        .bind(members.keys().copied().collect::<Vec<_>>())
        .bind(members.values().copied().collect::<Vec<_>>())
        .execute(connection)
        .await?;
    }
    Ok(())
}

async fn apply_changes(
    changes: Vec<(Uuid, &RecordedEvent, Event)>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    let mut communities: BTreeMap<Uuid, Community> = sqlx::query_as::<_, Community>(
        "SELECT id, owner_id, category_id, name, description, logo_uri, banner_uri, created_at,
             updated_at, deleted_at, sequence
         FROM communities WHERE id = ANY ($1)",
    )
    .bind(changes.iter().map(|(id, ..)| *id).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await?
    .into_iter()
    .map(|community| (community.id, community))
    .collect();
    for (id, event, change) in changes {
        let at = event.recorded_at;
        if let Event::CommunityCreated {
            owner,
            category_id,
            name,
            description,
            logo_uri,
            banner_uri,
        } = change
        {
            let community = Community {
                id,
                owner_id: owner,
                category_id,
                name,
                description,
                logo_uri,
                banner_uri,
                created_at: at,
                updated_at: at,
                deleted_at: None,
                sequence: number(event.sequence),
            };
            communities.insert(id, community);
        } else if let Some(community) = communities.get_mut(&id) {
            community.apply(change, at);
            community.sequence = number(event.sequence);
        }
    }
    write(&communities, connection).await
}

async fn write(
    communities: &BTreeMap<Uuid, Community>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    let all = || communities.values();
    sqlx::query(
        "INSERT INTO communities (id, owner_id, category_id, name, description, logo_uri,
             banner_uri, created_at, updated_at, deleted_at, sequence, member_count)
         SELECT *, 0 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[],
             $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[], $10::timestamptz[],
             $11::bigint[])
         ON CONFLICT (id) DO UPDATE SET
             category_id = excluded.category_id, description = excluded.description,
             logo_uri = excluded.logo_uri, banner_uri = excluded.banner_uri,
             updated_at = excluded.updated_at, deleted_at = excluded.deleted_at,
             sequence = excluded.sequence",
    )
    .bind(communities.keys().copied().collect::<Vec<_>>())
    .bind(all().map(|community| community.owner_id).collect::<Vec<_>>())
    .bind(all().map(|community| community.category_id).collect::<Vec<_>>())
    .bind(all().map(|community| community.name.as_str()).collect::<Vec<_>>())
    .bind(all().map(|community| community.description.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|community| community.logo_uri.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|community| community.banner_uri.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|community| community.created_at).collect::<Vec<_>>())
    .bind(all().map(|community| community.updated_at).collect::<Vec<_>>())
    .bind(all().map(|community| community.deleted_at).collect::<Vec<_>>())
    .bind(all().map(|community| community.sequence).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
