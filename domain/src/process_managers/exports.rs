//! Has exports made, and looks after them for as long as they are kept (BUF-14, BUF-25, BUF-26,
//! DXR-07).
//!
//! Each task is a wake-up of its own, whose key derives from the event and the task. A task that fails
//! is tried again and keeps no other from its turn.

use chrono::TimeDelta;
use uuid::Uuid;

use super::{Reaction, WakeUp};
use crate::exports::export_job::{ARCHIVED_AFTER, ExportJobEvent};

pub const NAME: &str = "exports";

pub const EVENT_TYPES: &[&str] =
    &["ExportRequested", "ExportCompleted", "ExportFailed", "ExportCancelled", "ExportFilePurged"];

/// How long a worker may still be at it that does not know yet that the export has ended.
const LATE_WORKERS: TimeDelta = TimeDelta::minutes(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportTask {
    /// To be put where workers take it from.
    Make,
    /// Its file has expired.
    Purge,
    /// Its row is a year old.
    Archive,
    /// What lies in its folder goes, but for a file that can be downloaded.
    Sweep,
}

impl ExportTask {
    const ALL: [Self; 4] = [Self::Make, Self::Purge, Self::Archive, Self::Sweep];

    /// Part of the key: never changed.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Make => "make",
            Self::Purge => "purge",
            Self::Archive => "archive",
            Self::Sweep => "sweep",
        }
    }

    pub fn key(self, event_id: Uuid) -> Uuid {
        Uuid::new_v5(&event_id, self.as_str().as_bytes())
    }

    /// Which of an event's tasks has this key.
    pub fn find(event_id: Uuid, key: Uuid) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.key(event_id) == key)
    }
}

/// What it sends: whichever task of the cause has this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoTask {
    pub key: Uuid,
}

/// What follows from an event.
pub fn on_event(event_id: Uuid, event: &ExportJobEvent) -> Vec<Reaction<DoTask>> {
    let tasks = match event {
        ExportJobEvent::ExportRequested { triggered_at, .. } => {
            let archived_at = *triggered_at + ARCHIVED_AFTER;
            vec![(ExportTask::Make, *triggered_at), (ExportTask::Archive, archived_at)]
        }
        ExportJobEvent::ExportCompleted { completed_at, expires_at, .. } => {
            let swept_at = *completed_at + LATE_WORKERS;
            vec![(ExportTask::Sweep, swept_at), (ExportTask::Purge, *expires_at)]
        }
        ExportJobEvent::ExportFailed { completed_at, .. }
        | ExportJobEvent::ExportCancelled { completed_at, .. } => {
            vec![(ExportTask::Sweep, *completed_at + LATE_WORKERS)]
        }
        ExportJobEvent::ExportFilePurged { purged_at } => vec![(ExportTask::Sweep, *purged_at)],
        _ => Vec::new(),
    };
    let wake_ups = tasks.into_iter().map(|(task, at)| {
        Reaction::WakeUp(WakeUp { key: task.key(event_id), at, cause: event_id })
    });
    wake_ups.collect()
}

/// What follows when a task's turn has come.
pub fn on_wake_up(wake_up: WakeUp) -> Vec<Reaction<DoTask>> {
    vec![Reaction::Send { command: DoTask { key: wake_up.key }, cause: wake_up.cause }]
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::{
        actor::Actor,
        exports::{
            export_job::ExportContent,
            export_values::{PlatformExportType, PlatformFormat},
        },
        ids::{AdminId, ExportJobId},
    };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// The tasks of an event, with their times.
    fn tasks(event: &ExportJobEvent) -> Vec<(ExportTask, DateTime<Utc>)> {
        let event_id = Uuid::from_u128(1);
        on_event(event_id, event)
            .into_iter()
            .map(|reaction| match reaction {
                Reaction::WakeUp(wake_up) => {
                    assert_eq!(wake_up.cause, event_id);
                    (ExportTask::find(event_id, wake_up.key).unwrap(), wake_up.at)
                }
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn buf_26_buf_25_what_was_asked_for_is_made_at_once_and_archived_after_a_year() {
        let requested = ExportJobEvent::ExportRequested {
            job_id: ExportJobId(Uuid::from_u128(2)),
            content: ExportContent::PlatformData {
                export_type: PlatformExportType::Posts,
                format: PlatformFormat::Csv,
            },
            requested_by: Some(Actor::admin(AdminId(Uuid::from_u128(3)))),
            triggered_at: at(0),
            expires_at: None,
            due_at: None,
        };
        let expected = [(ExportTask::Make, at(0)), (ExportTask::Archive, at(365 * 86_400))];
        assert_eq!(tasks(&requested), expected);
    }

    #[test]
    fn buf_14_files_go_when_they_expire_and_what_late_workers_left_before() {
        let failed = ExportJobEvent::ExportFailed {
            error_code: "STORAGE_FULL".parse().unwrap(),
            error_message: "The storage is full.".parse().unwrap(),
            completed_at: at(100),
        };
        assert_eq!(tasks(&failed), [(ExportTask::Sweep, at(700))]);
        let cancelled =
            ExportJobEvent::ExportCancelled { cancelled_by: Actor::SYSTEM, completed_at: at(100) };
        assert_eq!(tasks(&cancelled), [(ExportTask::Sweep, at(700))]);
        let purged = ExportJobEvent::ExportFilePurged { purged_at: at(100) };
        assert_eq!(tasks(&purged), [(ExportTask::Sweep, at(100))]);
        assert_eq!(tasks(&ExportJobEvent::ExportArchived { archived_at: at(1) }), []);
    }

    #[test]
    fn a_wake_up_sends_the_task_that_it_is_for() {
        let key = ExportTask::Purge.key(Uuid::from_u128(1));
        let wake_up = WakeUp { key, at: at(0), cause: Uuid::from_u128(1) };
        let send = Reaction::Send { command: DoTask { key }, cause: Uuid::from_u128(1) };
        assert_eq!(on_wake_up(wake_up), [send]);
        assert_eq!(ExportTask::find(Uuid::from_u128(2), key), None);
    }
}
