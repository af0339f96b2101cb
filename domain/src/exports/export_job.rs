//! An export of any kind (K1). The stream is the job.
//!
//! Life cycle: requested (`pending`) → started (`processing`) → completed, failed or, of a person's
//! own data, cancelled. One that the quota refuses is born failed: requested and rate-limited in one
//! unit. After the end the job is frozen (BUF-08). What still happens to it are facts of their own
//! that change nothing of what it says (K11): its file is purged, its row goes to the archive, its
//! entry is hidden. Downloads have a stream of their own
//! ([`ExportDownloads`](super::export_downloads)). Nothing deletes a job (BUF-09).

mod decisions;
mod errors;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Months, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use errors::ExportJobError;

pub use super::export_content::{
    ExportContent, ExportKind, ExportStatus, StatutoryReport, SubjectData,
};
use super::export_values::{
    DataCategory, ErrorCode, ErrorMessage, ExportFile, ExportSource, FileMetadata, FileName,
    SubjectRequestType,
};
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::{ExportJobId, OrganizationId},
    personal::Personal,
    values::Reason,
};

/// How long the file of a statutory report is kept, from the request on: 90 × 24 hours (BUF-13).
pub const STATUTORY_RETENTION: TimeDelta = TimeDelta::hours(90 * 24);
/// How long another file is kept, from its completion on (DXR-07).
pub const FILE_RETENTION: TimeDelta = TimeDelta::hours(7 * 24);
/// A person is answered within a month (DXR-10).
pub const ANSWER_WITHIN: Months = Months::new(1);
/// And two months later, once, where the person is told why within the first (DXR-10).
pub const ANSWER_WITHIN_EXTENDED: Months = Months::new(3);
/// When a row goes to the archive (BUF-25).
pub const ARCHIVED_AFTER: Months = Months::new(12);

/// An export as the log tells it. `Default` is the one that nobody asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExportJob {
    job: Option<Job>,
}

/// An export that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub job_id: ExportJobId,
    pub content: ExportContent,
    /// Nobody where the platform itself asks, and only then (BUF-20).
    pub requested_by: Option<Actor>,
    pub triggered_at: DateTime<Utc>,
    /// When the file goes; of others than statutory exports, once there is one.
    pub expires_at: Option<DateTime<Utc>>,
    /// When the person must have its answer.
    pub due_at: Option<DateTime<Utc>>,
    pub status: ExportStatus,
    pub processing_started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    pub file: Option<ExportFile>,
    pub is_extended: bool,
    pub is_purged: bool,
    pub is_archived: bool,
    pub is_hidden: bool,
}

impl Job {
    /// Where a file of this job lies, and nowhere else.
    pub fn file_path(&self, file_name: &FileName) -> String {
        format!("exports/{}/{}/{file_name}", self.content.kind().as_str(), self.job_id)
    }

    /// The file, while it may be downloaded (BUF-18, DXR-07).
    pub fn available_file(&self, now: DateTime<Utc>) -> Option<&ExportFile> {
        let expired = self.expires_at.is_some_and(|expires_at| expires_at <= now);
        self.file.as_ref().filter(|_| !expired && !self.is_purged)
    }

    /// The subject whose request this is, as long as it is open (DXR-09).
    pub fn open_subject(&self) -> Option<Actor> {
        let data = self.content.subject_data()?;
        (!self.status.is_terminal()).then_some(data.subject)
    }

    /// The latest of the times that the next one must not come before (BUF-07).
    fn last_time(&self) -> DateTime<Utc> {
        self.processing_started_at.unwrap_or(self.triggered_at)
    }
}

impl ExportJob {
    pub fn get(&self) -> Option<&Job> {
        self.job.as_ref()
    }

    pub fn require(&self) -> Result<&Job, ExportJobError> {
        self.job.as_ref().ok_or(ExportJobError::NotFound)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExportJobCommand {
    Request(RequestExport),
    Start(StartExport),
    Complete(CompleteExport),
    Fail(FailExport),
    Cancel(CancelExport),
    ExtendDeadline(ExtendDeadline),
    Purge(PurgeFile),
    Archive(ArchiveExport),
    Hide(HideExport),
}

#[derive(Clone, Debug, PartialEq)]
pub struct RequestExport {
    pub job_id: ExportJobId,
    pub content: ExportContent,
    /// What is known of the report that a statutory export names.
    pub report: Option<KnownReport>,
    pub requested_by: Option<Actor>,
    pub triggered_at: DateTime<Utc>,
    /// The quota has no room for it (BUF-10): when it will.
    pub rate_limited_until: Option<DateTime<Utc>>,
}

/// A report that exists.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnownReport {
    pub organization_id: OrganizationId,
}

/// Times are of whoever does it; `now` is the decision's own, which none may lie after.
#[derive(Clone, Debug, PartialEq)]
pub struct StartExport {
    /// `now` where it is not given.
    pub processing_started_at: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CompleteExport {
    pub file: ExportFile,
    pub metadata: FileMetadata,
    /// `now` where it is not given.
    pub completed_at: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FailExport {
    pub error_code: ErrorCode,
    pub error_message: ErrorMessage,
    /// `now` where it is not given.
    pub completed_at: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CancelExport {
    pub cancelled_by: Actor,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ExtendDeadline {
    pub extended_by: Actor,
    /// What the person is told.
    pub reason: Personal<Reason>,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PurgeFile {
    /// An erasure does not wait until the file has expired (DDR-14).
    pub for_erasure: bool,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ArchiveExport {
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct HideExport {
    pub hidden_by: Actor,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ExportJobEvent {
    ExportRequested {
        job_id: ExportJobId,
        content: ExportContent,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requested_by: Option<Actor>,
        triggered_at: DateTime<Utc>,
        /// Of statutory exports.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<DateTime<Utc>>,
        /// Of a person's own data.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due_at: Option<DateTime<Utc>>,
    },
    /// In the unit of its request: there was no room in the quota.
    ExportRateLimited {
        error_code: ErrorCode,
        error_message: ErrorMessage,
        completed_at: DateTime<Utc>,
        /// When there will be room.
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
        error_code: ErrorCode,
        error_message: ErrorMessage,
        completed_at: DateTime<Utc>,
    },
    ExportCancelled {
        cancelled_by: Actor,
        completed_at: DateTime<Utc>,
    },
    ExportDeadlineExtended {
        due_at: DateTime<Utc>,
        extended_by: Actor,
        reason: Personal<Reason>,
    },
    /// Nobody can download the file any more; a process removes it from the storage.
    ExportFilePurged {
        purged_at: DateTime<Utc>,
    },
    /// The row is only shown to auditors from here on.
    ExportArchived {
        archived_at: DateTime<Utc>,
    },
    /// The entry is shown to nobody but auditors (DEL-05).
    ExportHidden {
        hidden_at: DateTime<Utc>,
        hidden_by: Actor,
    },
}

domain_event!(ExportJobEvent {
    ExportRequested => "1",
    ExportRateLimited => "1",
    ExportStarted => "1",
    ExportCompleted => "1",
    ExportFailed => "1",
    ExportCancelled => "1",
    ExportDeadlineExtended => "1",
    ExportFilePurged => "1",
    ExportArchived => "1",
    ExportHidden => "1",
});

aggregate!(ExportJob, "export_job", ExportJobCommand, ExportJobEvent, ExportJobError);

impl Decide for ExportJob {
    fn decide(&self, command: ExportJobCommand) -> Result<Vec<ExportJobEvent>, ExportJobError> {
        match command {
            ExportJobCommand::Request(command) => decisions::request(self, command),
            ExportJobCommand::Start(command) => decisions::start(self, command),
            ExportJobCommand::Complete(command) => decisions::complete(self, command),
            ExportJobCommand::Fail(command) => decisions::fail(self, command),
            ExportJobCommand::Cancel(command) => decisions::cancel(self, command),
            ExportJobCommand::ExtendDeadline(command) => decisions::extend_deadline(self, command),
            ExportJobCommand::Purge(command) => decisions::purge(self, command),
            ExportJobCommand::Archive(command) => decisions::archive(self, command),
            ExportJobCommand::Hide(command) => decisions::hide(self, command),
        }
    }
}

impl ExportJob {
    fn apply(&mut self, event: ExportJobEvent) {
        if let ExportJobEvent::ExportRequested {
            job_id,
            content,
            requested_by,
            triggered_at,
            expires_at,
            due_at,
        } = event
        {
            self.job = Some(Job {
                job_id,
                content,
                requested_by,
                triggered_at,
                expires_at,
                due_at,
                status: ExportStatus::Pending,
                processing_started_at: None,
                completed_at: None,
                file: None,
                is_extended: false,
                is_purged: false,
                is_archived: false,
                is_hidden: false,
            });
            return;
        }
        let Some(job) = &mut self.job else { return };
        match event {
            ExportJobEvent::ExportRequested { .. } => {}
            ExportJobEvent::ExportStarted { processing_started_at } => {
                job.status = ExportStatus::Processing;
                job.processing_started_at = Some(processing_started_at);
            }
            ExportJobEvent::ExportCompleted { file, completed_at, expires_at, .. } => {
                job.status = ExportStatus::Completed;
                job.completed_at = Some(completed_at);
                job.expires_at = Some(expires_at);
                job.file = Some(file);
            }
            ExportJobEvent::ExportRateLimited { completed_at, .. }
            | ExportJobEvent::ExportFailed { completed_at, .. } => {
                job.status = ExportStatus::Failed;
                job.completed_at = Some(completed_at);
            }
            ExportJobEvent::ExportCancelled { completed_at, .. } => {
                job.status = ExportStatus::Cancelled;
                job.completed_at = Some(completed_at);
            }
            ExportJobEvent::ExportDeadlineExtended { due_at, .. } => {
                job.due_at = Some(due_at);
                job.is_extended = true;
            }
            ExportJobEvent::ExportFilePurged { .. } => job.is_purged = true,
            ExportJobEvent::ExportArchived { .. } => job.is_archived = true,
            ExportJobEvent::ExportHidden { .. } => job.is_hidden = true,
        }
    }
}
