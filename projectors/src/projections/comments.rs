//! Comments (E17) with the count of their replies, and each post's count of comments. A deleted
//! comment keeps its row: it is a placeholder in its tree (CMT-06, CMT-07).

use std::{borrow::Cow, collections::HashMap};

use agora_domain::Actor;
use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "comments",
    version: 1,
    event_types: &[
        "CommentCreated",
        "CommentEdited",
        "CommentDeleted",
        "CommentRestored",
        "CommentModerated",
    ],
    columns: Columns::Payload,
    tables: &["comments", "post_comment_counts"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

/// Bodies and names are sealed text.
#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event<'e> {
    CommentCreated {
        post_id: Uuid,
        parent_comment_id: Option<Uuid>,
        depth: i64,
        author: Actor,
        #[serde(borrow)]
        body: Cow<'e, str>,
        #[serde(borrow)]
        display_name: Option<Cow<'e, str>>,
    },
    CommentEdited {
        #[serde(borrow)]
        body: Cow<'e, str>,
    },
    CommentDeleted {},
    CommentRestored {},
    CommentModerated {},
}

struct Created<'e> {
    post_id: Uuid,
    parent_comment_id: Option<Uuid>,
    depth: i64,
    author: Actor,
    display_name: Option<Cow<'e, str>>,
    created_at: DateTime<Utc>,
}

/// What a batch changes of one comment.
#[derive(Default)]
struct Change<'e> {
    created: Option<Created<'e>>,
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
            Event::CommentCreated {
                post_id,
                parent_comment_id,
                depth,
                author,
                body,
                display_name,
            } => {
                change.created = Some(Created {
                    post_id,
                    parent_comment_id,
                    depth,
                    author,
                    display_name,
                    created_at: at,
                });
                change.body = Some(body);
            }
            Event::CommentEdited { body } => change.body = Some(body),
            Event::CommentDeleted {} => change.visibility = Some(Some(at)),
            Event::CommentRestored {} => change.visibility = Some(None),
            Event::CommentModerated {} => {}
        }
        change.updated_at = at;
        change.sequence = event.sequence;
    }
    let (new, old): (Vec<_>, Vec<_>) =
        changes.iter().partition(|(_, change)| change.created.is_some());
    // Old ones first: whoever is counted there is not counted again as new.
    update(&old, connection).await?;
    insert(&new, connection).await
}

async fn insert(
    comments: &[(&Uuid, &Change<'_>)],
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    let mut comments: Vec<_> = comments
        .iter()
        .filter_map(|(id, comment)| Some((**id, *comment, comment.created.as_ref()?)))
        .collect();
    if comments.is_empty() {
        return Ok(());
    }
    comments.sort_unstable_by_key(|(id, ..)| *id);
    sqlx::query(
        "INSERT INTO comments (id, post_id, parent_comment_id, answers, depth,
             author_memberuser_id, author_adminuser_id, author_guestuser_id, body, display_name,
             created_at, updated_at, deleted_at, reply_count, sequence)
         SELECT id, post_id, parent, coalesce(parent, post_id), depth, member, admin, guest, body,
                name, created_at, updated_at, deleted_at, 0, sequence
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::uuid[], $6::uuid[],
                     $7::uuid[], $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[],
                     $12::timestamptz[], $13::bigint[])
              AS u(id, post_id, parent, depth, member, admin, guest, body, name, created_at,
                   updated_at, deleted_at, sequence)",
    )
    .bind(comments.iter().map(|(id, ..)| *id).collect::<Vec<_>>())
    .bind(comments.iter().map(|(.., new)| new.post_id).collect::<Vec<_>>())
    .bind(comments.iter().map(|(.., new)| new.parent_comment_id).collect::<Vec<_>>())
    .bind(comments.iter().map(|(.., new)| new.depth).collect::<Vec<_>>())
    .bind(
        comments.iter().map(|(.., new)| new.author.as_member().map(|id| id.0)).collect::<Vec<_>>(),
    )
    .bind(comments.iter().map(|(.., new)| new.author.as_admin().map(|id| id.0)).collect::<Vec<_>>())
    .bind(comments.iter().map(|(.., new)| new.author.as_guest().map(|id| id.0)).collect::<Vec<_>>())
    .bind(comments.iter().map(|(_, comment, _)| comment.body.as_deref()).collect::<Vec<_>>())
    .bind(comments.iter().map(|(.., new)| new.display_name.as_deref()).collect::<Vec<_>>())
    .bind(comments.iter().map(|(.., new)| new.created_at).collect::<Vec<_>>())
    .bind(comments.iter().map(|(_, comment, _)| comment.updated_at).collect::<Vec<_>>())
    .bind(comments.iter().map(|(_, comment, _)| comment.visibility.flatten()).collect::<Vec<_>>())
    .bind(comments.iter().map(|(_, comment, _)| number(comment.sequence)).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    let mut replies: HashMap<Uuid, i64> = HashMap::new();
    let mut shown: HashMap<Uuid, i64> = HashMap::new();
    for (_, comment, new) in &comments {
        if let Some(parent) = new.parent_comment_id {
            *replies.entry(parent).or_default() += 1;
        }
        *shown.entry(new.post_id).or_default() += i64::from(comment.visibility.flatten().is_none());
    }
    let (parents, counts): (Vec<_>, Vec<_>) = replies.into_iter().unzip();
    sqlx::query(
        "UPDATE comments c SET reply_count = c.reply_count + u.count
         FROM unnest($1::uuid[], $2::bigint[]) AS u(id, count) WHERE c.id = u.id",
    )
    .bind(parents)
    .bind(counts)
    .execute(&mut *connection)
    .await?;
    count(shown, connection).await
}

async fn update(
    comments: &[(&Uuid, &Change<'_>)],
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    if comments.is_empty() {
        return Ok(());
    }
    let shown: Vec<(Uuid, i64)> = sqlx::query_as(
        "UPDATE comments c SET
             body = coalesce(u.body, c.body),
             deleted_at = CASE WHEN u.shown_or_hidden THEN u.deleted_at ELSE c.deleted_at END,
             updated_at = u.updated_at,
             sequence = u.sequence
         FROM unnest($1::uuid[], $2::text[], $3::boolean[], $4::timestamptz[], $5::timestamptz[],
                     $6::bigint[])
              AS u(id, body, shown_or_hidden, deleted_at, updated_at, sequence)
         JOIN comments o ON o.id = u.id
         WHERE c.id = u.id
         RETURNING c.post_id,
             ((c.deleted_at IS NULL)::integer - (o.deleted_at IS NULL)::integer)::bigint",
    )
    .bind(comments.iter().map(|(id, _)| **id).collect::<Vec<_>>())
    .bind(comments.iter().map(|(_, comment)| comment.body.as_deref()).collect::<Vec<_>>())
    .bind(comments.iter().map(|(_, comment)| comment.visibility.is_some()).collect::<Vec<_>>())
    .bind(comments.iter().map(|(_, comment)| comment.visibility.flatten()).collect::<Vec<_>>())
    .bind(comments.iter().map(|(_, comment)| comment.updated_at).collect::<Vec<_>>())
    .bind(comments.iter().map(|(_, comment)| number(comment.sequence)).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await?;
    let mut moved: HashMap<Uuid, i64> = HashMap::new();
    for (post_id, by) in shown {
        *moved.entry(post_id).or_default() += by;
    }
    count(moved, connection).await
}

/// Moves the posts' counts of comments that are not deleted.
async fn count(moved: HashMap<Uuid, i64>, connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut moved: Vec<_> = moved.into_iter().collect();
    moved.sort_unstable();
    let (posts, by): (Vec<_>, Vec<_>) = moved.into_iter().unzip();
    sqlx::query(
        "INSERT INTO post_comment_counts AS c (post_id, comments)
         SELECT * FROM unnest($1::uuid[], $2::bigint[])
         ON CONFLICT (post_id) DO UPDATE SET comments = c.comments + excluded.comments",
    )
    .bind(posts)
    .bind(by)
    .execute(connection)
    .await?;
    Ok(())
}
