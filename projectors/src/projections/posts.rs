//! Posts (E14), deleted ones too, with `deleted_at` set (PST-08).

use std::{borrow::Cow, collections::HashMap};

use agora_domain::Actor;
use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "posts",
    version: 1,
    event_types: &["PostCreated", "PostEdited", "PostDeleted", "PostRestored", "PostModerated"],
    columns: Columns::Payload,
    tables: &["posts"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

/// Titles and bodies are sealed text.
#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event<'e> {
    PostCreated {
        community_id: Uuid,
        author: Actor,
        #[serde(borrow)]
        title: Cow<'e, str>,
        #[serde(borrow)]
        body: Cow<'e, str>,
        #[serde(borrow)]
        author_display_name: Option<Cow<'e, str>>,
    },
    PostEdited {
        #[serde(borrow)]
        title: Cow<'e, str>,
        #[serde(borrow)]
        body: Cow<'e, str>,
    },
    PostDeleted {},
    PostRestored {},
    PostModerated {},
}

struct Created<'e> {
    community_id: Uuid,
    author: Actor,
    author_display_name: Option<Cow<'e, str>>,
    created_at: DateTime<Utc>,
}

/// What a batch changes of one post.
#[derive(Default)]
struct Change<'e> {
    created: Option<Created<'e>>,
    title: Option<Cow<'e, str>>,
    body: Option<Cow<'e, str>>,
    /// Whether it was deleted or restored, and the time of the deletion.
    visibility: Option<Option<DateTime<Utc>>>,
    updated_at: DateTime<Utc>,
    sequence: u64,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut changes: HashMap<Uuid, Change<'_>> = HashMap::new();
    for event in events {
        let at = event.recorded_at;
        let change = changes.entry(stream_uuid(event)?).or_default();
        match payload(event)? {
            Event::PostCreated { community_id, author, title, body, author_display_name } => {
                let created_at = at;
                change.created =
                    Some(Created { community_id, author, author_display_name, created_at });
                change.title = Some(title);
                change.body = Some(body);
            }
            Event::PostEdited { title, body } => {
                change.title = Some(title);
                change.body = Some(body);
            }
            Event::PostDeleted {} => change.visibility = Some(Some(at)),
            Event::PostRestored {} => change.visibility = Some(None),
            Event::PostModerated {} => {}
        }
        change.updated_at = at;
        change.sequence = event.sequence;
    }
    let (new, old): (Vec<_>, Vec<_>) =
        changes.iter().partition(|(_, change)| change.created.is_some());
    insert(&new, connection).await?;
    update(&old, connection).await
}

async fn insert(
    posts: &[(&Uuid, &Change<'_>)],
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    let mut posts: Vec<_> =
        posts.iter().filter_map(|(id, post)| Some((**id, *post, post.created.as_ref()?))).collect();
    if posts.is_empty() {
        return Ok(());
    }
    posts.sort_unstable_by_key(|(id, ..)| *id);
    sqlx::query(
        "INSERT INTO posts (id, community_platform_community_id, author_memberuser_id,
             author_adminuser_id, title, body, author_display_name, created_at, updated_at,
             deleted_at, sequence)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[],
             $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[], $10::timestamptz[],
             $11::bigint[])",
    )
    .bind(posts.iter().map(|(id, ..)| *id).collect::<Vec<_>>())
    .bind(posts.iter().map(|(.., new)| new.community_id).collect::<Vec<_>>())
    .bind(posts.iter().map(|(.., new)| new.author.as_member().map(|id| id.0)).collect::<Vec<_>>())
    .bind(posts.iter().map(|(.., new)| new.author.as_admin().map(|id| id.0)).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post, _)| post.title.as_deref()).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post, _)| post.body.as_deref()).collect::<Vec<_>>())
    .bind(posts.iter().map(|(.., new)| new.author_display_name.as_deref()).collect::<Vec<_>>())
    .bind(posts.iter().map(|(.., new)| new.created_at).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post, _)| post.updated_at).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post, _)| post.visibility.flatten()).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post, _)| number(post.sequence)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn update(
    posts: &[(&Uuid, &Change<'_>)],
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    if posts.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE posts p SET
             title = coalesce(u.title, p.title),
             body = coalesce(u.body, p.body),
             deleted_at = CASE WHEN u.shown_or_hidden THEN u.deleted_at ELSE p.deleted_at END,
             updated_at = u.updated_at,
             sequence = u.sequence
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::timestamptz[],
                     $6::timestamptz[], $7::bigint[])
              AS u(id, title, body, shown_or_hidden, deleted_at, updated_at, sequence)
         WHERE p.id = u.id",
    )
    .bind(posts.iter().map(|(id, _)| **id).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post)| post.title.as_deref()).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post)| post.body.as_deref()).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post)| post.visibility.is_some()).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post)| post.visibility.flatten()).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post)| post.updated_at).collect::<Vec<_>>())
    .bind(posts.iter().map(|(_, post)| number(post.sequence)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
