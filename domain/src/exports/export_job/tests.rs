use chrono::{TimeZone, Utc};
use uuid::Uuid;

use super::*;
use crate::{
    exports::export_values::{
        DeliveryMethod, PlatformExportType, PlatformFormat, ReportFormat, SubjectFormat,
    },
    ids::{AdminId, BufdirReportId, MemberId},
    personal::{Category, Subject},
    refusal::{Refusal, RefusalKind},
};

const MEMBER: Actor = Actor::member(MemberId(Uuid::from_u128(1)));
const ADMIN: Actor = Actor::admin(AdminId(Uuid::from_u128(2)));
const ORGANIZATION: OrganizationId = OrganizationId(Uuid::from_u128(3));
const OTHER: OrganizationId = OrganizationId(Uuid::from_u128(4));
const JOB: ExportJobId = ExportJobId(Uuid::from_u128(5));

fn at(seconds: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 31, 12, 0, 0).unwrap() + TimeDelta::seconds(seconds)
}

fn statutory(source: ExportSource) -> ExportContent {
    ExportContent::StatutoryReport(StatutoryReport {
        report_id: BufdirReportId(Uuid::from_u128(6)),
        report_sequence: 2,
        organization_id: ORGANIZATION,
        source,
        format: ReportFormat::Pdf,
        report_period_label: "2025-Q1".parse().unwrap(),
        mobile_os: None,
    })
}

fn subject_data(request_type: SubjectRequestType, categories: &[DataCategory]) -> ExportContent {
    let token = Personal::new(Subject::from(MEMBER.id), Category::Credential, "00".into());
    ExportContent::SubjectData(SubjectData {
        subject: MEMBER,
        request_type,
        data_categories: categories.to_vec(),
        format: SubjectFormat::Json,
        delivery_method: DeliveryMethod::DownloadLink,
        delivery_address: None,
        verification_token_sha256: token,
    })
}

fn of_kind(kind: ExportKind) -> ExportContent {
    match kind {
        ExportKind::StatutoryReport => statutory(ExportSource::AdminPortal),
        ExportKind::SubjectData => subject_data(SubjectRequestType::FullExport, DataCategory::ALL),
        ExportKind::PlatformData => ExportContent::PlatformData {
            export_type: PlatformExportType::Posts,
            format: PlatformFormat::Csv,
        },
    }
}

fn request(content: ExportContent) -> RequestExport {
    RequestExport {
        job_id: JOB,
        report: content.statutory().map(|_| KnownReport { organization_id: ORGANIZATION }),
        content,
        requested_by: Some(MEMBER),
        triggered_at: at(0),
        rate_limited_until: None,
    }
}

fn start(seconds: i64) -> ExportJobCommand {
    ExportJobCommand::Start(StartExport { processing_started_at: None, now: at(seconds) })
}

fn file(kind: ExportKind) -> ExportFile {
    let file_path = format!("exports/{}/{JOB}/report.pdf", kind.as_str());
    ExportFile {
        file_name: "report.pdf".parse().unwrap(),
        file_path: file_path.parse().unwrap(),
        file_size_bytes: 1_000.try_into().unwrap(),
        checksum_sha256: "0f".repeat(32).parse().unwrap(),
    }
}

fn complete(kind: ExportKind, seconds: i64) -> ExportJobCommand {
    let metadata = FileMetadata { row_count: Some(7), ..FileMetadata::default() };
    let (completed_at, now) = (None, at(seconds));
    ExportJobCommand::Complete(CompleteExport { file: file(kind), metadata, completed_at, now })
}

fn fail(seconds: i64) -> ExportJobCommand {
    ExportJobCommand::Fail(FailExport {
        error_code: ErrorCode::aggregation_timeout(),
        error_message: "It took too long.".parse().unwrap(),
        completed_at: None,
        now: at(seconds),
    })
}

fn cancel(seconds: i64) -> ExportJobCommand {
    ExportJobCommand::Cancel(CancelExport { cancelled_by: MEMBER, now: at(seconds) })
}

fn then(mut export: ExportJob, command: ExportJobCommand) -> ExportJob {
    for event in export.decide(command).unwrap() {
        export.apply(event);
    }
    export
}

fn given(kind: ExportKind, status: ExportStatus) -> ExportJob {
    let requested = then(ExportJob::default(), ExportJobCommand::Request(request(of_kind(kind))));
    match status {
        ExportStatus::Pending => requested,
        ExportStatus::Processing => then(requested, start(1)),
        ExportStatus::Completed => then(then(requested, start(1)), complete(kind, 2)),
        ExportStatus::Failed => then(then(requested, start(1)), fail(2)),
        ExportStatus::Cancelled => then(requested, cancel(1)),
    }
}

/// The command that would make a job of a kind become something.
fn becoming(kind: ExportKind, status: ExportStatus) -> Option<ExportJobCommand> {
    match status {
        // The one way to be pending is to be asked for.
        ExportStatus::Pending => Some(ExportJobCommand::Request(request(of_kind(kind)))),
        ExportStatus::Processing => Some(start(10)),
        ExportStatus::Completed => Some(complete(kind, 10)),
        ExportStatus::Failed => Some(fail(10)),
        ExportStatus::Cancelled => Some(cancel(10)),
    }
}

#[test]
fn buf_03_all_sixteen_status_pairs() {
    use ExportStatus::{Completed, Failed, Pending, Processing};
    let kind = ExportKind::StatutoryReport;
    let allowed =
        [(Pending, Processing), (Pending, Failed), (Processing, Completed), (Processing, Failed)];
    let mut pairs = 0;
    for from in [Pending, Processing, Completed, Failed] {
        for to in [Pending, Processing, Completed, Failed] {
            pairs += 1;
            let decided = given(kind, from).decide(becoming(kind, to).unwrap());
            assert_eq!(from.may_become(to, kind), allowed.contains(&(from, to)));
            if allowed.contains(&(from, to)) {
                let moved = then(given(kind, from), becoming(kind, to).unwrap());
                assert_eq!(moved.get().unwrap().status, to);
            } else if to == Pending {
                assert_eq!(decided, Err(ExportJobError::AlreadyExists));
            } else {
                let refused = decided.unwrap_err();
                assert_eq!(refused, ExportJobError::Transition { kind, from, to });
                assert_eq!(refused.rule(), "BUF-03");
                assert_eq!(refused.kind(), RefusalKind::Conflict);
            }
        }
    }
    assert_eq!(pairs, 16);
}

#[test]
fn dxr_03_del_04_each_kind_moves_by_its_own_rule() {
    use ExportStatus::{Cancelled, Completed, Failed, Pending, Processing};
    for kind in [ExportKind::SubjectData, ExportKind::PlatformData] {
        let rule = if kind == ExportKind::SubjectData { "DXR-03" } else { "DEL-04" };
        let froms = match kind {
            ExportKind::SubjectData => ExportStatus::ALL.to_vec(),
            _ => vec![Pending, Processing, Completed, Failed],
        };
        for from in froms {
            for to in [Processing, Completed, Failed, Cancelled] {
                let decided = given(kind, from).decide(becoming(kind, to).unwrap());
                let cancels = kind == ExportKind::SubjectData
                    && to == Cancelled
                    && matches!(from, Pending | Processing);
                let moves = matches!(
                    (from, to),
                    (Pending, Processing | Failed) | (Processing, Completed | Failed)
                );
                match decided {
                    Ok(events) => assert!((cancels || moves) && events.len() == 1),
                    Err(refused) => {
                        assert!(!cancels && !moves, "{from:?} {to:?}");
                        assert_eq!(refused.rule(), rule);
                    }
                }
            }
        }
    }
    let statutory = given(ExportKind::StatutoryReport, Pending).decide(cancel(1));
    assert_eq!(statutory.unwrap_err().rule(), "BUF-03", "a statutory export is never cancelled");
}

#[test]
fn buf_01_bufdir_report_must_exist() {
    let unknown = RequestExport { report: None, ..request(statutory(ExportSource::AdminPortal)) };
    let refused = ExportJob::default().decide(ExportJobCommand::Request(unknown)).unwrap_err();
    assert_eq!((refused.rule(), refused.kind()), ("BUF-01", RefusalKind::NotFound));
}

#[test]
fn buf_02_rel_09_organization_id_matches_report() {
    let report = Some(KnownReport { organization_id: OTHER });
    let foreign = RequestExport { report, ..request(statutory(ExportSource::AdminPortal)) };
    let refused = ExportJob::default().decide(ExportJobCommand::Request(foreign)).unwrap_err();
    assert_eq!((refused.rule(), refused.kind()), ("BUF-02", RefusalKind::Invalid));
}

#[test]
fn buf_04_file_fields_required_on_completion() {
    let kind = ExportKind::StatutoryReport;
    let completed = given(kind, ExportStatus::Completed);
    let job = completed.get().unwrap();
    assert_eq!(job.file, Some(file(kind)), "all four, since a file is only a file with them");
    let elsewhere = [
        format!("exports/statutory_report/{}/report.pdf", Uuid::from_u128(9)),
        format!("exports/subject_data/{JOB}/report.pdf"),
        format!("exports/statutory_report/{JOB}/other.pdf"),
    ];
    for path in elsewhere {
        let file = ExportFile { file_path: path.parse().unwrap(), ..file(kind) };
        let metadata = FileMetadata::default();
        let complete = CompleteExport { file, metadata, completed_at: None, now: at(2) };
        let processing = given(kind, ExportStatus::Processing);
        let refused = processing.decide(ExportJobCommand::Complete(complete)).unwrap_err();
        assert_eq!((refused.rule(), refused.kind()), ("BUF-04", RefusalKind::Invalid));
    }
}

#[test]
fn buf_05_error_message_required_on_failure() {
    let kind = ExportKind::StatutoryReport;
    let events = given(kind, ExportStatus::Processing).decide(fail(2)).unwrap();
    let [ExportJobEvent::ExportFailed { error_message, error_code, completed_at }] =
        events.as_slice()
    else {
        panic!("{events:?}");
    };
    assert_eq!(error_message.as_str(), "It took too long.");
    assert_eq!(error_code.as_str(), "AGGREGATION_TIMEOUT");
    assert_eq!(*completed_at, at(2));
    assert_eq!(given(kind, ExportStatus::Failed).get().unwrap().file, None);
}

#[test]
fn buf_06_expires_at_in_future() {
    let pending = given(ExportKind::StatutoryReport, ExportStatus::Pending);
    let job = pending.get().unwrap();
    assert!(job.expires_at.unwrap() > job.triggered_at);
}

#[test]
fn buf_07_processing_timestamps_ordered() {
    let kind = ExportKind::StatutoryReport;
    let start = |at: DateTime<Utc>, now| {
        let processing_started_at = Some(at);
        ExportJobCommand::Start(StartExport { processing_started_at, now })
    };
    let pending = given(kind, ExportStatus::Pending);
    for (time, is_good) in [(-1, false), (0, true), (5, true), (10, true), (11, false)] {
        let decided = pending.decide(start(at(time), at(10)));
        assert_eq!(decided.is_ok(), is_good, "{time}");
        assert!(is_good || decided.unwrap_err().rule() == "BUF-07");
    }
    let processing = then(pending, start(at(5), at(10)));
    for (time, is_good) in [(4, false), (5, true), (20, true), (21, false)] {
        let (completed_at, now) = (Some(at(time)), at(20));
        let complete = CompleteExport {
            file: file(kind),
            metadata: FileMetadata::default(),
            completed_at,
            now,
        };
        let fail = FailExport {
            error_code: ErrorCode::generation_failed(),
            error_message: "It broke.".parse().unwrap(),
            completed_at,
            now,
        };
        for command in [ExportJobCommand::Complete(complete), ExportJobCommand::Fail(fail)] {
            let decided = processing.decide(command);
            assert_eq!(decided.is_ok(), is_good, "{time}");
            assert!(is_good || decided.unwrap_err().rule() == "BUF-07");
        }
    }
    // A worker whose clock is behind ends what it began, at the time that it began.
    let behind = then(processing, complete(kind, 1));
    assert_eq!(behind.get().unwrap().completed_at, Some(at(5)));
}

#[test]
fn buf_08_immutable_after_terminal_state() {
    for status in [ExportStatus::Completed, ExportStatus::Failed, ExportStatus::Cancelled] {
        let kind = ExportKind::SubjectData;
        let ended = given(kind, status);
        let extend = ExtendDeadline { extended_by: ADMIN, reason: reason(), now: at(3) };
        let refused = ended.decide(ExportJobCommand::ExtendDeadline(extend)).unwrap_err();
        assert_eq!((refused.rule(), refused.kind()), ("BUF-08", RefusalKind::Conflict));
        for command in [start(3), complete(kind, 3), fail(3), cancel(3)] {
            assert!(ended.decide(command).is_err());
        }
    }
    // What happens to its file and its row changes nothing of what the job says.
    let completed = given(ExportKind::StatutoryReport, ExportStatus::Completed);
    let late = at(400 * 24 * 3_600);
    let after = then(
        completed.clone(),
        ExportJobCommand::Purge(PurgeFile { for_erasure: false, now: late }),
    );
    let after = then(after, ExportJobCommand::Archive(ArchiveExport { now: late }));
    let (before, after) = (completed.get().unwrap(), after.get().unwrap());
    let told = |job: &Job| Job { is_purged: false, is_archived: false, ..job.clone() };
    assert_eq!(told(before), told(after));
    assert!(after.is_purged && after.is_archived);
}

#[test]
fn buf_09_no_delete_within_retention_window() {
    let completed = given(ExportKind::StatutoryReport, ExportStatus::Completed);
    let purge = |now| ExportJobCommand::Purge(PurgeFile { for_erasure: false, now });
    let expiry = completed.get().unwrap().expires_at.unwrap();
    let early = completed.decide(purge(expiry - TimeDelta::microseconds(1))).unwrap_err();
    assert_eq!((early.rule(), early.kind()), ("BUF-09", RefusalKind::Conflict));
    let hide = HideExport { hidden_by: ADMIN, now: expiry };
    let hidden = completed.decide(ExportJobCommand::Hide(hide)).unwrap_err();
    assert_eq!(hidden.rule(), "BUF-09", "nor is its entry hidden");
    let purged = then(completed, purge(expiry));
    assert!(purged.get().is_some_and(|job| job.is_purged && job.file.is_some()));
    assert_eq!(purged.decide(purge(expiry)), Ok(vec![]), "once");
    let pending = given(ExportKind::StatutoryReport, ExportStatus::Pending);
    assert_eq!(pending.decide(purge(expiry)), Err(ExportJobError::NotExpired));
}

#[test]
fn buf_10_rate_limit_enforcement_makes_a_job_that_is_born_failed() {
    let request = RequestExport {
        rate_limited_until: Some(at(3_600)),
        ..request(statutory(ExportSource::MobileOneClick))
    };
    let events = ExportJob::default().decide(ExportJobCommand::Request(request.clone())).unwrap();
    let [ExportJobEvent::ExportRequested { expires_at, .. }, limited] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(*expires_at, Some(at(0) + STATUTORY_RETENTION), "also of failed ones (BUF-13)");
    let ExportJobEvent::ExportRateLimited { error_code, completed_at, .. } = limited else {
        panic!("{limited:?}");
    };
    assert_eq!(error_code.as_str(), "RATE_LIMIT_EXCEEDED");
    assert_eq!(*completed_at, at(0), "born at its end");
    let failed = then(ExportJob::default(), ExportJobCommand::Request(request));
    assert_eq!(failed.get().unwrap().status, ExportStatus::Failed);
    assert_eq!(failed.decide(start(1)).unwrap_err().rule(), "BUF-03");
}

#[test]
fn buf_13_file_expiry_set_on_create() {
    let pending = given(ExportKind::StatutoryReport, ExportStatus::Pending);
    let expiry = Some(at(90 * 24 * 3_600));
    assert_eq!(pending.get().unwrap().expires_at, expiry, "to the second");
    let completed = then(then(pending, start(1)), complete(ExportKind::StatutoryReport, 9_000));
    assert_eq!(completed.get().unwrap().expires_at, expiry, "and fixed");
}

#[test]
fn buf_20_only_the_batch_is_nobodys() {
    let decide = |source, requested_by| {
        let request = RequestExport { requested_by, ..request(statutory(source)) };
        ExportJob::default().decide(ExportJobCommand::Request(request)).map_err(|no| no.rule())
    };
    assert!(decide(ExportSource::SystemBatch, None).is_ok());
    assert_eq!(decide(ExportSource::SystemBatch, Some(MEMBER)), Err("BUF-20"));
    for source in [ExportSource::MobileOneClick, ExportSource::AdminPortal] {
        assert!(decide(source, Some(MEMBER)).is_ok());
        assert_eq!(decide(source, None), Err("BUF-20"));
    }
    let nobodys = RequestExport { requested_by: None, ..request(of_kind(ExportKind::SubjectData)) };
    assert!(ExportJob::default().decide(ExportJobCommand::Request(nobodys)).is_err());
}

#[test]
fn buf_18_dxr_07_a_file_is_there_from_its_completion_to_its_expiry() {
    for (kind, days) in [(ExportKind::StatutoryReport, 90), (ExportKind::SubjectData, 7)] {
        let pending = given(kind, ExportStatus::Pending);
        assert!(pending.get().unwrap().available_file(at(1)).is_none());
        let completed = given(kind, ExportStatus::Completed);
        let job = completed.get().unwrap();
        let from = if kind == ExportKind::StatutoryReport { 0 } else { 2 };
        let expiry = at(from + days * 24 * 3_600);
        assert_eq!(job.expires_at, Some(expiry));
        assert!(job.available_file(expiry - TimeDelta::microseconds(1)).is_some());
        assert!(job.available_file(expiry).is_none());
    }
}

#[test]
fn buf_25_a_row_goes_to_the_archive_after_a_year() {
    let failed = given(ExportKind::StatutoryReport, ExportStatus::Failed);
    let archive = |now| ExportJobCommand::Archive(ArchiveExport { now });
    let year = Utc.with_ymd_and_hms(2027, 1, 31, 12, 0, 0).unwrap();
    let early = failed.decide(archive(year - TimeDelta::seconds(1))).unwrap_err();
    assert_eq!(early.rule(), "BUF-25");
    let archived = then(failed, archive(year));
    assert_eq!(archived.decide(archive(year)), Ok(vec![]));
    let open = given(ExportKind::StatutoryReport, ExportStatus::Processing);
    assert_eq!(open.decide(archive(year)), Err(ExportJobError::NotEnded));
}

#[test]
fn dxr_02_all_categories_or_named_ones() {
    let decide = |request_type, categories: &[DataCategory]| {
        let request = request(subject_data(request_type, categories));
        ExportJob::default().decide(ExportJobCommand::Request(request)).map_err(|no| no.rule())
    };
    use SubjectRequestType::{FullExport, PartialExport, SpecificData};
    assert!(decide(FullExport, DataCategory::ALL).is_ok());
    assert_eq!(decide(FullExport, &[DataCategory::Posts]), Err("DXR-02"));
    for request_type in [PartialExport, SpecificData] {
        assert!(decide(request_type, &[DataCategory::Posts]).is_ok());
        assert_eq!(decide(request_type, &[]), Err("DXR-02"));
    }
}

fn reason() -> Personal<Reason> {
    let subject = Subject::from(MEMBER.id);
    Personal::new(subject, Category::Content, "There is much of it.".parse().unwrap())
}

#[test]
fn dxr_10_the_deadline_is_a_month_and_can_be_put_off_once_by_two() {
    let extend = |now| {
        ExportJobCommand::ExtendDeadline(ExtendDeadline {
            extended_by: ADMIN,
            reason: reason(),
            now,
        })
    };
    let pending = given(ExportKind::SubjectData, ExportStatus::Pending);
    let month = Utc.with_ymd_and_hms(2026, 2, 28, 12, 0, 0).unwrap();
    assert_eq!(pending.get().unwrap().due_at, Some(month), "the last day of a shorter month");
    let late = pending.decide(extend(month + TimeDelta::seconds(1))).unwrap_err();
    assert_eq!(late.rule(), "DXR-10");
    let extended = then(pending, extend(month));
    let due_at = Utc.with_ymd_and_hms(2026, 4, 30, 12, 0, 0).unwrap();
    assert_eq!(extended.get().unwrap().due_at, Some(due_at));
    assert_eq!(extended.decide(extend(month)), Err(ExportJobError::AlreadyExtended));
    let statutory = given(ExportKind::StatutoryReport, ExportStatus::Pending);
    assert_eq!(statutory.decide(extend(at(1))), Err(ExportJobError::NoDeadline));
}

#[test]
fn del_05_an_entry_is_hidden_once_it_has_ended() {
    let hide = || ExportJobCommand::Hide(HideExport { hidden_by: ADMIN, now: at(9) });
    let pending = given(ExportKind::PlatformData, ExportStatus::Pending);
    assert_eq!(pending.decide(hide()).unwrap_err().rule(), "DEL-05");
    let hidden = then(given(ExportKind::PlatformData, ExportStatus::Completed), hide());
    assert!(hidden.get().unwrap().is_hidden);
    assert_eq!(hidden.decide(hide()), Ok(vec![]));
}

#[test]
fn rel_10_what_nobody_asked_for_is_not_there() {
    let none = ExportJob::default();
    for command in [start(1), complete(ExportKind::PlatformData, 1), fail(1), cancel(1)] {
        assert_eq!(none.decide(command), Err(ExportJobError::NotFound));
    }
}
