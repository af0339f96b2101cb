//! Appeals against acts of moderation, with their decisions (MOD-08).

use agora_domain::{
    Actor,
    content::moderation_appeal::{AppealOutcome, ModeratedKind, Moderation},
};
use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "moderation_appeals",
    version: 1,
    event_types: &["ModerationAppealLodged", "ModerationAppealDecided"],
    columns: Columns::Payload,
    tables: &["moderation_appeals"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

/// Texts are sealed.
#[derive(Deserialize)]
enum Event {
    ModerationAppealLodged { against: Moderation, appellant: Actor, text: String },
    ModerationAppealDecided { decided_by: Actor, outcome: AppealOutcome, reason: String },
}

struct Lodged {
    id: Uuid,
    against: Moderation,
    appellant: Actor,
    text: String,
    at: DateTime<Utc>,
    position: i64,
    sequence: i64,
}

struct Decided {
    id: Uuid,
    by: Actor,
    outcome: AppealOutcome,
    reason: String,
    at: DateTime<Utc>,
    sequence: i64,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let (mut lodged, mut decided) = (Vec::new(), Vec::new());
    for event in events {
        let (id, at, sequence) = (stream_uuid(event)?, event.recorded_at, number(event.sequence));
        match payload(event)? {
            Event::ModerationAppealLodged { against, appellant, text } => {
                let position = number(event.position);
                lodged.push(Lodged { id, against, appellant, text, at, position, sequence });
            }
            Event::ModerationAppealDecided { decided_by: by, outcome, reason } => {
                decided.push(Decided { id, by, outcome, reason, at, sequence });
            }
        }
    }
    // In this order: an appeal is lodged once and decided once, after that.
    lodge(&lodged, connection).await?;
    decide(&decided, connection).await
}

async fn lodge(lodged: &[Lodged], connection: &mut PgConnection) -> Result<(), ApplyError> {
    if lodged.is_empty() {
        return Ok(());
    }
    let of_kind = |kind: ModeratedKind| {
        let thing = move |it: &Lodged| (it.against.kind == kind).then_some(it.against.thing_id);
        lodged.iter().map(thing).collect::<Vec<_>>()
    };
    let community = |it: &Lodged| it.against.community_id.map(|id| id.0);
    sqlx::query(
        "INSERT INTO moderation_appeals (id, community_platform_post_id, comment_id, community_id,
             action_type, performed_adminuser_id, appellant_memberuser_id, appellant_adminuser_id,
             appeal_text, created_at, position, sequence)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[],
             $6::uuid[], $7::uuid[], $8::uuid[], $9::text[], $10::timestamptz[], $11::bigint[],
             $12::bigint[])",
    )
    .bind(lodged.iter().map(|it| it.id).collect::<Vec<_>>())
    .bind(of_kind(ModeratedKind::Post))
    .bind(of_kind(ModeratedKind::Comment))
    .bind(lodged.iter().map(community).collect::<Vec<_>>())
    .bind(lodged.iter().map(|it| it.against.action.as_str()).collect::<Vec<_>>())
    .bind(lodged.iter().map(|it| it.against.moderator.id).collect::<Vec<_>>())
    .bind(lodged.iter().map(|it| it.appellant.as_member().map(|id| id.0)).collect::<Vec<_>>())
    .bind(lodged.iter().map(|it| it.appellant.as_admin().map(|id| id.0)).collect::<Vec<_>>())
    .bind(lodged.iter().map(|it| it.text.as_str()).collect::<Vec<_>>())
    .bind(lodged.iter().map(|it| it.at).collect::<Vec<_>>())
    .bind(lodged.iter().map(|it| it.position).collect::<Vec<_>>())
    .bind(lodged.iter().map(|it| it.sequence).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn decide(decided: &[Decided], connection: &mut PgConnection) -> Result<(), ApplyError> {
    if decided.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE moderation_appeals a SET
             outcome = u.outcome, decided_adminuser_id = u.decided_by, decision_reason = u.reason,
             decided_at = u.decided_at, sequence = u.sequence
         FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::timestamptz[],
                     $6::bigint[])
              AS u(id, outcome, decided_by, reason, decided_at, sequence)
         WHERE a.id = u.id",
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
