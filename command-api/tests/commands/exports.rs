//! Statutory exports: who asks, who makes, who counts, and that nothing else changes them.

use agora_command_api::commands;
use agora_domain::{
    exports::export_job::{
        CompleteExport, ExportJob, ExportJobCommand, ExportStatus, RequestExport, StartExport,
    },
    ids::ExportJobId,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::common::{Answer, Call, Person, World, examples, report, unknown_id};

/// An organization with a report, and a program that makes exports.
pub struct Office {
    pub world: World,
    pub admin: Person,
    pub organization: String,
    pub reporter: Person,
    pub report_id: String,
    pub worker: Person,
}

impl Office {
    pub async fn new() -> Self {
        let world = World::new().await;
        let admin = world.admin(&[]).await;
        let organization = world.organization(&admin).await;
        let reporter = world.org_user(&admin, &organization, "reporter").await;
        let report_id = world.send(&reporter, "create-report", report("2025-Q1")).await.id();
        let body = json!({ "display_name": "worker", "scopes": ["ops"] });
        let made = world.send(&admin, "create-service-account", body).await;
        let worker = admin.with_token(&made.result("key"));
        Self { world, admin, organization, reporter, report_id, worker }
    }

    pub fn asked(&self) -> Value {
        json!({
            "kind": "statutory_report",
            "bufdir_report_id": self.report_id,
            "format": "PDF",
            "source": "ADMIN_PORTAL",
        })
    }

    pub async fn request(&self) -> Answer {
        self.world.send(&self.reporter, "request-export", self.asked()).await
    }

    pub async fn works(&self, command: &str, body: Value) -> Answer {
        self.world.send(&self.worker, command, body).await
    }

    pub fn file(&self, id: &str) -> Value {
        json!({
            "export_id": id,
            "file_name": "bufdir-report-2025-q1.pdf",
            "file_path": format!("exports/statutory_report/{id}/bufdir-report-2025-q1.pdf"),
            "file_size_bytes": 48_213,
            "checksum_sha256": "0f".repeat(32),
            "metadata": { "row_count": 42, "page_count": 3, "log_position": 7 },
        })
    }

    /// An export that was asked for, made and completed.
    pub async fn completed(&self) -> String {
        let id = self.request().await.id();
        self.works("mark-export-processing", json!({ "export_id": id })).await.accepted();
        self.works("mark-export-completed", self.file(&id)).await.accepted();
        id
    }

    /// As [`Self::completed`], so long ago.
    pub async fn completed_before(&self, age: TimeDelta) -> String {
        let template = self.request().await.id();
        let loaded = self.world.app.log.load::<ExportJob>(&template).await.unwrap();
        let content = loaded.state.get().unwrap().content.clone();
        let job_id = ExportJobId(uuid::Uuid::now_v7());
        let (id, then) = (job_id.to_string(), Utc::now() - age);
        let organization_id = content.statutory().unwrap().organization_id;
        let request = RequestExport {
            job_id,
            content,
            report: Some(agora_domain::exports::export_job::KnownReport { organization_id }),
            requested_by: Some(self.reporter.actor),
            triggered_at: then,
            rate_limited_until: None,
        };
        self.world.decide::<ExportJob>(&id, ExportJobCommand::Request(request)).await;
        let start = StartExport { processing_started_at: Some(then), now: then };
        self.world.decide::<ExportJob>(&id, ExportJobCommand::Start(start)).await;
        let path = format!("exports/statutory_report/{id}/a.pdf");
        let complete = CompleteExport {
            file: agora_domain::exports::export_values::ExportFile {
                file_name: "a.pdf".parse().unwrap(),
                file_path: path.parse().unwrap(),
                file_size_bytes: 1.try_into().unwrap(),
                checksum_sha256: "0f".repeat(32).parse().unwrap(),
            },
            metadata: Default::default(),
            completed_at: Some(then),
            now: then,
        };
        self.world.decide::<ExportJob>(&id, ExportJobCommand::Complete(complete)).await;
        id
    }

    pub async fn status(&self, id: &str) -> ExportStatus {
        self.world.app.log.catch_up().await;
        self.world.app.log.load::<ExportJob>(id).await.unwrap().state.get().unwrap().status
    }
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn opr_01_buf_13_buf_21_an_org_user_asks_for_an_export_of_its_report() {
    let office = Office::new().await;
    let before = Utc::now();
    let answer = office.request().await;
    assert_eq!(answer.events(), ["ExportRequested", "ExportQuotaUsed"]);
    assert_eq!(answer.body["aggregate_type"], "export_job");
    let payload = office.world.last_payload("export_job", &answer.id()).await;
    let requested = &payload["ExportRequested"];
    let triggered_at = time(&requested["triggered_at"]);
    assert!(before - TimeDelta::seconds(1) <= triggered_at && triggered_at <= Utc::now());
    let expires_at = time(&requested["expires_at"]);
    assert_eq!(expires_at - triggered_at, TimeDelta::hours(90 * 24), "to the second");
    assert_eq!(requested["requested_by"]["id"], json!(office.reporter.actor.id));
    let content = &requested["content"];
    assert_eq!(content["organization_id"], json!(office.organization));
    assert_eq!(content["report_id"], json!(office.report_id));
    assert_eq!(content["report_period_label"], "2025-Q1");
    assert_eq!(content["report_sequence"], 1);
    let mut mobile = office.asked();
    mobile["source"] = json!("MOBILE_ONE_CLICK");
    mobile["mobile_os"] = json!("iOS 18.2");
    mobile["organization_id"] = json!(office.organization);
    office.world.send(&office.reporter, "request-export", mobile).await.accepted();
}

#[tokio::test]
async fn opr_02_buf_20_the_platform_asks_in_nobodys_name_and_nobody_else_does() {
    let office = Office::new().await;
    let body = json!({ "bufdir_report_id": office.report_id, "format": "XLSX" });
    let batch = office.works("request-batch-export", body.clone()).await;
    let payload = office.world.last_payload("export_job", &batch.id()).await;
    assert_eq!(payload["ExportRequested"].get("requested_by"), None);
    assert_eq!(payload["ExportRequested"]["content"]["source"], "SYSTEM_BATCH");
    for person in [&office.reporter, &office.admin] {
        let refused = office.world.send(person, "request-batch-export", body.clone()).await;
        refused.refused(403, "ROL-01");
    }
    let mut own = office.asked();
    own["source"] = json!("SYSTEM_BATCH");
    let refused = office.world.send(&office.reporter, "request-export", own).await;
    refused.refused(422, "BUF-20");
    let foreign = json!({
        "bufdir_report_id": office.report_id, "format": "PDF", "organization_id": unknown_id(),
    });
    office.works("request-batch-export", foreign).await.refused(422, "BUF-02");
    let unknown = json!({ "bufdir_report_id": unknown_id(), "format": "PDF" });
    office.works("request-batch-export", unknown).await.refused(404, "BUF-01");
}

#[tokio::test]
async fn buf_01_buf_02_buf_15_another_tenants_report_is_as_one_that_is_not_there() {
    let office = Office::new().await;
    let other = office.world.organization(&office.admin).await;
    let stranger = office.world.org_user(&office.admin, &other, "reporter").await;
    let before = office.world.head().await;
    let foreign = office.world.send(&stranger, "request-export", office.asked()).await;
    foreign.refused(404, "BUF-01");
    let mut unknown = office.asked();
    unknown["bufdir_report_id"] = json!(unknown_id());
    let unknown = office.world.send(&stranger, "request-export", unknown).await;
    assert_eq!(foreign.text, unknown.text, "neither tells more than the other");
    let mut named = office.asked();
    named["organization_id"] = json!(office.organization);
    let named = office.world.send(&stranger, "request-export", named).await;
    named.refused(422, "BUF-02");
    let reader = office.world.org_user(&office.admin, &office.organization, "reader").await;
    for person in [&reader, &office.admin] {
        let refused = office.world.send(person, "request-export", office.asked()).await;
        refused.refused(403, "BUF-15");
    }
    let appended = office.world.events_after(before).await;
    assert!(appended.iter().all(|(event, _)| !event.starts_with("Export")), "{appended:?}");
}

#[tokio::test]
async fn opr_10_buf_03_buf_07_one_worker_begins_and_not_before_it_was_asked() {
    let office = Office::new().await;
    let id = office.request().await.id();
    let body = json!({ "export_id": id });
    for time in ["2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"] {
        let early = json!({ "export_id": id, "processing_started_at": time });
        office.works("mark-export-processing", early).await.refused(422, "BUF-07");
    }
    for person in [&office.reporter, &office.admin] {
        let refused = office.world.send(person, "mark-export-processing", body.clone()).await;
        refused.refused(403, "ROL-01");
    }
    let workers = (0..8).map(|_| office.works("mark-export-processing", body.clone()));
    let answers = futures::future::join_all(workers).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(won, 1);
    for lost in answers.iter().filter(|answer| answer.status != 200) {
        lost.refused(409, "BUF-03");
    }
    let unknown = json!({ "export_id": unknown_id() });
    office.works("mark-export-processing", unknown).await.refused(404, "REL-10");
}

#[tokio::test]
async fn opr_11_buf_04_buf_08_an_export_is_completed_with_every_file_field_and_frozen() {
    let office = Office::new().await;
    let id = office.request().await.id();
    let whole = office.file(&id);
    office.works("mark-export-completed", whole.clone()).await.refused(409, "BUF-03");
    office.works("mark-export-processing", json!({ "export_id": id })).await.accepted();
    for field in ["file_name", "file_path", "file_size_bytes", "checksum_sha256"] {
        let mut lacking = whole.clone();
        lacking.as_object_mut().unwrap().remove(field);
        let refused = office.works("mark-export-completed", lacking).await;
        refused.refused(422, "BUF-04");
        assert_eq!(refused.wrong_fields(), [(&*format!("/{field}"), Some("BUF-04"))]);
        let mut null = whole.clone();
        null[field] = Value::Null;
        office.works("mark-export-completed", null).await.refused(422, "BUF-04");
    }
    for (field, value) in [
        ("file_name", json!("../../etc/passwd")),
        ("file_name", json!(".hidden")),
        ("file_name", json!("other.pdf")),
        ("file_path", json!("/etc/passwd")),
        ("file_path", json!(format!("exports/statutory_report/{id}/../x.pdf"))),
        ("file_path", json!("exports/statutory_report/x/bufdir-report-2025-q1.pdf")),
        ("file_size_bytes", json!(0)),
        ("file_size_bytes", json!(-1)),
        ("checksum_sha256", json!("0F".repeat(32))),
        ("checksum_sha256", json!("abc")),
    ] {
        let mut wrong = whole.clone();
        wrong[field] = value;
        office.works("mark-export-completed", wrong).await.refused(422, "BUF-04");
    }
    let mut early = whole.clone();
    early["completed_at"] = json!("2020-01-01T00:00:00Z");
    office.works("mark-export-completed", early).await.refused(422, "BUF-07");
    let completed = office.works("mark-export-completed", whole.clone()).await;
    assert_eq!(completed.events(), ["ExportCompleted"]);
    for (command, body) in [
        ("mark-export-completed", whole),
        ("mark-export-processing", json!({ "export_id": id })),
        ("mark-export-failed", failure(&id)),
    ] {
        office.works(command, body).await.refused(409, "BUF-03");
    }
}

fn failure(id: &str) -> Value {
    json!({
        "export_id": id,
        "error_code": "AGGREGATION_TIMEOUT",
        "error_message": "The figures could not be gathered in time.",
    })
}

#[tokio::test]
async fn opr_12_buf_05_an_export_fails_with_a_message_before_or_after_it_was_begun() {
    let office = Office::new().await;
    for begins in [false, true] {
        let id = office.request().await.id();
        if begins {
            office.works("mark-export-processing", json!({ "export_id": id })).await.accepted();
        }
        for field in ["error_message", "error_code"] {
            let mut lacking = failure(&id);
            lacking.as_object_mut().unwrap().remove(field);
            office.works("mark-export-failed", lacking).await.refused(422, "BUF-05");
        }
        let mut empty = failure(&id);
        empty["error_message"] = json!("  ");
        office.works("mark-export-failed", empty).await.refused(422, "BUF-05");
        office.works("mark-export-failed", failure(&id)).await.accepted();
        office.works("mark-export-failed", failure(&id)).await.refused(409, "BUF-03");
        assert_eq!(office.status(&id).await, ExportStatus::Failed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opr_13_buf_17_buf_18_parallel_downloads_count_exactly_and_only_of_ones_own() {
    let office = Office::new().await;
    let pending = office.request().await.id();
    let body = |id: &str| json!({ "export_id": id });
    let early = office.world.send(&office.reporter, "record-export-download", body(&pending)).await;
    early.refused(409, "BUF-18");
    let id = office.completed().await;
    let twin = office.world.twin().await;
    let reader = office.world.org_user(&office.admin, &office.organization, "reader").await;
    let downloads = (0..40).map(|number| {
        let world = if number % 2 == 0 { &office.world } else { &twin };
        world.send(&reader, "record-export-download", body(&id))
    });
    for answer in futures::future::join_all(downloads).await {
        answer.accepted();
    }
    let payload = office.world.last_payload("export_downloads", &id).await;
    assert_eq!(payload["ExportDownloaded"]["download_count"], 40);
    let other = office.world.organization(&office.admin).await;
    let stranger = office.world.org_user(&office.admin, &other, "reporter").await;
    for person in [&stranger, &office.admin] {
        let refused = office.world.send(person, "record-export-download", body(&id)).await;
        refused.refused(404, "REL-10");
    }
    let expired = office.completed_before(TimeDelta::days(90)).await;
    let late = office.world.send(&reader, "record-export-download", body(&expired)).await;
    late.refused(410, "BUF-18");
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM log.events WHERE aggregate_type = 'export_downloads' AND aggregate_id = $1",
    )
    .bind(&expired)
    .fetch_one(&office.world.database.pool)
    .await
    .unwrap();
    assert_eq!(count, 0, "after the expiry nothing is counted");
}

#[tokio::test]
async fn opr_14_buf_09_buf_14_buf_25_files_go_after_their_time_and_rows_never() {
    let office = Office::new().await;
    let fresh = office.completed().await;
    let expired = office.completed_before(TimeDelta::days(90)).await;
    let old = office.completed_before(TimeDelta::days(366)).await;
    let purge = |ids: Value| office.works("purge-expired-exports", json!({ "export_ids": ids }));
    purge(json!([fresh])).await.refused(409, "BUF-09");
    purge(json!([expired, fresh])).await.refused(409, "BUF-09");
    assert_eq!(purge(json!([expired, old])).await.events(), ["ExportFilePurged"; 2]);
    assert!(purge(json!([expired, old])).await.events().is_empty(), "once");
    purge(json!([])).await.problem(400);
    purge(json!(vec![expired.clone(); 3])).await.accepted();
    for person in [&office.reporter, &office.admin] {
        let body = json!({ "export_ids": [expired] });
        let refused = office.world.send(person, "purge-expired-exports", body).await;
        refused.refused(403, "ROL-01");
    }
    let archive = |id: &str| office.works("archive-exports", json!({ "export_ids": [id] }));
    archive(&expired).await.refused(409, "BUF-25");
    assert_eq!(archive(&old).await.events(), ["ExportArchived"]);
    for id in [&fresh, &expired, &old] {
        let hidden = json!({ "export_id": id });
        let hidden = office.world.send(&office.reporter, "hide-export", hidden).await;
        hidden.refused(409, "BUF-09");
        assert_eq!(office.status(id).await, ExportStatus::Completed, "it stays what it was");
    }
}

/// Every command as everybody, with the export's id wherever an export is named, by every method.
#[tokio::test]
async fn opr_15_no_other_way_changes_a_completed_export() {
    let office = Office::new().await;
    let id = office.completed().await;
    let count = async |aggregate_type: &str| -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM log.events WHERE aggregate_type = $1 AND aggregate_id = $2",
        )
        .bind(aggregate_type)
        .bind(&id)
        .fetch_one(&office.world.database.pool)
        .await
        .unwrap()
    };
    let before = count("export_job").await;
    let stranger = office.world.member().await;
    let bodies = examples();
    for command in commands::all() {
        let mut body = bodies[command.name].clone();
        for (field, value) in [("export_id", json!(id)), ("export_ids", json!([id]))] {
            if body.get(field).is_some() {
                body[field] = value;
            }
        }
        for path in ["file_path"] {
            if body.get(path).is_some() {
                body[path] = office.file(&id)[path].clone();
            }
        }
        for person in [&office.reporter, &office.worker, &office.admin, &stranger] {
            // Its own session may end by what it sends.
            let person = match person.token.starts_with("agora_sk_") {
                true => person.clone(),
                false if person.actor == office.reporter.actor => person.clone(),
                false => office.world.another_session(person).await,
            };
            // What would end the sessions of the rest of the walk.
            if [
                "log-out",
                "revoke-session",
                "revoke-all-sessions",
                "revoke-everybodys-sessions",
                "request-account-deletion",
            ]
            .contains(&command.name)
            {
                continue;
            }
            let call = Call::new(command.name).token(&person.token).body(body.clone());
            let answer = office.world.request(call.clone()).await;
            assert!(answer.status < 500, "{}: {}", command.name, answer.text);
            for method in ["PUT", "PATCH", "DELETE"] {
                let answer = office.world.answer(method, call.clone()).await;
                assert_eq!(answer.status, 405, "{method} {}", command.name);
            }
        }
        assert_eq!(count("export_job").await, before, "{}", command.name);
    }
    assert_eq!(count("export_downloads").await, 1, "the org user's own, and nobody else's");
    assert_eq!(office.status(&id).await, ExportStatus::Completed);
}
