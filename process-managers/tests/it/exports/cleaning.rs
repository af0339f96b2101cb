//! What is looked after once an export has ended.

use agora_domain::exports::{
    export_job::{
        ExportContent, ExportJob, ExportJobEvent, ExportStatus, STATUTORY_RETENTION,
        StatutoryReport,
    },
    export_values::{ExportFile, ExportSource, FileMetadata, FileSize, ReportFormat},
};
use agora_domain::ids::ExportJobId;
use agora_event_store::testing::eventually;
use agora_service::clock;
use chrono::{DateTime, TimeDelta, Utc};

use super::world::{ADMIN, Reporting, World, hasty};

/// An export that was made long ago, with its file.
async fn made(world: &World, of: &Reporting, triggered_at: DateTime<Utc>) -> ExportJobId {
    let job_id = ExportJobId(clock::new_id());
    let content = ExportContent::StatutoryReport(StatutoryReport {
        report_id: of.report_id,
        report_sequence: 1,
        organization_id: of.organization_id,
        source: ExportSource::AdminPortal,
        format: ReportFormat::Csv,
        report_period_label: "2025-Q1".parse().unwrap(),
        mobile_os: None,
    });
    let path = format!("exports/statutory_report/{job_id}/report.csv");
    let expires_at = triggered_at + STATUTORY_RETENTION;
    let events = vec![
        ExportJobEvent::ExportRequested {
            job_id,
            content,
            requested_by: Some(ADMIN),
            triggered_at,
            expires_at: Some(expires_at),
            due_at: None,
        },
        ExportJobEvent::ExportStarted { processing_started_at: triggered_at },
        ExportJobEvent::ExportCompleted {
            file: ExportFile {
                file_name: "report.csv".parse().unwrap(),
                file_path: path.parse().unwrap(),
                file_size_bytes: FileSize::try_from(1).unwrap(),
                checksum_sha256: "0a".repeat(32).parse().unwrap(),
            },
            metadata: FileMetadata::default(),
            completed_at: triggered_at,
            expires_at,
        },
    ];
    world.append::<ExportJob>(job_id, events).await;
    let file = world.folder().join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "x").unwrap();
    std::fs::write(file.with_file_name("late.csv"), "of a worker that came late").unwrap();
    job_id
}

#[tokio::test]
async fn buf_14_opr_14_expired_files_are_purged_and_others_stay_while_every_row_does() {
    let world = World::new().await;
    let reporting = world.reporting().await;
    let now = clock::now();
    let expired = made(&world, &reporting, now - TimeDelta::days(91)).await;
    let kept = made(&world, &reporting, now - TimeDelta::days(89)).await;
    let making = world.make_exports(0, &world.objects(), &hasty()).await;
    eventually("the file is purged", || async { world.job(expired).await.is_purged }).await;
    eventually("it is gone", || async { world.files(expired).await.is_empty() }).await;
    eventually("what is no file of an export goes", || async {
        world.files(kept).await == ["report.csv"]
    })
    .await;
    making.stop().await;
    assert_eq!(world.story(expired).await.last().unwrap(), "ExportFilePurged");
    assert_eq!(world.story(kept).await.last().unwrap(), "ExportCompleted");
    assert!(world.job(expired).await.file.is_some(), "what it was stays told");
}

#[tokio::test]
async fn buf_25_rows_of_a_year_ago_are_archived_once() {
    let world = World::new().await;
    let reporting = world.reporting().await;
    let now = clock::now();
    let old = made(&world, &reporting, now - TimeDelta::days(367)).await;
    let young = made(&world, &reporting, now - TimeDelta::days(360)).await;
    let making = world.make_exports(0, &world.objects(), &hasty()).await;
    eventually("it is archived", || async { world.job(old).await.is_archived }).await;
    eventually("it is purged", || async { world.job(young).await.is_purged }).await;
    making.stop().await;
    assert!(!world.job(young).await.is_archived);
    // A process that has lost its place does nothing twice.
    let before = world.story(old).await;
    sqlx::query("DELETE FROM process.checkpoints").execute(&world.database.pool).await.unwrap();
    let making = world.make_exports(0, &world.objects(), &hasty()).await;
    eventually("all is read again", || async {
        sqlx::query_scalar(
            "SELECT NOT EXISTS (SELECT FROM process.wake_ups WHERE process = 'exports' AND at <= now())
                AND EXISTS (SELECT FROM process.checkpoints WHERE process = 'exports')",
        )
        .fetch_one(&world.database.pool)
        .await
        .unwrap()
    })
    .await;
    making.stop().await;
    assert_eq!(world.story(old).await, before);
    assert_eq!(world.queued().await, 0, "what has ended is not made again");
}

#[tokio::test]
async fn buf_10_what_the_quota_refused_is_never_made() {
    let world = World::new().await;
    let reporting = world.reporting().await;
    let job_id = world.ask_for(&reporting, ReportFormat::Csv).await;
    let now = clock::now();
    let limited = ExportJobEvent::ExportRateLimited {
        error_code: "RATE_LIMIT_EXCEEDED".parse().unwrap(),
        error_message: "Too many.".parse().unwrap(),
        completed_at: now,
        retry_at: now,
    };
    world.append::<ExportJob>(job_id, vec![limited]).await;
    let making = world.make_exports(1, &world.objects(), &hasty()).await;
    eventually("it was looked at", || async {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM process.checkpoints WHERE process = 'exports')
                AND NOT EXISTS (SELECT FROM process.wake_ups WHERE process = 'exports' AND at <= now())",
        )
        .fetch_one(&world.database.pool)
        .await
        .unwrap()
    })
    .await;
    making.stop().await;
    assert_eq!(world.job(job_id).await.status, ExportStatus::Failed);
    assert_eq!(world.queued().await, 0);
    assert_eq!(world.files(job_id).await, [""; 0]);
}
