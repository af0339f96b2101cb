//! How often an export was downloaded. The stream is the job: `{export job id}`.
//!
//! Life cycle: each download counts one up (BUF-17), for ever; there is no way down. It is a stream
//! of its own, whose last event is its state, so that a file that is downloaded a million times costs
//! no more to decide about, and its job stays frozen (BUF-08).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::ExportJobId,
    refusal::{Refusal, RefusalKind},
};

/// The downloads as the log tells it. `Default` is what nobody has downloaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExportDownloads {
    download_count: u64,
    last_downloaded_at: Option<DateTime<Utc>>,
}

impl ExportDownloads {
    pub fn download_count(&self) -> u64 {
        self.download_count
    }

    pub fn last_downloaded_at(&self) -> Option<DateTime<Utc>> {
        self.last_downloaded_at
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExportDownloadsCommand {
    Record(RecordDownload),
}

#[derive(Clone, Debug, PartialEq)]
pub struct RecordDownload {
    pub job_id: ExportJobId,
    pub downloaded_by: Actor,
    pub now: DateTime<Utc>,
    /// What the decision needs to know of the job: that it has a file that has not expired.
    pub is_available: bool,
    pub is_completed: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ExportDownloadsEvent {
    /// With the count after it.
    ExportDownloaded {
        job_id: ExportJobId,
        download_count: u64,
        downloaded_at: DateTime<Utc>,
        downloaded_by: Actor,
    },
}

domain_event!(ExportDownloadsEvent { ExportDownloaded => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExportDownloadsError {
    #[error("the export has no file: it is not completed")]
    NotCompleted,
    #[error("the export has expired: its file is gone")]
    Expired,
}

impl Refusal for ExportDownloadsError {
    fn rule(&self) -> &'static str {
        match self {
            Self::NotCompleted | Self::Expired => "BUF-18",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotCompleted => RefusalKind::Conflict,
            Self::Expired => RefusalKind::Gone,
        }
    }
}

aggregate!(
    ExportDownloads,
    "export_downloads",
    ExportDownloadsCommand,
    ExportDownloadsEvent,
    ExportDownloadsError
);

impl Decide for ExportDownloads {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: ExportDownloadsCommand,
    ) -> Result<Vec<ExportDownloadsEvent>, ExportDownloadsError> {
        let ExportDownloadsCommand::Record(command) = command;
        record(self, command)
    }
}

fn record(
    downloads: &ExportDownloads,
    command: RecordDownload,
) -> Result<Vec<ExportDownloadsEvent>, ExportDownloadsError> {
    let RecordDownload { job_id, downloaded_by, now, is_available, is_completed } = command;
    if !is_completed {
        return Err(ExportDownloadsError::NotCompleted);
    }
    if !is_available {
        return Err(ExportDownloadsError::Expired);
    }
    Ok(vec![ExportDownloadsEvent::ExportDownloaded {
        job_id,
        download_count: downloads.download_count + 1,
        // Never before an earlier one, whatever clock that had (BUF-17).
        downloaded_at: downloads.last_downloaded_at.map_or(now, |last| last.max(now)),
        downloaded_by,
    }])
}

impl ExportDownloads {
    fn apply(&mut self, event: ExportDownloadsEvent) {
        let ExportDownloadsEvent::ExportDownloaded { download_count, downloaded_at, .. } = event;
        self.download_count = download_count;
        self.last_downloaded_at = Some(downloaded_at);
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;
    use crate::ids::MemberId;

    fn download(seconds: i64, is_completed: bool, is_available: bool) -> ExportDownloadsCommand {
        ExportDownloadsCommand::Record(RecordDownload {
            job_id: ExportJobId(Uuid::from_u128(1)),
            downloaded_by: Actor::member(MemberId(Uuid::from_u128(2))),
            now: DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds),
            is_available,
            is_completed,
        })
    }

    #[test]
    fn buf_17_dxr_05_each_download_counts_one_up_with_its_time() {
        let mut downloads = ExportDownloads::default();
        for (seconds, last) in [(10, 10), (20, 20), (15, 20), (20, 20), (21, 21)] {
            let before = downloads.download_count();
            for event in downloads.decide(download(seconds, true, true)).unwrap() {
                cqrs_es::Aggregate::apply(&mut downloads, event);
            }
            assert_eq!(downloads.download_count(), before + 1);
            let last = DateTime::UNIX_EPOCH + TimeDelta::seconds(last);
            assert_eq!(downloads.last_downloaded_at(), Some(last));
        }
    }

    #[test]
    fn buf_18_only_a_file_that_is_there_is_downloaded() {
        let downloads = ExportDownloads::default();
        let early = downloads.decide(download(1, false, false));
        assert_eq!(early, Err(ExportDownloadsError::NotCompleted));
        let late = downloads.decide(download(1, true, false));
        assert_eq!(late, Err(ExportDownloadsError::Expired));
        assert_eq!(ExportDownloadsError::Expired.kind(), RefusalKind::Gone);
    }
}
