//! What admins changed of what is others', and why (E16, and the same for comments and communities):
//! one row an act (MOD-01, MOD-07).

use agora_domain::{Actor, content::moderation::ModerationAction, ids::MemberId};
use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "moderation_log",
    version: 2,
    event_types: &["PostModerated", "CommentModerated", "CommunityModerated"],
    columns: Columns::All,
    tables: &["moderation_log"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event {
    PostModerated(Moderated),
    CommentModerated(Moderated),
    CommunityModerated(Moderated),
}

#[derive(Deserialize)]
struct Moderated {
    action: ModerationAction,
    moderator: Actor,
    /// Sealed text.
    reason: String,
    community_id: Option<Uuid>,
    author: Option<Actor>,
    /// Of a community.
    owner: Option<MemberId>,
}

struct Entry {
    id: Uuid,
    post: Option<Uuid>,
    comment: Option<Uuid>,
    moderated: Moderated,
    at: DateTime<Utc>,
    position: i64,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut entries = Vec::with_capacity(events.len());
    for event in events {
        let thing = stream_uuid(event)?;
        let (post, comment, moderated) = match payload(event)? {
            Event::PostModerated(moderated) => (Some(thing), None, moderated),
            Event::CommentModerated(moderated) => (None, Some(thing), moderated),
            Event::CommunityModerated(moderated) => {
                let author = moderated.owner.map(Actor::member);
                (None, None, Moderated { community_id: Some(thing), author, ..moderated })
            }
        };
        let (id, at) = (event.event_id, event.recorded_at);
        let position = number(event.position);
        entries.push(Entry { id, post, comment, moderated, at, position });
    }
    let author = |entry: &Entry| entry.moderated.author;
    sqlx::query(
        "INSERT INTO moderation_log (id, community_platform_post_id, comment_id, community_id,
             author_memberuser_id, author_adminuser_id, author_guestuser_id,
             performed_adminuser_id, action_type, action_reason, created_at, position)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[],
             $6::uuid[], $7::uuid[], $8::uuid[], $9::text[], $10::text[], $11::timestamptz[],
             $12::bigint[])",
    )
    .bind(entries.iter().map(|entry| entry.id).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.post).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.comment).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.moderated.community_id).collect::<Vec<_>>())
    .bind(entries.iter().map(|it| author(it)?.as_member().map(|id| id.0)).collect::<Vec<_>>())
    .bind(entries.iter().map(|it| author(it)?.as_admin().map(|id| id.0)).collect::<Vec<_>>())
    .bind(entries.iter().map(|it| author(it)?.as_guest().map(|id| id.0)).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.moderated.moderator.id).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.moderated.action.as_str()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.moderated.reason.as_str()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.at).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.position).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
