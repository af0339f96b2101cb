//! What follows from each command on an export: pure.

use super::*;

type Decided = Result<Vec<ExportJobEvent>, ExportJobError>;

pub(super) fn request(export: &ExportJob, command: RequestExport) -> Decided {
    if export.job.is_some() {
        return Err(ExportJobError::AlreadyExists);
    }
    let RequestExport { job_id, content, report, requested_by, triggered_at, rate_limited_until } =
        command;
    let (mut expires_at, mut due_at) = (None, None);
    let mut is_batch = false;
    match &content {
        ExportContent::StatutoryReport(statutory) => {
            let report = report.ok_or(ExportJobError::NoSuchReport)?;
            if report.organization_id != statutory.organization_id {
                return Err(ExportJobError::ForeignReport);
            }
            is_batch = statutory.source == ExportSource::SystemBatch;
            expires_at = Some(triggered_at + STATUTORY_RETENTION);
        }
        ExportContent::SubjectData(data) => {
            let names_all = data.data_categories == DataCategory::ALL;
            let is_full = data.request_type == SubjectRequestType::FullExport;
            if data.data_categories.is_empty() || (is_full && !names_all) {
                return Err(ExportJobError::WrongCategories);
            }
            due_at = Some(triggered_at + ANSWER_WITHIN);
        }
        ExportContent::PlatformData { .. } => {}
    }
    if is_batch != requested_by.is_none() {
        return Err(ExportJobError::WrongSource);
    }
    let mut events = vec![ExportJobEvent::ExportRequested {
        job_id,
        content,
        requested_by,
        triggered_at,
        expires_at,
        due_at,
    }];
    events.extend(rate_limited_until.map(|retry_at| ExportJobEvent::ExportRateLimited {
        error_code: ErrorCode::rate_limit_exceeded(),
        error_message: ErrorMessage::rate_limit_exceeded(),
        completed_at: triggered_at,
        retry_at,
    }));
    Ok(events)
}

pub(super) fn start(export: &ExportJob, command: StartExport) -> Decided {
    let job = transition(export, ExportStatus::Processing)?;
    let processing_started_at = in_order(job, command.processing_started_at, command.now)?;
    Ok(vec![ExportJobEvent::ExportStarted { processing_started_at }])
}

pub(super) fn complete(export: &ExportJob, command: CompleteExport) -> Decided {
    let job = transition(export, ExportStatus::Completed)?;
    let CompleteExport { file, metadata, completed_at, now } = command;
    if file.file_path.as_str() != job.file_path(&file.file_name) {
        return Err(ExportJobError::ForeignPath);
    }
    let completed_at = in_order(job, completed_at, now)?;
    let expires_at = job.expires_at.unwrap_or(completed_at + FILE_RETENTION);
    Ok(vec![ExportJobEvent::ExportCompleted { file, metadata, completed_at, expires_at }])
}

pub(super) fn fail(export: &ExportJob, command: FailExport) -> Decided {
    let job = transition(export, ExportStatus::Failed)?;
    let FailExport { error_code, error_message, completed_at, now } = command;
    let completed_at = in_order(job, completed_at, now)?;
    Ok(vec![ExportJobEvent::ExportFailed { error_code, error_message, completed_at }])
}

pub(super) fn cancel(export: &ExportJob, command: CancelExport) -> Decided {
    let job = transition(export, ExportStatus::Cancelled)?;
    let completed_at = in_order(job, None, command.now)?;
    let cancelled_by = command.cancelled_by;
    Ok(vec![ExportJobEvent::ExportCancelled { cancelled_by, completed_at }])
}

pub(super) fn extend_deadline(export: &ExportJob, command: ExtendDeadline) -> Decided {
    let job = export.require()?;
    if job.status.is_terminal() {
        return Err(ExportJobError::Frozen);
    }
    let first_month = job.due_at.ok_or(ExportJobError::NoDeadline)?;
    if job.is_extended {
        return Err(ExportJobError::AlreadyExtended);
    }
    if command.now > first_month {
        return Err(ExportJobError::TooLateToExtend);
    }
    // From the request on, so that the last day of a month is not lost twice.
    let due_at = job.triggered_at + ANSWER_WITHIN_EXTENDED;
    let ExtendDeadline { extended_by, reason, .. } = command;
    Ok(vec![ExportJobEvent::ExportDeadlineExtended { due_at, extended_by, reason }])
}

pub(super) fn purge(export: &ExportJob, command: PurgeFile) -> Decided {
    let job = export.require()?;
    let has_none = job.file.is_none() && job.status.is_terminal();
    if job.is_purged || has_none {
        return Ok(Vec::new());
    }
    // Evidence stays for its own time (DDR-13).
    let is_erased = command.for_erasure && job.content.statutory().is_none();
    match job.expires_at {
        Some(expires_at) if job.file.is_some() && (expires_at <= command.now || is_erased) => {
            Ok(vec![ExportJobEvent::ExportFilePurged { purged_at: command.now }])
        }
        _ => Err(ExportJobError::NotExpired),
    }
}

pub(super) fn archive(export: &ExportJob, command: ArchiveExport) -> Decided {
    let job = export.require()?;
    if job.is_archived {
        return Ok(Vec::new());
    }
    if !job.status.is_terminal() {
        return Err(ExportJobError::NotEnded);
    }
    if job.triggered_at + ARCHIVED_AFTER > command.now {
        return Err(ExportJobError::TooYoung);
    }
    Ok(vec![ExportJobEvent::ExportArchived { archived_at: command.now }])
}

pub(super) fn hide(export: &ExportJob, command: HideExport) -> Decided {
    let job = export.require()?;
    if job.content.kind() == ExportKind::StatutoryReport {
        return Err(ExportJobError::NeverHidden);
    }
    if job.is_hidden {
        return Ok(Vec::new());
    }
    if !job.status.is_terminal() {
        return Err(ExportJobError::NotEnded);
    }
    let HideExport { hidden_by, now } = command;
    Ok(vec![ExportJobEvent::ExportHidden { hidden_at: now, hidden_by }])
}

/// The job, where it may become what is wanted (BUF-03).
fn transition(export: &ExportJob, to: ExportStatus) -> Result<&Job, ExportJobError> {
    let job = export.require()?;
    let (from, kind) = (job.status, job.content.kind());
    if from.may_become(to, kind) {
        Ok(job)
    } else {
        Err(ExportJobError::Transition { kind, from, to })
    }
}

/// When something happened to the job (BUF-07). Where nobody says, it is now; a clock that is behind
/// the one of whoever acted before does not stand in the way then.
fn in_order(
    job: &Job,
    given: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, ExportJobError> {
    match given {
        None => Ok(now.max(job.last_time())),
        Some(time) if (job.last_time()..=now.max(job.last_time())).contains(&time) => Ok(time),
        Some(_) => Err(ExportJobError::TimesOutOfOrder),
    }
}
