//! The register of breaches of personal data (LAW-08). Texts stay sealed.

use std::collections::BTreeMap;

use agora_domain::{Actor, security::values::NotificationKind};
use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "breaches",
    version: 1,
    event_types: &[
        "AuthorityNotified",
        "BreachDeclared",
        "BreachNotificationWaived",
        "SubjectsNotified",
    ],
    columns: Columns::Payload,
    tables: &["breaches"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

/// Texts are sealed.
#[derive(Deserialize)]
enum Event {
    BreachDeclared {
        aware_at: DateTime<Utc>,
        content: Value,
        declared_by: Actor,
    },
    AuthorityNotified {
        phase: u32,
        notified_at: DateTime<Utc>,
        reason: Option<String>,
        content: Value,
        recorded_by: Actor,
    },
    SubjectsNotified {
        notified_at: DateTime<Utc>,
        reason: Option<String>,
        content: Value,
        recorded_by: Actor,
    },
    BreachNotificationWaived {
        kind: NotificationKind,
        reason: String,
        content: Value,
        recorded_by: Actor,
    },
}

/// A row, by the names of its columns.
#[derive(Serialize, Deserialize)]
struct Row {
    incident_id: Uuid,
    aware_at: DateTime<Utc>,
    content: Value,
    authority_notified_at: Option<DateTime<Utc>>,
    subjects_notified_at: Option<DateTime<Utc>>,
    notifications: Vec<Notification>,
    declared_by: Actor,
    declared_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    position: i64,
    sequence: i64,
}

#[derive(Serialize, Deserialize)]
struct Notification {
    kind: NotificationKind,
    phase: Option<u32>,
    notified_at: Option<DateTime<Utc>>,
    reason: Option<String>,
    recorded_by: Actor,
    recorded_at: DateTime<Utc>,
}

impl Row {
    fn add(&mut self, content: Value, notification: Notification) {
        self.content = content;
        let told = notification.notified_at;
        match notification.kind {
            NotificationKind::Authority => {
                self.authority_notified_at = self.authority_notified_at.or(told);
            }
            NotificationKind::Subjects => {
                self.subjects_notified_at = self.subjects_notified_at.or(told);
            }
            NotificationKind::AuthorityNotRequired | NotificationKind::SubjectsNotRequired => {}
        }
        self.notifications.push(notification);
    }
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut ids = events.iter().map(|event| stream_uuid(event)).collect::<Result<Vec<_>, _>>()?;
    ids.sort_unstable();
    ids.dedup();
    let known: Vec<sqlx::types::Json<Row>> =
        sqlx::query_scalar("SELECT to_jsonb(b) FROM breaches b WHERE incident_id = ANY($1)")
            .bind(&ids)
            .fetch_all(&mut *connection)
            .await?;
    let mut rows: BTreeMap<Uuid, Row> =
        known.into_iter().map(|row| (row.0.incident_id, row.0)).collect();
    for event in events {
        let (id, at) = (stream_uuid(event)?, event.recorded_at);
        let notified = |kind, phase, notified_at, reason, recorded_by| Notification {
            kind,
            phase,
            notified_at,
            reason,
            recorded_by,
            recorded_at: at,
        };
        let (content, notification) = match payload(event)? {
            Event::BreachDeclared { aware_at, content, declared_by } => {
                let row = Row {
                    incident_id: id,
                    aware_at,
                    content,
                    authority_notified_at: None,
                    subjects_notified_at: None,
                    notifications: Vec::new(),
                    declared_by,
                    declared_at: at,
                    updated_at: at,
                    position: number(event.position),
                    sequence: number(event.sequence),
                };
                rows.insert(id, row);
                continue;
            }
            Event::AuthorityNotified { phase, notified_at, reason, content, recorded_by } => {
                let kind = NotificationKind::Authority;
                (content, notified(kind, Some(phase), Some(notified_at), reason, recorded_by))
            }
            Event::SubjectsNotified { notified_at, reason, content, recorded_by } => {
                let kind = NotificationKind::Subjects;
                (content, notified(kind, None, Some(notified_at), reason, recorded_by))
            }
            Event::BreachNotificationWaived { kind, reason, content, recorded_by } => {
                (content, notified(kind, None, None, Some(reason), recorded_by))
            }
        };
        if let Some(row) = rows.get_mut(&id) {
            row.add(content, notification);
            row.updated_at = at;
            row.sequence = number(event.sequence);
        }
    }
    sqlx::query("DELETE FROM breaches WHERE incident_id = ANY($1)")
        .bind(&ids)
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO breaches SELECT * FROM jsonb_populate_recordset(NULL::breaches, $1)")
        .bind(sqlx::types::Json(rows.values().collect::<Vec<_>>()))
        .execute(connection)
        .await?;
    Ok(())
}
