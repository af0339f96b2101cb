//! Versions of the privacy policy as they stand (E28). Each event carries the whole version.

use std::collections::BTreeMap;

use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload};

pub(super) const PROJECTION: Projection = Projection {
    name: "policy_versions",
    version: 1,
    event_types: &[
        "PolicyApproved",
        "PolicyChangesRequested",
        "PolicyDraftEdited",
        "PolicyDrafted",
        "PolicyNotificationSent",
        "PolicyPublished",
        "PolicySubmitted",
    ],
    columns: Columns::Payload,
    tables: &["policy_versions"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
struct Told {
    policy: Document,
}

#[derive(Deserialize)]
struct By {
    id: Uuid,
}

#[derive(Deserialize)]
struct Document {
    version_id: Uuid,
    version_number: String,
    effective_date: DateTime<Utc>,
    policy_content: String,
    content_hash: String,
    #[serde(default)]
    major_changes: Option<Box<RawValue>>,
    acceptance_required: bool,
    legal_review_status: String,
    authors: Box<RawValue>,
    #[serde(default)]
    reviewed_by: Option<By>,
    #[serde(default)]
    reviewed_at: Option<DateTime<Utc>>,
    #[serde(default)]
    published_at: Option<DateTime<Utc>>,
    notification_sent: bool,
}

/// A version after a batch.
struct Version {
    document: Document,
    /// These two are used only where there is no row yet.
    created_at: DateTime<Utc>,
    position: u64,
    updated_at: DateTime<Utc>,
    sequence: u64,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut versions: BTreeMap<Uuid, Version> = BTreeMap::new();
    for event in events {
        let told: BTreeMap<String, Told> = payload(event)?;
        let Some(Told { policy: document }) = told.into_values().next() else { continue };
        let begun = versions.get(&document.version_id);
        let (created_at, position) = begun.map_or((event.recorded_at, event.position), |begun| {
            (begun.created_at, begun.position)
        });
        let (updated_at, sequence) = (event.recorded_at, event.sequence);
        let version = Version { document, created_at, position, updated_at, sequence };
        versions.insert(version.document.version_id, version);
    }
    write(&versions, connection).await
}

async fn write(
    versions: &BTreeMap<Uuid, Version>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    let all = || versions.values();
    let documents = || versions.values().map(|version| &version.document);
    sqlx::query(
        "INSERT INTO policy_versions (version_id, version_number, effective_date, policy_content,
             content_hash, major_changes, acceptance_required, legal_review_status, authors,
             reviewed_by, reviewed_at, published_at, notification_sent, created_at, updated_at,
             position, sequence)
         SELECT version_id, version_number, effective_date, policy_content, content_hash,
                major_changes::jsonb, acceptance_required, legal_review_status, authors::jsonb,
                reviewed_by, reviewed_at, published_at, notification_sent, created_at, updated_at,
                position, sequence
         FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[],
             $7::boolean[], $8::text[], $9::text[], $10::uuid[], $11::timestamptz[],
             $12::timestamptz[], $13::boolean[], $14::timestamptz[], $15::timestamptz[],
             $16::bigint[], $17::bigint[])
             AS v (version_id, version_number, effective_date, policy_content, content_hash,
                   major_changes, acceptance_required, legal_review_status, authors, reviewed_by,
                   reviewed_at, published_at, notification_sent, created_at, updated_at, position,
                   sequence)
         ON CONFLICT (version_id) DO UPDATE SET
             effective_date = excluded.effective_date, policy_content = excluded.policy_content,
             content_hash = excluded.content_hash, major_changes = excluded.major_changes,
             acceptance_required = excluded.acceptance_required,
             legal_review_status = excluded.legal_review_status, authors = excluded.authors,
             reviewed_by = excluded.reviewed_by, reviewed_at = excluded.reviewed_at,
             published_at = excluded.published_at,
             notification_sent = excluded.notification_sent, updated_at = excluded.updated_at,
             sequence = excluded.sequence",
    )
    .bind(versions.keys().copied().collect::<Vec<_>>())
    .bind(documents().map(|it| it.version_number.as_str()).collect::<Vec<_>>())
    .bind(documents().map(|it| it.effective_date).collect::<Vec<_>>())
    .bind(documents().map(|it| it.policy_content.as_str()).collect::<Vec<_>>())
    .bind(documents().map(|it| it.content_hash.as_str()).collect::<Vec<_>>())
    .bind(documents().map(|it| it.major_changes.as_ref().map(|it| it.get())).collect::<Vec<_>>())
    .bind(documents().map(|it| it.acceptance_required).collect::<Vec<_>>())
    .bind(documents().map(|it| it.legal_review_status.as_str()).collect::<Vec<_>>())
    .bind(documents().map(|it| it.authors.get()).collect::<Vec<_>>())
    .bind(documents().map(|it| it.reviewed_by.as_ref().map(|by| by.id)).collect::<Vec<_>>())
    .bind(documents().map(|it| it.reviewed_at).collect::<Vec<_>>())
    .bind(documents().map(|it| it.published_at).collect::<Vec<_>>())
    .bind(documents().map(|it| it.notification_sent).collect::<Vec<_>>())
    .bind(all().map(|version| version.created_at).collect::<Vec<_>>())
    .bind(all().map(|version| version.updated_at).collect::<Vec<_>>())
    .bind(all().map(|version| number(version.position)).collect::<Vec<_>>())
    .bind(all().map(|version| number(version.sequence)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
