//! The words by which comments are found. A deleted one is not (CMT-06); its words stay with its row
//! and come back with its restoration.

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
    name: "comment_search",
    version: 1,
    event_types: &["CommentCreated", "CommentEdited", "CommentDeleted", "CommentRestored"],
    columns: Columns::Opened,
    tables: &["comment_search"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event {
    CommentCreated { community_id: Option<Uuid>, body: Text },
    CommentEdited { body: Text },
    CommentDeleted {},
    CommentRestored {},
}

/// What a batch changes of one comment.
#[derive(Default)]
struct Change {
    is_new: bool,
    community_id: Option<Uuid>,
    body: Option<Text>,
    is_deleted: Option<bool>,
}

impl Change {
    fn body(&self) -> Option<&str> {
        self.body.as_ref().map(Text::as_str)
    }

    fn subject(&self) -> Option<&str> {
        self.body.as_ref().map(Text::subject)
    }
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut changes: HashMap<Uuid, Change> = HashMap::new();
    for event in events {
        let change = changes.entry(stream_uuid(event)?).or_default();
        match payload(event)? {
            Event::CommentCreated { community_id, body } => {
                (change.is_new, change.community_id) = (true, community_id);
                change.body = Some(body);
            }
            Event::CommentEdited { body } => change.body = Some(body),
            Event::CommentDeleted {} => change.is_deleted = Some(true),
            Event::CommentRestored {} => change.is_deleted = Some(false),
        }
    }
    let (new, old): (Vec<_>, Vec<_>) = changes.iter().partition(|(_, change)| change.is_new);
    insert(&new, connection).await?;
    update(&old, connection).await
}

async fn insert(
    comments: &[(&Uuid, &Change)],
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    if comments.is_empty() {
        return Ok(());
    }
    // Postgres would pass over what stands in angle brackets: texts here are plain, and hold no tags.
    sqlx::query(
        "INSERT INTO comment_search (id, community_id, subject, words, is_deleted)
         SELECT id, community_id, subject, to_tsvector(s.language, translate(body, '<', ' ')), is_deleted
         FROM (SELECT search.language() AS language OFFSET 0) s,
              unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::boolean[])
              AS u(id, community_id, subject, body, is_deleted)
         ORDER BY id",
    )
    .bind(comments.iter().map(|(id, _)| **id).collect::<Vec<_>>())
    .bind(comments.iter().map(|(_, comment)| comment.community_id).collect::<Vec<_>>())
    .bind(comments.iter().map(|(_, comment)| comment.subject()).collect::<Vec<_>>())
    .bind(comments.iter().map(|(_, comment)| comment.body()).collect::<Vec<_>>())
    .bind(
        comments
            .iter()
            .map(|(_, comment)| comment.is_deleted.unwrap_or_default())
            .collect::<Vec<_>>(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn update(
    comments: &[(&Uuid, &Change)],
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    if comments.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE comment_search c SET
             subject = coalesce(u.subject, c.subject),
             words = coalesce(to_tsvector(s.language, translate(u.body, '<', ' ')), c.words),
             is_deleted = coalesce(u.is_deleted, c.is_deleted)
         FROM (SELECT search.language() AS language OFFSET 0) s,
              unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[])
              AS u(id, subject, body, is_deleted)
         WHERE c.id = u.id",
    )
    .bind(comments.iter().map(|(id, _)| **id).collect::<Vec<_>>())
    .bind(comments.iter().map(|(_, comment)| comment.subject()).collect::<Vec<_>>())
    .bind(comments.iter().map(|(_, comment)| comment.body()).collect::<Vec<_>>())
    .bind(comments.iter().map(|(_, comment)| comment.is_deleted).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
