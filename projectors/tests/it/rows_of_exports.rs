//! What the three histories of exports make of the log: each its own columns and words (K1).

use serde_json::{Value, json};

use crate::{
    scene::Scene,
    story::*,
    story_of_exports::*,
    story_of_reports::{ORGANIZATION, REPORT},
};

fn stored(number: usize, minutes: i64) -> Value {
    json!(moment(number, minutes).format("%Y-%m-%dT%H:%M:%S+00:00").to_string())
}

#[tokio::test]
async fn buf_24_a_statutory_export_is_a_row_of_its_own_columns_whatever_the_batches() {
    for batch in [1, 3, 50] {
        let mut scene = Scene::new().await;
        scene.append([export_requested(0, Kind::Statutory, 1)]).await;
        scene.append([on_export(0, Kind::Statutory, "ExportStarted", 1)]).await;
        scene.append([on_export(0, Kind::Statutory, "ExportCompleted", 2)]).await;
        scene.append([on_export(0, Kind::Statutory, "ExportDownloaded", 3)]).await;
        scene.append([on_export(0, Kind::Statutory, "ExportDownloaded", 4)]).await;
        scene.project_in(batch).await;
        let file = export_file(0, Kind::Statutory);
        let expected = json!({
            "id": export(0), "bufdir_report_id": id(REPORT, 0),
            "organization_id": id(ORGANIZATION, 0), "exported_by_user_id": id(MEMBER, 1),
            "exported_by_kind": "member", "export_source": "MOBILE_ONE_CLICK",
            "export_format": "PDF", "status": "completed", "file_name": file["file_name"],
            "file_path": file["file_path"], "file_size_bytes": 12,
            "checksum_sha256": file["checksum_sha256"], "error_message": null, "error_code": null,
            "download_count": 4, "last_downloaded_at": stored(0, 4),
            "triggered_at": stored(0, 0), "processing_started_at": stored(0, 1),
            "completed_at": stored(0, 2), "expires_at": stored(0, 90 * 24 * 60),
            "report_period_label": "2025-Q1",
            "metadata": { "mobile_os": "iOS 18.2", "row_count": 3, "is_draft": true },
            "report_sequence": 1, "retry_at": null, "file_purged_at": null, "archived_at": null,
            "position": 1, "sequence": 3,
        });
        assert_eq!(scene.row("SELECT * FROM bufdir_export_logs").await, expected, "{batch}");
        let parts =
            scene.rows("SELECT tableoid::regclass::text AS name FROM bufdir_export_logs").await;
        assert_eq!(parts[0]["name"], "bufdir_export_logs_2026_01", "in its month (BUF-25)");
    }
}

#[tokio::test]
async fn buf_25_an_archived_row_moves_and_stays() {
    let mut scene = Scene::new().await;
    scene.append([export_requested(0, Kind::Batch, 1)]).await;
    scene.append([on_export(0, Kind::Batch, "ExportRateLimited", 0)]).await;
    scene.project().await;
    let before = scene.row("SELECT * FROM bufdir_export_logs").await;
    assert_eq!(
        (&before["status"], &before["error_code"]),
        (&json!("failed"), &json!("RATE_LIMIT_EXCEEDED"))
    );
    assert_eq!(before["exported_by_user_id"], Value::Null);
    assert_eq!(before["completed_at"], before["triggered_at"]);
    scene.append([on_export(0, Kind::Batch, "ExportArchived", 9)]).await;
    scene.project().await;
    assert!(scene.rows("SELECT id FROM bufdir_export_logs").await.is_empty());
    let mut after = scene.row("SELECT * FROM bufdir_export_archive").await;
    assert_eq!(after["archived_at"], stored(0, 9));
    (after["archived_at"], after["sequence"]) = (Value::Null, before["sequence"].clone());
    assert_eq!(after, before, "nothing else of it changed (BUF-08)");
}

#[tokio::test]
async fn k1_dxr_04_del_06_a_persons_request_stands_in_two_histories_with_their_words() {
    let mut scene = Scene::new().await;
    scene.append([export_requested(0, Kind::OnBehalf, 1)]).await;
    scene.project().await;
    let words = async |scene: &Scene| {
        let request = scene.row("SELECT * FROM data_export_requests").await;
        let log = scene.row("SELECT * FROM data_export_logs").await;
        (request["status"].clone(), log["status"].clone())
    };
    assert_eq!(words(&scene).await, (json!("PENDING"), json!("pending")));
    for (event, expected) in [
        ("ExportDeadlineExtended", ("PENDING", "pending")),
        ("ExportStarted", ("PROCESSING", "pending")),
        ("ExportCompleted", ("COMPLETED", "completed")),
        ("ExportHidden", ("COMPLETED", "completed")),
    ] {
        scene.append([on_export(0, Kind::OnBehalf, event, 5)]).await;
        scene.project().await;
        assert_eq!(words(&scene).await, (json!(expected.0), json!(expected.1)), "{event}");
    }
    let request = scene.row("SELECT * FROM data_export_requests").await;
    for (column, value) in [
        ("user_id", json!(id(MEMBER, 1))),
        ("requested_by_admin", json!(id(ADMIN, 0))),
        ("data_categories", json!(["account", "posts"])),
        ("processing_notes", json!(sealed("content", "reason"))),
        ("verification_token", json!(sealed("credential", "token"))),
        ("processed_at", stored(0, 5)),
        ("due_at", stored(0, 90 * 24 * 60)),
        ("failure_reason", Value::Null),
        ("file_size_bytes", json!(12)),
    ] {
        assert_eq!(request[column], value, "{column}");
    }
    let log = scene.row("SELECT * FROM data_export_logs").await;
    for (column, value) in [
        ("member_user_id", json!(id(MEMBER, 1))),
        ("admin_user_id", json!(id(ADMIN, 0))),
        ("export_type", json!("user_data")),
        ("export_format", json!("json")),
        ("requested_ip", json!("::")),
        ("deleted_at", stored(0, 5)),
        ("kind", json!("subject_data")),
    ] {
        assert_eq!(log[column], value, "{column}");
    }
    assert!(scene.rows("SELECT id FROM bufdir_export_logs").await.is_empty());
}

#[tokio::test]
async fn del_04_who_cancels_its_request_got_nothing() {
    let mut scene = Scene::new().await;
    scene.append([export_requested(0, Kind::Subject, 1)]).await;
    scene.append([on_export(0, Kind::Subject, "ExportCancelled", 1)]).await;
    scene.project().await;
    assert_eq!(scene.row("SELECT * FROM data_export_requests").await["status"], "CANCELLED");
    assert_eq!(scene.row("SELECT * FROM data_export_logs").await["status"], "failed");
}

#[tokio::test]
async fn buf_25_months_keep_their_partitions_through_a_rebuild_and_get_new_ones_after_it() {
    use agora_projectors::{projections, rebuild};
    use indicatif::ProgressBar;
    let mut scene = Scene::new().await;
    for number in 0..6 {
        scene.append([export_requested(number, Kind::Statutory, 1)]).await;
    }
    scene.project_in(2).await;
    let parts = async |scene: &Scene| {
        let statement = "SELECT tableoid::regclass::text AS part, count(*) AS rows
                         FROM bufdir_export_logs GROUP BY 1 ORDER BY 1";
        scene.rows(statement).await
    };
    let before = parts(&scene).await;
    assert_eq!(before.len(), 3, "January to March: {before:?}");
    let own: Vec<_> = [projections::find("bufdir_export_logs").unwrap()].into();
    for rebuilt in rebuild::run(&scene.connect(), &own, true, &ProgressBar::hidden()).await.unwrap()
    {
        rebuilt.result.unwrap();
    }
    assert_eq!(parts(&scene).await, before);
    scene.append([export_requested(9, Kind::Statutory, 1)]).await;
    scene.project().await;
    assert_eq!(parts(&scene).await.len(), 4, "and April");
    // A month whose first rows had no partition stays in the default one.
    let pool = &scene.db.pool;
    sqlx::query("DROP TABLE read.bufdir_export_logs_2026_04").execute(pool).await.unwrap();
    sqlx::query(
        "INSERT INTO read.bufdir_export_logs SELECT (jsonb_populate_record(t, jsonb_build_object(
             'triggered_at', '2026-04-20T00:00:00Z', 'id', gen_random_uuid()))).*
         FROM read.bufdir_export_logs t LIMIT 1",
    )
    .execute(pool)
    .await
    .unwrap();
    let made: bool = sqlx::query_scalar(
        "SELECT read.make_month_partition('read', 'bufdir_export_logs', '2026-04-01')",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    assert!(!made);
}
