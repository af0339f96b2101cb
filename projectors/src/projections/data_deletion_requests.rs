//! Requests to be erased (E24): a row a request. A request has some thirty events at most, so what counts
//! is one statement a batch, not its speed.

use std::collections::{BTreeMap, HashMap, HashSet};

use agora_domain::{
    Actor,
    compliance::deletion_values::{
        BackupStatus, DeletionGround, DeletionScope, DeletionStatus, ErasureStep, RecipientStatus,
        RetentionGround,
    },
};
use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "data_deletion_requests",
    version: 1,
    event_types: &[
        "BackupErasureUpdated",
        "DeletionApprovalGiven",
        "DeletionApproved",
        "DeletionDeadlineExtended",
        "DeletionIdentityVerified",
        "DeletionRejected",
        "DeletionRequested",
        "DeletionReviewStarted",
        "DeletionWithdrawn",
        "ErasureCertificateIssued",
        "ErasureCompleted",
        "ErasureStarted",
        "ErasureStepRecorded",
        "RecipientNotified",
    ],
    columns: Columns::Payload,
    tables: &["data_deletion_requests"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

/// As stored; personal values are sealed texts.
#[derive(Deserialize)]
enum Event {
    DeletionRequested {
        subject: Actor,
        deletion_scope: DeletionScope,
        #[serde(default)]
        data_categories: Vec<String>,
        legal_ground: DeletionGround,
        requested_by: Actor,
        requested_at: DateTime<Utc>,
        due_at: DateTime<Utc>,
        verification_required: bool,
    },
    DeletionIdentityVerified {
        verification_completed_at: DateTime<Utc>,
    },
    DeletionReviewStarted {
        reviewer_id: Actor,
    },
    DeletionApprovalGiven {
        approved_by: Actor,
        #[serde(flatten)]
        terms: Terms,
    },
    DeletionApproved {
        reviewer_id: Actor,
        approved_at: DateTime<Utc>,
        #[serde(flatten)]
        terms: Terms,
    },
    DeletionRejected {
        reviewer_id: Actor,
        reason: String,
        reviewed_at: DateTime<Utc>,
    },
    DeletionWithdrawn {
        withdrawn_at: DateTime<Utc>,
    },
    DeletionDeadlineExtended {
        due_at: DateTime<Utc>,
        reason: String,
        extended_at: DateTime<Utc>,
    },
    ErasureStarted {
        processing_started_at: DateTime<Utc>,
    },
    ErasureStepRecorded {
        step: ErasureStep,
    },
    RecipientNotified {
        recipient: String,
        status: RecipientStatus,
    },
    BackupErasureUpdated {
        backup_deletion_status: BackupStatus,
        gone_at: Option<DateTime<Utc>>,
    },
    ErasureCompleted {
        completed_at: DateTime<Utc>,
    },
    ErasureCertificateIssued {
        statement: String,
        public_key: String,
        signature: String,
    },
}

/// What an approval says of what stays and who is told.
#[derive(Deserialize)]
struct Terms {
    #[serde(default)]
    retention: Option<Retention>,
    #[serde(default)]
    recipients: Vec<String>,
}

#[derive(Deserialize)]
struct Retention {
    ground: RetentionGround,
    categories: Vec<String>,
    reason: String,
}

/// A row, its keys the columns.
#[derive(Serialize, Deserialize)]
struct Row {
    deletion_id: Uuid,
    user_id: Uuid,
    deletion_scope: DeletionScope,
    data_categories: Option<Vec<String>>,
    legal_ground: DeletionGround,
    status: DeletionStatus,
    requested_at: DateTime<Utc>,
    reviewed_at: Option<DateTime<Utc>>,
    approved_at: Option<DateTime<Utc>>,
    processing_started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    reviewer_id: Option<Uuid>,
    rejection_reason: Option<String>,
    retention_override: bool,
    retention_reason: Option<String>,
    backup_deletion_status: BackupStatus,
    third_party_notification: Option<BTreeMap<String, RecipientStatus>>,
    verification_required: bool,
    verification_completed_at: Option<DateTime<Utc>>,
    processing_log: Option<Vec<Value>>,
    data_subjects_notified: Option<Vec<Value>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    user_kind: String,
    requested_by: Uuid,
    due_at: DateTime<Utc>,
    deadline_reason: Option<String>,
    is_withdrawn: bool,
    first_approved_by: Option<Uuid>,
    retention_ground: Option<RetentionGround>,
    retained_categories: Option<Vec<String>>,
    backups_gone_at: Option<DateTime<Utc>>,
    certificate_statement: Option<String>,
    certificate_public_key: Option<String>,
    certificate_signature: Option<String>,
    position: i64,
    sequence: i64,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let ids: Result<HashSet<Uuid>, _> = events.iter().map(|event| stream_uuid(event)).collect();
    let ids: Vec<Uuid> = ids?.into_iter().collect();
    let mut rows = load(&ids, connection).await?;
    for event in events {
        let id = stream_uuid(event)?;
        match payload(event)? {
            Event::DeletionRequested {
                subject,
                deletion_scope,
                data_categories,
                legal_ground,
                requested_by,
                requested_at,
                due_at,
                verification_required,
            } => {
                let row = Row {
                    deletion_id: id,
                    user_id: subject.id,
                    deletion_scope,
                    data_categories: Some(data_categories).filter(|named| !named.is_empty()),
                    legal_ground,
                    status: DeletionStatus::Pending,
                    requested_at,
                    reviewed_at: None,
                    approved_at: None,
                    processing_started_at: None,
                    completed_at: None,
                    reviewer_id: None,
                    rejection_reason: None,
                    retention_override: false,
                    retention_reason: None,
                    backup_deletion_status: BackupStatus::Pending,
                    third_party_notification: None,
                    verification_required,
                    verification_completed_at: None,
                    processing_log: None,
                    data_subjects_notified: None,
                    created_at: requested_at,
                    updated_at: event.recorded_at,
                    user_kind: subject.kind.as_str().to_owned(),
                    requested_by: requested_by.id,
                    due_at,
                    deadline_reason: None,
                    is_withdrawn: false,
                    first_approved_by: None,
                    retention_ground: None,
                    retained_categories: None,
                    backups_gone_at: None,
                    certificate_statement: None,
                    certificate_public_key: None,
                    certificate_signature: None,
                    position: number(event.position),
                    sequence: number(event.sequence),
                };
                rows.insert(id, row);
            }
            change => {
                if let Some(row) = rows.get_mut(&id) {
                    row.apply(change);
                    row.updated_at = event.recorded_at;
                    row.sequence = number(event.sequence);
                }
            }
        }
    }
    write(&ids, &rows, connection).await
}

impl Row {
    fn apply(&mut self, change: Event) {
        match change {
            Event::DeletionRequested { .. } => {}
            Event::DeletionIdentityVerified { verification_completed_at } => {
                self.verification_completed_at = Some(verification_completed_at);
            }
            Event::DeletionReviewStarted { reviewer_id } => {
                self.status = DeletionStatus::UnderReview;
                self.reviewer_id = Some(reviewer_id.id);
            }
            Event::DeletionApprovalGiven { approved_by, terms } => {
                self.first_approved_by = Some(approved_by.id);
                self.agree(terms);
            }
            Event::DeletionApproved { reviewer_id, approved_at, terms } => {
                self.status = DeletionStatus::Approved;
                self.reviewer_id = Some(reviewer_id.id);
                (self.reviewed_at, self.approved_at) = (Some(approved_at), Some(approved_at));
                self.agree(terms);
            }
            Event::DeletionRejected { reviewer_id, reason, reviewed_at } => {
                self.status = DeletionStatus::Rejected;
                self.reviewer_id = Some(reviewer_id.id);
                self.reviewed_at = Some(reviewed_at);
                self.rejection_reason = Some(reason);
                self.tell("rejected", reviewed_at);
            }
            Event::DeletionWithdrawn { withdrawn_at } => {
                self.status = DeletionStatus::Rejected;
                self.reviewed_at = Some(withdrawn_at);
                self.is_withdrawn = true;
            }
            Event::DeletionDeadlineExtended { due_at, reason, extended_at } => {
                self.due_at = due_at;
                self.deadline_reason = Some(reason);
                self.tell("deadline_extended", extended_at);
            }
            Event::ErasureStarted { processing_started_at } => {
                self.status = DeletionStatus::Processing;
                self.processing_started_at = Some(processing_started_at);
            }
            Event::ErasureStepRecorded { step } => {
                let step = serde_json::to_value(step).unwrap_or_default();
                self.processing_log.get_or_insert_default().push(step);
            }
            Event::RecipientNotified { recipient, status } => {
                self.third_party_notification.get_or_insert_default().insert(recipient, status);
            }
            Event::BackupErasureUpdated { backup_deletion_status, gone_at } => {
                self.backup_deletion_status = backup_deletion_status;
                self.backups_gone_at = gone_at;
            }
            Event::ErasureCompleted { completed_at } => {
                self.status = DeletionStatus::Completed;
                self.completed_at = Some(completed_at);
                // Whose account ended was told so when it did; its address is gone by now.
                if !self.deletion_scope.closes_account() {
                    self.tell("completed", completed_at);
                }
            }
            Event::ErasureCertificateIssued { statement, public_key, signature } => {
                self.certificate_statement = Some(statement);
                self.certificate_public_key = Some(public_key);
                self.certificate_signature = Some(signature);
            }
        }
    }

    fn agree(&mut self, Terms { retention, recipients }: Terms) {
        self.retention_override = retention.is_some();
        let (mut ground, mut categories, mut reason) = (None, None, None);
        if let Some(retention) = retention {
            ground = Some(retention.ground);
            categories = Some(retention.categories);
            reason = Some(retention.reason);
        }
        self.retention_ground = ground;
        self.retained_categories = categories;
        self.retention_reason = reason;
        let pending = |name| (name, RecipientStatus::Pending);
        let told: BTreeMap<_, _> = recipients.into_iter().map(pending).collect();
        self.third_party_notification = Some(told).filter(|told| !told.is_empty());
    }

    fn tell(&mut self, what: &str, at: DateTime<Utc>) {
        let told = json!({ "of": what, "at": at, "by": "mail" });
        self.data_subjects_notified.get_or_insert_default().push(told);
    }
}

async fn load(
    ids: &[Uuid],
    connection: &mut PgConnection,
) -> Result<HashMap<Uuid, Row>, ApplyError> {
    let found: Vec<(Uuid, String)> = sqlx::query_as(
        "SELECT deletion_id, to_jsonb(t)::text FROM data_deletion_requests t
         WHERE deletion_id = ANY ($1)",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    let read = |(id, text): (Uuid, String)| Ok((id, serde_json::from_str(&text).map_err(odd)?));
    found.into_iter().map(read).collect()
}

async fn write(
    ids: &[Uuid],
    rows: &HashMap<Uuid, Row>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    sqlx::query("DELETE FROM data_deletion_requests WHERE deletion_id = ANY ($1)")
        .bind(ids)
        .execute(&mut *connection)
        .await?;
    let rows: Vec<&Row> = rows.values().collect();
    sqlx::query(
        "INSERT INTO data_deletion_requests
         SELECT * FROM jsonb_populate_recordset(NULL::data_deletion_requests, $1::jsonb)",
    )
    .bind(serde_json::to_string(&rows).map_err(odd)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// A row that is not as this code writes them: no circumstance, so trying again is of no use.
fn odd(error: serde_json::Error) -> ApplyError {
    ApplyError::Database(sqlx::Error::Decode(error.into()))
}
