//! Exports, each kind in its own history: E20 the data export log, E21 the statutory export log, E23 the
//! requests for one's own data. A process manager makes the files, so that an export's way begins when
//! its file is there.

use std::time::{Duration, Instant};

use agora_harness::scene::{REPORT, password};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    people::People,
    walk::{Made, Seen, User, Walk, Way, act, item, object},
};

/// How long a small file may take.
const SOON: Duration = Duration::from_secs(60);

pub(super) async fn walk(walk: &mut Walk, people: &People) {
    e20_data_export_log(walk, people).await;
    e21_statutory_export_log(walk, people).await;
    e23_data_export_request(walk, people).await;
}

async fn e20_data_export_log(walk: &mut Walk, people: &People) {
    let body = json!({ "kind": "platform_data", "export_type": "posts", "format": "json" });
    let asked = walk.make(&people.kari, "request-export", body).await;
    let seen = || item(&people.kari, "/v1/data-export-logs?limit=100", &asked.id);
    let made = completed(walk, &asked, &seen()).await;
    let hide = json!({ "export_id": asked.id });
    walk.go(Way {
        entity: "E20 data export log",
        made: &made,
        read: seen(),
        shows: json!({
            "member_user_id": people.kari.id, "export_type": "posts", "export_format": "json",
            "status": "completed", "requested_ip": "127.0.0.1", "deleted_at": Value::Null,
        }),
        forbidden: vec![
            (act(&people.ola, "hide-export", hide.clone()), 404, "REL-10"),
            (act(&people.kari, "mark-export-failed", hide.clone()), 403, "ROL-01"),
        ],
        change: act(&people.kari, "hide-export", hide),
        then_shows: Value::Null,
        events: &["ExportRequested", "ExportStarted", "ExportCompleted", "ExportHidden"],
        own_history: None,
    })
    .await;
}

/// Once its file is there nothing of it changes but what is counted, which is a stream of its own.
async fn e21_statutory_export_log(walk: &mut Walk, people: &People) {
    const ENTITY: &str = "E21 statutory export log";
    walk.walked.insert("E21");
    let reporter = reporter(walk, &people.ola).await;
    let report: Value = serde_json::from_str(REPORT).expect("the demo's report is JSON");
    let report = walk.make(&reporter, "create-report", report).await;
    let body = json!({ "kind": "statutory_report", "bufdir_report_id": report.id,
        "format": "CSV", "source": "ADMIN_PORTAL" });
    let asked = walk.make(&reporter, "request-export", body.clone()).await;
    let path = format!("/v1/exports/{}", asked.id);
    let made = completed(walk, &asked, &object(&reporter, &path)).await;
    let row = walk.read(&object(&reporter, &path), made.position).await;
    let right = row["bufdir_report_id"] == report.id
        && row["exported_by_user_id"] == reporter.id
        && row["report_period_label"] == "2025-Q1"
        && row["download_count"] == 0
        && row["file_available"] == true;
    walk.holds(ENTITY, right, format!("reading shows {row}"));

    walk.refused(ENTITY, &act(&people.kari, "request-export", body), 403, "BUF-15").await;
    let foreign = walk.get(&people.kari, &path).await.status;
    walk.holds(ENTITY, matches!(foreign, 403 | 404), format!("a stranger got {foreign}"));

    let file = walk.get(&reporter, &format!("{path}/download")).await;
    walk.holds(ENTITY, file.status == 200, &file.body);
    let whole = row["file_size_bytes"] == file.body.len();
    walk.holds(ENTITY, whole, format!("the file has {} bytes, its row {row}", file.body.len()));
    let counted = walk.read(&object(&reporter, &path), file.position.unwrap_or_default()).await;
    walk.holds(ENTITY, counted["download_count"] == 1, format!("then reading shows {counted}"));

    let events = walk.events("export_job", &asked.id).await;
    let names: Vec<_> = events.iter().filter_map(|event| event["event_type"].as_str()).collect();
    let expected = ["ExportRequested", "ExportStarted", "ExportCompleted"];
    walk.holds(ENTITY, names == expected, format!("its events are {names:?}"));
    let stream = format!("/v1/audit/streams/export_job/{}", asked.id);
    for (as_of, status) in [(asked.position, "pending"), (made.position, "completed")] {
        let then = walk.get(&walk.auditor, &format!("{stream}?as_of={as_of}")).await.json();
        let told = then["state"].to_string().contains(&format!("\"{status}\""));
        walk.holds(ENTITY, told, format!("as of {as_of} it was {then}"));
    }
    let before = format!("{stream}?as_of={}", report.position);
    let before = walk.get(&walk.auditor, &before).await;
    walk.holds(ENTITY, before.status == 404, format!("before it was made: {}", before.body));
}

async fn e23_data_export_request(walk: &mut Walk, people: &People) {
    let body = json!({ "kind": "subject_data", "request_type": "FULL_EXPORT", "format": "JSON",
        "delivery_method": "DOWNLOAD_LINK" });
    let asked = walk.make(&people.kari, "request-export", body.clone()).await;
    let seen = || item(&people.kari, "/v1/data-export-requests?limit=100", &asked.id);
    let made = completed(walk, &asked, &seen()).await;
    let with_token = json!({ "export_id": asked.id, "verification_token": "A".repeat(43) });
    let hide = json!({ "export_id": asked.id });
    walk.go(Way {
        entity: "E23 data export request",
        made: &made,
        read: seen(),
        shows: json!({
            "user_id": people.kari.id, "request_type": "FULL_EXPORT", "status": "COMPLETED",
            "file_available": true, "download_count": 0, "is_overdue": false,
        }),
        forbidden: vec![
            (act(&people.kari, "request-export", body), 429, "DXR-09"),
            (act(&people.kari, "record-export-download", with_token.clone()), 403, "DXR-06"),
            (act(&people.ola, "record-export-download", with_token), 404, "REL-10"),
        ],
        change: act(&people.kari, "hide-export", hide),
        // What is hidden is the entry of E20: the answer that one has a right to stays.
        then_shows: json!({ "status": "COMPLETED", "file_available": true }),
        events: &["ExportRequested", "ExportStarted", "ExportCompleted", "ExportHidden"],
        own_history: None,
    })
    .await;
}

/// A member in a session for an organization whose reports it writes.
async fn reporter(walk: &Walk, member: &User) -> User {
    let name = json!({ "name": "Familievernkontoret Ås" });
    let organization = walk.make(&walk.admin, "create-organization", name).await.id;
    let add = json!({ "organization_id": organization, "role": "reporter",
        "principal": { "kind": "member", "id": member.id } });
    walk.make(&walk.admin, "add-organization-member", add).await;
    let login = json!({ "email": member.email, "password": password(&member.email),
        "organization_id": organization });
    let made = walk.make(&User::default(), "log-in", login).await;
    let token = made.result["token"].as_str().map(str::to_owned);
    User { token, ..member.clone() }
}

/// What was asked for, made when its file was there.
async fn completed(walk: &mut Walk, asked: &Made, seen: &Seen<'_>) -> Made {
    let begun = Instant::now();
    loop {
        let row = walk.read(seen, asked.position).await;
        let ended = row["status"].as_str().is_some_and(|it| it.eq_ignore_ascii_case("completed"));
        if ended {
            break;
        }
        assert!(begun.elapsed() < SOON, "the export is {row}");
        sleep(Duration::from_millis(100)).await;
    }
    let events = walk.events("export_job", &asked.id).await;
    let position = events.last().and_then(|event| event["position"].as_u64());
    Made { position: position.expect("a position"), ..asked.clone() }
}
