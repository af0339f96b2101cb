//! Notices of content, with what came of them (LAW-10). Texts stay sealed.

use agora_domain::{
    Actor,
    content::{
        content_notice::{NoticeGround, NoticeOutcome, NoticeTarget},
        moderation_appeal::ModeratedKind,
    },
};
use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "content_notices",
    version: 1,
    event_types: &["ContentNoticeDecided", "ContentReported"],
    columns: Columns::Payload,
    tables: &["content_notices"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

/// Texts are sealed.
#[derive(Deserialize)]
enum Event {
    ContentReported {
        about: NoticeTarget,
        notifier: Actor,
        ground: NoticeGround,
        explanation: String,
    },
    ContentNoticeDecided {
        decided_by: Actor,
        outcome: NoticeOutcome,
        reason: String,
    },
}

struct Given {
    id: Uuid,
    about: NoticeTarget,
    notifier: Actor,
    ground: NoticeGround,
    explanation: String,
    at: DateTime<Utc>,
    position: i64,
    sequence: i64,
}

struct Decided {
    id: Uuid,
    by: Actor,
    outcome: NoticeOutcome,
    reason: String,
    at: DateTime<Utc>,
    sequence: i64,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let (mut given, mut decided) = (Vec::new(), Vec::new());
    for event in events {
        let (id, at, sequence) = (stream_uuid(event)?, event.recorded_at, number(event.sequence));
        match payload(event)? {
            Event::ContentReported { about, notifier, ground, explanation } => {
                let position = number(event.position);
                given.push(Given {
                    id,
                    about,
                    notifier,
                    ground,
                    explanation,
                    at,
                    position,
                    sequence,
                });
            }
            Event::ContentNoticeDecided { decided_by: by, outcome, reason } => {
                decided.push(Decided { id, by, outcome, reason, at, sequence });
            }
        }
    }
    // A notice is given before it is decided.
    give(&given, connection).await?;
    decide(&decided, connection).await
}

async fn give(given: &[Given], connection: &mut PgConnection) -> Result<(), ApplyError> {
    if given.is_empty() {
        return Ok(());
    }
    let kind = |it: &Given| match it.about.kind {
        ModeratedKind::Comment => "comment",
        ModeratedKind::Post | ModeratedKind::Community => "post",
    };
    sqlx::query(
        "INSERT INTO content_notices (notice_id, content_kind, content_id, community_id,
             notifier_kind, notifier_id, ground, explanation, created_at, position, sequence)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[],
             $6::uuid[], $7::text[], $8::text[], $9::timestamptz[], $10::bigint[], $11::bigint[])",
    )
    .bind(given.iter().map(|it| it.id).collect::<Vec<_>>())
    .bind(given.iter().map(kind).collect::<Vec<_>>())
    .bind(given.iter().map(|it| it.about.thing_id).collect::<Vec<_>>())
    .bind(given.iter().map(|it| it.about.community_id.0).collect::<Vec<_>>())
    .bind(given.iter().map(|it| it.notifier.kind.as_str()).collect::<Vec<_>>())
    .bind(given.iter().map(|it| it.notifier.id).collect::<Vec<_>>())
    .bind(given.iter().map(|it| it.ground.as_str()).collect::<Vec<_>>())
    .bind(given.iter().map(|it| it.explanation.as_str()).collect::<Vec<_>>())
    .bind(given.iter().map(|it| it.at).collect::<Vec<_>>())
    .bind(given.iter().map(|it| it.position).collect::<Vec<_>>())
    .bind(given.iter().map(|it| it.sequence).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn decide(decided: &[Decided], connection: &mut PgConnection) -> Result<(), ApplyError> {
    if decided.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE content_notices n SET
             outcome = u.outcome, decided_by = u.decided_by, decision_reason = u.reason,
             decided_at = u.decided_at, sequence = u.sequence
         FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::timestamptz[],
                     $6::bigint[])
              AS u(id, outcome, decided_by, reason, decided_at, sequence)
         WHERE n.notice_id = u.id",
    )
    .bind(decided.iter().map(|it| it.id).collect::<Vec<_>>())
    .bind(decided.iter().map(|it| it.outcome.as_str()).collect::<Vec<_>>())
    .bind(decided.iter().map(|it| it.by.id).collect::<Vec<_>>())
    .bind(decided.iter().map(|it| it.reason.as_str()).collect::<Vec<_>>())
    .bind(decided.iter().map(|it| it.at).collect::<Vec<_>>())
    .bind(decided.iter().map(|it| it.sequence).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
