//! The words by which posts are found (PST-10). A deleted one is not (PST-08); its words stay with its
//! row and come back with its restoration.

use std::collections::HashMap;

use agora_event_store::RecordedEvent;
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    projection::{ApplyError, Columns, Projection, payload, stream_uuid},
    search::Text,
};

pub(super) const PROJECTION: Projection = Projection {
    name: "post_search",
    version: 1,
    event_types: &["PostCreated", "PostEdited", "PostDeleted", "PostRestored"],
    columns: Columns::Opened,
    tables: &["post_search"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event {
    PostCreated { community_id: Uuid, title: Text, body: Text },
    PostEdited { title: Text, body: Text },
    PostDeleted {},
    PostRestored {},
}

/// What a batch changes of one post.
#[derive(Default)]
struct Change {
    /// Set where it was created.
    community_id: Option<Uuid>,
    /// Title and body.
    texts: Option<(Text, Text)>,
    is_deleted: Option<bool>,
}

impl Change {
    fn title(&self) -> Option<&str> {
        self.texts.as_ref().map(|(title, _)| title.as_str())
    }

    fn body(&self) -> Option<&str> {
        self.texts.as_ref().map(|(_, body)| body.as_str())
    }

    fn subject(&self) -> Option<&str> {
        self.texts.as_ref().map(|(title, _)| title.subject())
    }
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut changes: HashMap<Uuid, Change> = HashMap::new();
    for event in events {
        let change = changes.entry(stream_uuid(event)?).or_default();
        match payload(event)? {
            Event::PostCreated { community_id, title, body } => {
                change.community_id = Some(community_id);
                change.texts = Some((title, body));
            }
            Event::PostEdited { title, body } => change.texts = Some((title, body)),
            Event::PostDeleted {} => change.is_deleted = Some(true),
            Event::PostRestored {} => change.is_deleted = Some(false),
        }
    }
    let (new, old): (Vec<_>, Vec<_>) =
        changes.iter().partition(|(_, change)| change.community_id.is_some());
    insert(&new, connection).await?;
    update(&old, connection).await
}

async fn insert(
    posts: &[(&Uuid, &Change)],
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    if posts.is_empty() {
        return Ok(());
    }
    // Postgres would pass over what stands in angle brackets: texts here are plain, and hold no tags.
    sqlx::query(
        "INSERT INTO post_search (id, community_id, subject, words, is_deleted)
         SELECT id, community_id, subject,
                setweight(to_tsvector(s.language, translate(title, '<', ' ')), 'A')
                    || setweight(to_tsvector(s.language, translate(body, '<', ' ')), 'B'),
                is_deleted
         FROM (SELECT search.language() AS language OFFSET 0) s,
              unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::boolean[])
              AS u(id, community_id, subject, title, body, is_deleted)
         ORDER BY id",
    )
    .bind(posts.iter().map(|(id, _)| **id).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post)| post.community_id).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post)| post.subject()).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post)| post.title()).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post)| post.body()).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post)| post.is_deleted.unwrap_or_default()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn update(
    posts: &[(&Uuid, &Change)],
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    if posts.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE post_search p SET
             subject = coalesce(u.subject, p.subject),
             words = CASE WHEN u.title IS NULL THEN p.words
                 ELSE setweight(to_tsvector(s.language, translate(u.title, '<', ' ')), 'A')
                      || setweight(to_tsvector(s.language, translate(u.body, '<', ' ')), 'B') END,
             is_deleted = coalesce(u.is_deleted, p.is_deleted)
         FROM (SELECT search.language() AS language OFFSET 0) s,
              unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::boolean[])
              AS u(id, subject, title, body, is_deleted)
         WHERE p.id = u.id",
    )
    .bind(posts.iter().map(|(id, _)| **id).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post)| post.subject()).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post)| post.title()).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post)| post.body()).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post)| post.is_deleted).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
