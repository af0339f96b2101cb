//! What happens to exports of each kind.

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    scene::{Fact, fact},
    story::{ADMIN, MEMBER, id, member, sealed},
    story_of_reports::{ORGANIZATION, REPORT},
};

pub const EXPORT: u128 = 19;

/// When something happened to an export, in whole minutes after it was asked for: each in a month of its
/// own, so that there are partitions.
pub fn moment(number: usize, minutes: i64) -> DateTime<Utc> {
    let first = Utc.with_ymd_and_hms(2026, 1, 15, 12, 0, 0).unwrap();
    first + TimeDelta::days(10 * i64::try_from(number).unwrap()) + TimeDelta::minutes(minutes)
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Statutory,
    Batch,
    Subject,
    OnBehalf,
    Platform,
}

impl Kind {
    pub const ALL: [Self; 5] =
        [Self::Statutory, Self::Batch, Self::Subject, Self::OnBehalf, Self::Platform];

    fn folder(self) -> &'static str {
        match self {
            Self::Statutory | Self::Batch => "statutory_report",
            Self::Subject | Self::OnBehalf => "subject_data",
            Self::Platform => "platform_data",
        }
    }
}

pub fn export_requested(number: usize, kind: Kind, who: usize) -> Fact {
    let me = member(id(MEMBER, who));
    let report = |source: &str| {
        json!({ "kind": "statutory_report", "report_id": id(REPORT, 0), "report_sequence": 1,
            "organization_id": id(ORGANIZATION, 0), "source": source, "format": "PDF",
            "report_period_label": "2025-Q1" })
    };
    let (content, by) = match kind {
        Kind::Statutory => {
            let mut content = report("MOBILE_ONE_CLICK");
            content["mobile_os"] = json!("iOS 18.2");
            (content, me)
        }
        Kind::Batch => (report("SYSTEM_BATCH"), Value::Null),
        Kind::Subject | Kind::OnBehalf => {
            let admin = json!({ "kind": "admin", "id": id(ADMIN, 0) });
            let content = json!({ "kind": "subject_data", "subject": me,
                "request_type": "FULL_EXPORT", "data_categories": ["account", "posts"],
                "format": "JSON", "delivery_method": "EMAIL",
                "delivery_address": sealed("identity", "address"),
                "verification_token_sha256": sealed("credential", "token") });
            (content, if kind == Kind::Subject { me } else { admin })
        }
        Kind::Platform => {
            let content =
                json!({ "kind": "platform_data", "export_type": "posts", "format": "csv" });
            (content, me)
        }
    };
    let mut fields = json!({ "job_id": id(EXPORT, number), "content": content,
        "triggered_at": moment(number, 0) });
    if !by.is_null() {
        fields["requested_by"] = by;
    }
    match kind {
        Kind::Statutory | Kind::Batch => {
            fields["expires_at"] = json!(moment(number, 90 * 24 * 60));
        }
        Kind::Subject | Kind::OnBehalf => fields["due_at"] = json!(moment(number, 30 * 24 * 60)),
        Kind::Platform => {}
    }
    on_job(number, "ExportRequested", fields)
}

fn on_job(number: usize, event_type: &'static str, fields: Value) -> Fact {
    let aggregate =
        if event_type == "ExportDownloaded" { "export_downloads" } else { "export_job" };
    fact(aggregate, id(EXPORT, number), event_type, fields)
}

pub fn export_file(number: usize, kind: Kind) -> Value {
    let path = format!("exports/{}/{}/file.zip", kind.folder(), id(EXPORT, number));
    json!({ "file_name": "file.zip", "file_path": path, "file_size_bytes": 12,
        "checksum_sha256": "0f".repeat(32) })
}

/// An event of a job after its request; `minutes` after it.
pub fn on_export(number: usize, kind: Kind, event_type: &'static str, minutes: i64) -> Fact {
    let at = json!(moment(number, minutes));
    let me = member(id(MEMBER, 0));
    let fields = match event_type {
        "ExportStarted" => json!({ "processing_started_at": at }),
        "ExportCompleted" => json!({ "file": export_file(number, kind),
            "metadata": { "row_count": 3, "is_draft": true }, "completed_at": at,
            "expires_at": moment(number, 90 * 24 * 60) }),
        "ExportFailed" => json!({ "error_code": "AGGREGATION_TIMEOUT",
            "error_message": "It took too long.", "completed_at": at }),
        "ExportRateLimited" => json!({ "error_code": "RATE_LIMIT_EXCEEDED",
            "error_message": "Too many.", "completed_at": moment(number, 0),
            "retry_at": moment(number, 60) }),
        "ExportCancelled" => json!({ "cancelled_by": me, "completed_at": at }),
        "ExportDeadlineExtended" => json!({ "due_at": moment(number, 90 * 24 * 60),
            "extended_by": me, "reason": sealed("content", "reason") }),
        "ExportDownloaded" => json!({ "job_id": id(EXPORT, number), "download_count": minutes,
            "downloaded_at": at, "downloaded_by": me }),
        "ExportFilePurged" => json!({ "purged_at": at }),
        "ExportArchived" => json!({ "archived_at": at }),
        _ => json!({ "hidden_at": at, "hidden_by": me }),
    };
    on_job(number, event_type, fields)
}

/// How far each export is, while a story is told.
#[derive(Default)]
pub struct Exports {
    jobs: Vec<(Kind, &'static str, i64)>,
}

impl Exports {
    /// What every story begins with: one of each kind, so that each history has rows.
    pub fn begin(&mut self, told: &mut Vec<Fact>) {
        for kind in Kind::ALL {
            told.push(self.requested(kind, 0));
        }
    }

    fn requested(&mut self, kind: Kind, who: usize) -> Fact {
        self.jobs.push((kind, "ExportRequested", 0));
        export_requested(self.jobs.len() - 1, kind, who)
    }

    /// What may happen next, by three rolls of the dice.
    pub fn next(&mut self, who: usize, which: usize, choice: usize) -> Fact {
        let number = which % self.jobs.len();
        let (kind, last, minutes) = self.jobs[number];
        let subject = matches!(kind, Kind::Subject | Kind::OnBehalf);
        let next = match (last, choice % 3) {
            ("ExportRequested", 0) if subject => "ExportDeadlineExtended",
            ("ExportRequested", 0) => "ExportRateLimited",
            ("ExportRequested" | "ExportDeadlineExtended", _) => "ExportStarted",
            ("ExportStarted", 0) if subject => "ExportCancelled",
            ("ExportStarted", 0) => "ExportFailed",
            ("ExportStarted", _) => "ExportCompleted",
            ("ExportCompleted" | "ExportDownloaded", 0) => "ExportFilePurged",
            ("ExportCompleted" | "ExportDownloaded", _) => "ExportDownloaded",
            ("ExportArchived", _) => return self.requested(Kind::ALL[choice % 5], who),
            (_, 0) if subject => "ExportHidden",
            _ => "ExportArchived",
        };
        self.jobs[number] = (kind, next, minutes + 1);
        on_export(number, kind, next, minutes + 1)
    }
}

/// The id of an export of the story.
pub fn export(number: usize) -> Uuid {
    id(EXPORT, number)
}
