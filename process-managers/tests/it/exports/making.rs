//! Files are made, once, whatever happens to who makes them.

use agora_domain::exports::{
    bufdir_report::{BufdirReport, BufdirReportEvent},
    export_job::{ExportJobEvent, ExportStatus},
    export_values::{PlatformFormat, ReportFormat},
};
use agora_event_store::testing::eventually;
use agora_process_managers::exports::{queue, worker::WorkerArgs};
use agora_service::clock;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{Connection, Executor, PgConnection};
use std::time::Duration;

use super::world::{ADMIN, World, hasty, pause};

#[tokio::test]
async fn buf_19_opr_11_every_format_of_a_report_is_made_as_the_report_was_at_the_request() {
    let world = World::new().await;
    let reporting = world.reporting().await;
    let draft = world.ask_for(&reporting, ReportFormat::Json).await;
    let submitted = BufdirReportEvent::BufdirReportSubmitted {
        report: reporting.document("13.0"),
        submitted_by: ADMIN,
    };
    world.append::<BufdirReport>(reporting.report_id, vec![submitted]).await;
    let mut jobs = vec![(draft, ReportFormat::Json)];
    for format in ReportFormat::ALL {
        jobs.push((world.ask_for(&reporting, *format).await, *format));
    }
    let making = world.make_exports(1, &world.objects(), &hasty()).await;
    for (job_id, format) in jobs {
        let job = world.until_ended(job_id).await;
        assert_eq!(job.status, ExportStatus::Completed, "{format:?}");
        let file = job.file.clone().unwrap();
        let extension = format.as_str().to_lowercase();
        let is_draft = job_id == draft;
        let mark = if is_draft { "-draft" } else { "" };
        let expected = format!("bufdir-report-2025-q1{mark}.{extension}");
        assert_eq!(file.file_name.as_str(), expected);
        let bytes = std::fs::read(world.folder().join(file.file_path.as_str())).unwrap();
        assert_eq!(bytes.len() as u64, file.file_size_bytes.get());
        assert_eq!(hex::encode(Sha256::digest(&bytes)), file.checksum_sha256.as_str());
        assert_eq!(world.files(job_id).await, [expected]);
        let expected = ["ExportRequested", "ExportStarted", "ExportCompleted"];
        assert_eq!(world.story(job_id).await, expected);
        let Some(ExportJobEvent::ExportCompleted { metadata, .. }) =
            world.events(job_id).await.pop()
        else {
            panic!("it has ended")
        };
        assert_eq!(metadata.row_count, Some(1));
        assert_eq!(metadata.page_count, (format == ReportFormat::Pdf).then_some(1));
        assert_eq!(metadata.is_draft, Some(is_draft));
        assert_eq!(metadata.schema_version.unwrap().as_str(), "bufdir-2025.1");
        if format == ReportFormat::Json {
            let json: Value = serde_json::from_slice(&bytes).unwrap();
            let value = if is_draft { "12.5" } else { "13.0" };
            assert_eq!(json["tables"][0]["rows"][0]["value"], value);
            assert_eq!(json["state"], if is_draft { "draft" } else { "submitted" });
            assert_eq!(json["organization"], "Blåfjell familiehjelp");
            assert_eq!(json["data_sha256"], metadata.data_sha256.unwrap().as_str());
            assert_eq!(json["log_position"], metadata.log_position.unwrap());
        }
    }
    making.stop().await;
}

#[tokio::test]
async fn del_01_public_data_is_exported_without_what_is_deleted() {
    let world = World::new().await;
    let csv = world.ask_for_communities(PlatformFormat::Csv).await;
    let json = world.ask_for_communities(PlatformFormat::Json).await;
    world.show_communities(1_234).await;
    let making = world.make_exports(1, &world.objects(), &hasty()).await;
    for job_id in [csv, json] {
        let job = world.until_ended(job_id).await;
        let file = job.file.unwrap();
        let text = std::fs::read_to_string(world.folder().join(file.file_path.as_str())).unwrap();
        let expected = 1_234 - 123;
        if job_id == csv {
            assert!(text.starts_with("id,name,description,"), "{text}");
            assert_eq!(text.lines().count(), expected + 1);
            assert!(text.contains(",\"Hva vi på Ål gjør, nummer 7\","));
        } else {
            let json: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(json["row_count"], expected);
            assert_eq!(json["log_position"], 1_000_000);
            assert_eq!(json["tables"][0]["rows"].as_array().unwrap().len(), expected);
        }
    }
    making.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buf_26_opr_10_two_workers_share_the_jobs_and_each_is_made_once() {
    let world = World::new().await;
    let reporting = world.reporting().await;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        for format in ReportFormat::ALL {
            jobs.push(world.ask_for(&reporting, *format).await);
        }
    }
    let making = world.make_exports(2, &world.objects(), &hasty()).await;
    for job_id in jobs {
        world.until_ended(job_id).await;
        let expected = ["ExportRequested", "ExportStarted", "ExportCompleted"];
        assert_eq!(world.story(job_id).await, expected);
        assert_eq!(world.files(job_id).await.len(), 1);
    }
    making.stop().await;
}

/// Lets nobody read the communities until it is dropped.
async fn lock(world: &World) -> PgConnection {
    let mut lock = PgConnection::connect(&world.database.url).await.unwrap();
    lock.execute("BEGIN; LOCK TABLE read.communities IN ACCESS EXCLUSIVE MODE").await.unwrap();
    lock
}

async fn until_begun(world: &World, job_id: agora_domain::ids::ExportJobId) {
    eventually("the export is begun", || async {
        world.job(job_id).await.status == ExportStatus::Processing
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buf_26_a_worker_that_is_killed_is_followed_by_another() {
    let world = World::new().await;
    world.show_communities(10).await;
    let job_id = world.ask_for_communities(PlatformFormat::Csv).await;
    let held = lock(&world).await;
    let making = world.make_exports(1, &world.objects(), &hasty()).await;
    until_begun(&world, job_id).await;
    making.abort().await;
    // What a kill leaves of a file that was long enough.
    let folder = agora_process_managers::exports::folder(&world.job(job_id).await);
    let folder = world.folder().join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("agora-communities.csv#1"), "half of").unwrap();
    held.close().await.unwrap();
    let making = world.make_exports(1, &world.objects(), &hasty()).await;
    let job = world.until_ended(job_id).await;
    assert_eq!(job.status, ExportStatus::Completed);
    let expected = ["ExportRequested", "ExportStarted", "ExportCompleted"];
    assert_eq!(world.story(job_id).await, expected, "it is begun once");
    let file_name = job.file.unwrap().file_name;
    assert!(file_name.as_str().ends_with("-2.csv"), "{file_name}");
    assert_eq!(world.files(job_id).await, [file_name.as_str()]);
    making.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buf_26_a_worker_that_lost_its_lease_leaves_no_file() {
    let world = World::new().await;
    world.show_communities(10).await;
    let job_id = world.ask_for_communities(PlatformFormat::Csv).await;
    let held = lock(&world).await;
    let making = world.make_exports(1, &world.objects(), &hasty()).await;
    until_begun(&world, job_id).await;
    // As if it had been paused, and another had come.
    sqlx::query(
        "UPDATE process.export_jobs SET lease = gen_random_uuid(), lease_until = 'infinity'",
    )
    .execute(&world.database.pool)
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    held.close().await.unwrap();
    pause().await;
    assert_eq!(world.files(job_id).await, [""; 0]);
    assert_eq!(world.job(job_id).await.status, ExportStatus::Processing);
    // The other is gone, too.
    sqlx::query("UPDATE process.export_jobs SET lease_until = '-infinity'")
        .execute(&world.database.pool)
        .await
        .unwrap();
    assert_eq!(world.until_ended(job_id).await.status, ExportStatus::Completed);
    assert_eq!(world.files(job_id).await.len(), 1);
    making.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buf_26_what_takes_too_long_fails_with_a_code_and_never_hangs() {
    let world = World::new().await;
    world.show_communities(10).await;
    let job_id = world.ask_for_communities(PlatformFormat::Csv).await;
    let held = lock(&world).await;
    let arguments = WorkerArgs { export_timeout_seconds: 1, ..hasty() };
    let making = world.make_exports(1, &world.objects(), &arguments).await;
    let job = world.until_ended(job_id).await;
    assert_eq!(job.status, ExportStatus::Failed);
    let last = world.events(job_id).await.pop();
    let Some(ExportJobEvent::ExportFailed { error_code, error_message, .. }) = last else {
        panic!("{last:?}")
    };
    assert_eq!(error_code.as_str(), "AGGREGATION_TIMEOUT");
    assert!(!error_message.as_str().is_empty());
    assert_eq!(world.files(job_id).await, [""; 0]);
    held.close().await.unwrap();
    making.stop().await;
}

#[tokio::test]
async fn buf_26_a_job_over_which_workers_keep_dying_fails_in_the_end() {
    let world = World::new().await;
    let reporting = world.reporting().await;
    let job_id = world.ask_for(&reporting, ReportFormat::Json).await;
    queue::add(&world.database.pool, job_id, clock::new_id(), 1).await.unwrap();
    for _ in 0..5 {
        let taken = queue::take(&world.database.pool, clock::new_id(), Duration::ZERO).await;
        assert!(taken.unwrap().is_some(), "nobody holds it");
        pause().await;
    }
    let making = world.make_exports(1, &world.objects(), &hasty()).await;
    assert_eq!(world.until_ended(job_id).await.status, ExportStatus::Failed);
    making.stop().await;
}

#[tokio::test]
async fn workers_that_ask_at_once_get_different_jobs_and_those_given_back_count_no_failure() {
    let world = World::new().await;
    let pool = &world.database.pool;
    let reporting = world.reporting().await;
    for _ in 0..2 {
        let job_id = world.ask_for(&reporting, ReportFormat::Json).await;
        for _ in 0..2 {
            queue::add(pool, job_id, clock::new_id(), 1).await.unwrap();
        }
    }
    let lasting = Duration::from_secs(60);
    let take = async || queue::take(pool, clock::new_id(), lasting).await.unwrap();
    let (first, second, third) = tokio::join!(take(), take(), take());
    let taken: Vec<_> = [first, second, third].into_iter().flatten().collect();
    assert_eq!(taken.len(), 2);
    assert_ne!(taken[0].job_id, taken[1].job_id);
    sqlx::query("UPDATE process.export_jobs SET begun_at = begun_at - interval '1 day'")
        .execute(pool)
        .await
        .unwrap();
    queue::give_back(pool, &taken[0]).await.unwrap();
    assert!(!queue::renew(pool, &taken[0], lasting).await.unwrap());
    assert!(queue::renew(pool, &taken[1], lasting).await.unwrap());
    let again = take().await.unwrap();
    assert_eq!((again.job_id, again.number, again.attempt), (taken[0].job_id, 2, 1));
    assert!(again.age < lasting, "how long nobody worked does not count");
}

/// `cargo nextest run --release -p agora-process-managers bench_ --run-ignored all --no-capture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn bench_a_million_rows() {
    let world = World::new().await;
    let rows = 1_000_000;
    world.show_communities(rows * 10 / 9).await;
    let copied = std::time::Instant::now();
    let mut connection = world.database.pool.acquire().await.unwrap();
    let mut copy = connection
        .copy_out_raw(
            "COPY (SELECT id, name, description, category_id, owner_id, logo_uri, banner_uri,
                          member_count, created_at, updated_at
                   FROM read.communities WHERE deleted_at IS NULL ORDER BY id) TO STDOUT",
        )
        .await
        .unwrap();
    let mut bytes = 0;
    while let Some(chunk) = futures::StreamExt::next(&mut copy).await {
        bytes += chunk.unwrap().len();
    }
    drop(copy);
    let copied = copied.elapsed();
    println!("COPY: {bytes} bytes in {copied:?}");
    for format in [PlatformFormat::Json, PlatformFormat::Csv] {
        let job_id = world.ask_for_communities(format).await;
        let making = world.make_exports(1, &world.objects(), &WorkerArgs::default()).await;
        while !world.job(job_id).await.status.is_terminal() {
            pause().await;
        }
        making.stop().await;
        let job = world.job(job_id).await;
        let took =
            (job.completed_at.unwrap() - job.processing_started_at.unwrap()).to_std().unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        let ratio = copied.as_secs_f64() / took.as_secs_f64();
        let size = job.file.unwrap().file_size_bytes.get();
        println!("{format:?}: {size} bytes in {took:?}, {ratio:.2} of COPY, {peak}");
    }
}
