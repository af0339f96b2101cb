//! What the three histories of exports (E20, E21, E23) have in common: each is a fold of the same
//! jobs, with columns and status words of its own (K1).
//!
//! Rows are read and written as JSON objects, a key a column, so that a history says only how its
//! columns differ. A job has a handful of events and is downloaded at most so often in a batch, so what
//! counts is one statement a batch, not its speed.

use std::collections::{HashMap, HashSet};

use agora_domain::{
    Actor,
    exports::{
        export_job::ExportStatus,
        export_values::{ExportFile, FileMetadata},
    },
};
use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, number, payload, stream_uuid};

/// Everything that happens to a job; its id is the stream's in both aggregates.
pub(crate) const EVENT_TYPES: &[&str] = &[
    "ExportArchived",
    "ExportCancelled",
    "ExportCompleted",
    "ExportDeadlineExtended",
    "ExportDownloaded",
    "ExportFailed",
    "ExportFilePurged",
    "ExportHidden",
    "ExportRateLimited",
    "ExportRequested",
    "ExportStarted",
];

/// As stored; personal values are sealed texts.
#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event {
    ExportRequested(Requested),
    ExportRateLimited {
        error_code: String,
        error_message: String,
        completed_at: DateTime<Utc>,
        retry_at: DateTime<Utc>,
    },
    ExportStarted {
        processing_started_at: DateTime<Utc>,
    },
    ExportCompleted {
        file: ExportFile,
        metadata: FileMetadata,
        completed_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    },
    ExportFailed {
        error_code: String,
        error_message: String,
        completed_at: DateTime<Utc>,
    },
    ExportCancelled {
        completed_at: DateTime<Utc>,
    },
    ExportDeadlineExtended {
        due_at: DateTime<Utc>,
        reason: String,
    },
    ExportDownloaded {
        download_count: u64,
        downloaded_at: DateTime<Utc>,
    },
    ExportFilePurged {
        purged_at: DateTime<Utc>,
    },
    ExportArchived {
        archived_at: DateTime<Utc>,
    },
    ExportHidden {
        hidden_at: DateTime<Utc>,
    },
}

#[derive(Deserialize)]
pub(crate) struct Requested {
    pub(crate) content: Content,
    pub(crate) requested_by: Option<Actor>,
    pub(crate) triggered_at: DateTime<Utc>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) due_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Content {
    StatutoryReport {
        report_id: Uuid,
        report_sequence: u64,
        organization_id: Uuid,
        source: String,
        format: String,
        report_period_label: String,
        mobile_os: Option<String>,
    },
    SubjectData {
        subject: Actor,
        request_type: String,
        data_categories: Vec<String>,
        format: String,
        delivery_method: String,
        delivery_address: Option<String>,
        verification_token_sha256: String,
    },
    PlatformData {
        export_type: String,
        format: String,
    },
}

/// The columns that a job's life changes. A history leaves out those that its table has not.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Life {
    status: String,
    processing_started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    due_at: Option<DateTime<Utc>>,
    file_name: Option<String>,
    file_path: Option<String>,
    file_size_bytes: Option<i64>,
    checksum_sha256: Option<String>,
    error_code: Option<String>,
    error_message: Option<String>,
    retry_at: Option<DateTime<Utc>>,
    processing_notes: Option<String>,
    pub(crate) metadata: Option<Map<String, Value>>,
    download_count: i64,
    last_downloaded_at: Option<DateTime<Utc>>,
    file_purged_at: Option<DateTime<Utc>>,
    pub(crate) archived_at: Option<DateTime<Utc>>,
    hidden_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    sequence: i64,
}

/// A history's own word for a status.
pub(crate) type Word = fn(ExportStatus) -> &'static str;

impl Life {
    fn begin(requested: &Requested, word: Word) -> Self {
        Self {
            status: word(ExportStatus::Pending).to_owned(),
            expires_at: requested.expires_at,
            due_at: requested.due_at,
            ..Self::default()
        }
    }

    fn end(&mut self, status: ExportStatus, at: DateTime<Utc>, word: Word) {
        word(status).clone_into(&mut self.status);
        self.completed_at = Some(at);
    }

    fn fail(&mut self, code: String, message: String, at: DateTime<Utc>, word: Word) {
        self.end(ExportStatus::Failed, at, word);
        (self.error_code, self.error_message) = (Some(code), Some(message));
    }

    fn apply(&mut self, change: Event, word: Word) {
        match change {
            Event::ExportRequested(_) => {}
            Event::ExportRateLimited { error_code, error_message, completed_at, retry_at } => {
                self.fail(error_code, error_message, completed_at, word);
                self.retry_at = Some(retry_at);
            }
            Event::ExportStarted { processing_started_at } => {
                word(ExportStatus::Processing).clone_into(&mut self.status);
                self.processing_started_at = Some(processing_started_at);
            }
            Event::ExportCompleted { file, metadata, completed_at, expires_at } => {
                self.end(ExportStatus::Completed, completed_at, word);
                self.expires_at = Some(expires_at);
                self.file_name = Some(file.file_name.as_str().to_owned());
                self.file_path = Some(file.file_path.as_str().to_owned());
                self.file_size_bytes = Some(number(file.file_size_bytes.get()));
                self.checksum_sha256 = Some(file.checksum_sha256.as_str().to_owned());
                let told = serde_json::to_value(metadata).unwrap_or_default();
                let told = told.as_object().cloned().unwrap_or_default();
                self.metadata.get_or_insert_default().extend(told);
            }
            Event::ExportFailed { error_code, error_message, completed_at } => {
                self.fail(error_code, error_message, completed_at, word);
            }
            Event::ExportCancelled { completed_at } => {
                self.end(ExportStatus::Cancelled, completed_at, word);
            }
            Event::ExportDeadlineExtended { due_at, reason } => {
                self.due_at = Some(due_at);
                self.processing_notes = Some(reason);
            }
            Event::ExportDownloaded { download_count, downloaded_at } => {
                self.download_count = number(download_count);
                self.last_downloaded_at = Some(downloaded_at);
            }
            Event::ExportFilePurged { purged_at } => self.file_purged_at = Some(purged_at),
            Event::ExportArchived { archived_at } => self.archived_at = Some(archived_at),
            Event::ExportHidden { hidden_at } => self.hidden_at = Some(hidden_at),
        }
    }
}

/// A history's row: what it says of a job from the beginning, and the job's life.
pub(crate) trait Row: Serialize + DeserializeOwned {
    /// The table's column for what is `id` here.
    const ID: &'static str = "id";
    /// Columns that have another name in the table.
    const RENAMED: &'static [(&'static str, &'static str)] = &[];
    const WORD: Word;

    /// The row of a request; none where it is of another history.
    fn begin(
        id: Uuid,
        event: &RecordedEvent,
        requested: Requested,
        life: Life,
    ) -> Result<Option<Self>, ApplyError>;
    fn life(&mut self) -> &mut Life;
}

/// The rows after the events; `known` are those before them.
pub(crate) fn fold<R: Row>(
    events: &[&RecordedEvent],
    known: HashMap<Uuid, R>,
) -> Result<HashMap<Uuid, R>, ApplyError> {
    let mut rows = known;
    for event in events {
        let id = stream_uuid(event)?;
        match payload(event)? {
            Event::ExportRequested(requested) => {
                let life = Life::begin(&requested, R::WORD);
                if let Some(row) = R::begin(id, event, requested, life)? {
                    rows.insert(id, row);
                }
            }
            change => {
                if let Some(row) = rows.get_mut(&id) {
                    row.life().apply(change, R::WORD);
                }
            }
        }
        if let Some(row) = rows.get_mut(&id) {
            row.life().updated_at = Some(event.recorded_at);
            // Downloads are another stream, with sequences of its own.
            if event.event_type != "ExportDownloaded" {
                row.life().sequence = number(event.sequence);
            }
        }
    }
    Ok(rows)
}

/// The jobs that events are about.
pub(crate) fn ids(events: &[&RecordedEvent]) -> Result<Vec<Uuid>, ApplyError> {
    let ids: Result<HashSet<Uuid>, _> = events.iter().map(|event| stream_uuid(event)).collect();
    Ok(ids?.into_iter().collect())
}

/// The rows of jobs that a table has.
pub(crate) async fn load<R: Row>(
    table: &str,
    ids: &[Uuid],
    connection: &mut PgConnection,
) -> Result<HashMap<Uuid, R>, ApplyError> {
    let found: Vec<(Uuid, String)> = sqlx::query_as(&format!(
        "SELECT {id}, to_jsonb(t)::text FROM {table} t WHERE {id} = ANY ($1)",
        id = R::ID
    ))
    .bind(ids)
    .fetch_all(connection)
    .await?;
    let read = |(id, text): (Uuid, String)| {
        let mut row: Map<String, Value> = serde_json::from_str(&text).map_err(odd)?;
        for (own, column) in R::RENAMED {
            let value = row.remove(*column).unwrap_or_default();
            row.insert((*own).to_owned(), value);
        }
        Ok((id, serde_json::from_value(row.into()).map_err(odd)?))
    };
    found.into_iter().map(read).collect()
}

/// Puts rows in the place of those that a table has of the same jobs.
pub(crate) async fn replace<'a, R: Row + 'a>(
    table: &str,
    ids: &[Uuid],
    rows: impl Iterator<Item = &'a R>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    sqlx::query(&format!("DELETE FROM {table} WHERE {id} = ANY ($1)", id = R::ID))
        .bind(ids)
        .execute(&mut *connection)
        .await?;
    let mut written = Vec::new();
    for row in rows {
        let mut row = serde_json::to_value(row).map_err(odd)?;
        if let Value::Object(row) = &mut row {
            for (own, column) in R::RENAMED {
                let value = row.remove(*own).unwrap_or_default();
                row.insert((*column).to_owned(), value);
            }
        }
        written.push(row);
    }
    if written.is_empty() {
        return Ok(());
    }
    sqlx::query(&format!(
        "INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, $1::jsonb)"
    ))
    .bind(Value::from(written).to_string())
    .execute(connection)
    .await?;
    Ok(())
}

/// A row that is not as this code writes them: no circumstance, so trying again is of no use.
fn odd(error: serde_json::Error) -> ApplyError {
    ApplyError::Database(sqlx::Error::Decode(error.into()))
}
