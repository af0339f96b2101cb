//! The histories of exports: seen by whom they are of, across organizations by auditors alone.

use agora_domain::{
    Actor,
    exports::{
        export_downloads::ExportDownloads,
        export_job::ExportJob,
        organization_membership::OrganizationRole::{Reader, Reporter},
    },
    identity::values::AdminScope,
    ids::{BufdirReportId, ExportJobId, OrganizationId},
};
use agora_read_api::access::READS;
use agora_service::clock;
use axum::http::{Method, Request};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::world::{User, World};

/// What becomes of an export after it was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Pending,
    Completed,
    Limited,
}

impl World {
    /// A statutory export of a report, asked for so long ago.
    async fn exported(
        &self,
        (organization, report): (OrganizationId, BufdirReportId),
        by: Option<&User>,
        age: TimeDelta,
        end: End,
    ) -> ExportJobId {
        let (job_id, at) = (ExportJobId(clock::new_id()), clock::now() - age);
        let expires_at = at + TimeDelta::hours(90 * 24);
        let mut requested = json!({ "job_id": job_id, "triggered_at": at, "expires_at": expires_at,
            "content": { "kind": "statutory_report", "report_id": report, "report_sequence": 1,
                "organization_id": organization,
                "source": if by.is_some() { "ADMIN_PORTAL" } else { "SYSTEM_BATCH" },
                "format": "PDF", "report_period_label": "2025-Q1" } });
        if let Some(user) = by {
            requested["requested_by"] = json!(user.actor);
        }
        let mut events = vec![json!({ "ExportRequested": requested })];
        if end == End::Completed {
            events.push(json!({ "ExportStarted": { "processing_started_at": at } }));
            events.push(json!({ "ExportCompleted": { "completed_at": at, "expires_at": expires_at,
                "metadata": { "row_count": 4 },
                "file": { "file_name": "a.pdf", "file_size_bytes": 7,
                    "file_path": format!("exports/statutory_report/{job_id}/a.pdf"),
                    "checksum_sha256": "0f".repeat(32) } } }));
        }
        if end == End::Limited {
            events.push(json!({ "ExportRateLimited": { "error_code": "RATE_LIMIT_EXCEEDED",
                "error_message": "Too many.", "completed_at": at, "retry_at": at } }));
        }
        let events = events.into_iter().map(|event| serde_json::from_value(event).unwrap());
        self.append::<ExportJob>(Actor::SYSTEM, job_id, events.collect()).await;
        job_id
    }

    async fn happens(&self, job_id: ExportJobId, event: Value) {
        let event = serde_json::from_value(event).unwrap();
        self.append::<ExportJob>(Actor::SYSTEM, job_id, vec![event]).await;
    }
}

fn ids(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn texts(ids: &[ExportJobId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// Two organizations with a report each, and somebody in each.
struct Tenants {
    world: World,
    own: (OrganizationId, BufdirReportId),
    reporter: User,
    other: (OrganizationId, BufdirReportId),
    stranger: User,
}

impl Tenants {
    async fn new() -> Self {
        let world = World::new().await;
        let own = world.organization("Barnas Hus").await;
        let reporter = world.org_user(own, Reporter).await;
        let report = world.report(&reporter, own, "2025-Q1").await.report_id;
        let other = world.organization("Andres Hus").await;
        let stranger = world.org_user(other, Reporter).await;
        let others = world.report(&stranger, other, "2025-Q1").await.report_id;
        Self { world, own: (own, report), reporter, other: (other, others), stranger }
    }
}

const DAY: TimeDelta = TimeDelta::days(1);

#[tokio::test]
async fn opr_03_buf_15_buf_22_buf_24_an_export_is_shown_to_its_tenant_without_its_path() {
    let t = Tenants::new().await;
    let id = t.world.exported(t.own, Some(&t.reporter), DAY, End::Completed).await;
    let downloaded = json!({ "ExportDownloaded": { "job_id": id, "download_count": 3,
        "downloaded_at": clock::now(), "downloaded_by": t.reporter.actor } });
    let downloaded = vec![serde_json::from_value(downloaded).unwrap()];
    t.world.append::<ExportDownloads>(Actor::SYSTEM, id, downloaded).await;
    t.world.project().await;
    let path = format!("/v1/exports/{id}");
    let reply = t.world.get_as(&t.reporter, &path).await;
    let export = reply.ok();
    assert_eq!(export.get("file_path"), None);
    assert!(!reply.body.contains("exports/statutory_report"));
    for (field, value) in [
        ("id", json!(id)),
        ("organization_id", json!(t.own.0)),
        ("bufdir_report_id", json!(t.own.1)),
        ("exported_by_user_id", json!(t.reporter.id())),
        ("status", json!("completed")),
        ("file_name", json!("a.pdf")),
        ("report_period_label", json!("2025-Q1")),
        ("download_count", json!(3)),
        ("file_available", json!(true)),
        ("metadata", json!({ "row_count": 4 })),
        ("sequence", json!(3)),
    ] {
        assert_eq!(export[field], value, "{field}");
    }
    let foreign = t.world.get_as(&t.stranger, &path).await;
    let unknown = format!("/v1/exports/{}", clock::new_id());
    let unknown = t.world.get_as(&t.stranger, &unknown).await;
    foreign.problem(404);
    assert_eq!(foreign.body, unknown.body, "neither tells more than the other");
    let root = t.world.admin(&[AdminScope::Global]).await;
    t.world.get_as(&root, &path).await.problem(403);
    t.world.get_as(&t.reporter, "/v1/exports/7").await.problem(400);
    t.world.happens(id, json!({ "ExportFilePurged": { "purged_at": clock::now() } })).await;
    t.world.project().await;
    let purged = t.world.get_as(&t.reporter, &path).await.ok();
    assert_eq!(
        (&purged["file_available"], &purged["status"]),
        (&json!(false), &json!("completed"))
    );
}

#[tokio::test]
async fn opr_04_buf_15_a_tenants_exports_come_newest_first_and_in_pages() {
    let t = Tenants::new().await;
    let mut own = Vec::new();
    for days in 1..=5 {
        own.push(t.world.exported(t.own, Some(&t.reporter), DAY * days, End::Completed).await);
        t.world.exported(t.other, Some(&t.stranger), DAY * days, End::Completed).await;
    }
    t.world.project().await;
    let reader = t.world.org_user(t.own.0, Reader).await;
    let mut seen = Vec::new();
    let mut path = "/v1/exports?limit=2".to_owned();
    loop {
        let list = t.world.get_as(&reader, &path).await.ok();
        seen.extend(ids(&list));
        let Some(next) = list["next"].as_str() else { break };
        path = format!("/v1/exports?limit=2&cursor={next}");
    }
    assert_eq!(seen, texts(&own));
    let between = |from: i32, to: i32| {
        let time = |days: i32| (clock::now() - DAY * days + TimeDelta::hours(1)).to_rfc3339();
        format!("from={}&to={}", time(from), time(to)).replace('+', "%2B")
    };
    let path = format!("/v1/exports?{}", between(4, 2));
    assert_eq!(ids(&t.world.get_as(&reader, &path).await.ok()), texts(&own[1..3]));
    let widened = format!("/v1/exports?organization_id={}", t.other.0);
    t.world.get_as(&reader, &widened).await.problem(404);
    let named = format!("/v1/exports?organization_id={}", t.own.0);
    assert_eq!(ids(&t.world.get_as(&reader, &named).await.ok()).len(), 5);
    let cursor = t.world.get_as(&t.stranger, "/v1/exports?limit=2").await.ok();
    let stolen = format!("/v1/exports?limit=2&cursor={}", cursor["next"].as_str().unwrap());
    t.world.get_as(&reader, &stolen).await.problem(400);
}

#[tokio::test]
async fn opr_05_opr_06_by_report_by_user_and_by_status_within_the_tenant() {
    let t = Tenants::new().await;
    let colleague = t.world.org_user(t.own.0, Reporter).await;
    let second = t.world.report(&t.reporter, t.own.0, "2025-Q2").await.report_id;
    let a = t.world.exported(t.own, Some(&t.reporter), DAY * 3, End::Completed).await;
    let b = t.world.exported((t.own.0, second), Some(&colleague), DAY * 2, End::Limited).await;
    let c = t.world.exported((t.own.0, second), None, DAY, End::Pending).await;
    t.world.exported(t.other, Some(&t.stranger), DAY, End::Pending).await;
    t.world.project().await;
    for (query, expected) in [
        (format!("report={}", t.own.1), vec![a]),
        (format!("report={second}"), vec![c, b]),
        (format!("user={}", colleague.id()), vec![b]),
        (format!("user={}", t.stranger.id()), vec![]),
        ("status=pending".to_owned(), vec![c]),
        (format!("report={second}&status=failed"), vec![b]),
    ] {
        let list = t.world.get_as(&t.reporter, &format!("/v1/exports?{query}")).await.ok();
        assert_eq!(ids(&list), texts(&expected), "{query}");
    }
    for report in [t.other.1.to_string(), clock::new_id().to_string()] {
        let path = format!("/v1/exports?report={report}");
        t.world.get_as(&t.reporter, &path).await.problem(404);
    }
    for query in ["status=cancelled", "report=7", "user=x", "expires_at=1", "status=a&status=b"] {
        t.world.get_as(&t.reporter, &format!("/v1/exports?{query}")).await.problem(400);
    }
}

#[tokio::test]
async fn opr_07_aud_09_the_queue_has_the_oldest_first_and_each_look_is_recorded() {
    let t = Tenants::new().await;
    let b = t.world.exported(t.own, Some(&t.reporter), DAY, End::Pending).await;
    let a = t.world.exported(t.other, None, DAY * 2, End::Pending).await;
    let expired = t.world.exported(t.own, None, DAY * 91, End::Completed).await;
    t.world.exported(t.own, None, DAY * 89, End::Completed).await;
    t.world.project().await;
    let ops = t.world.admin(&[AdminScope::Ops]).await;
    let auditor = t.world.admin(&[AdminScope::Auditor]).await;
    for user in [&ops, &auditor] {
        let queue = t.world.get_as(user, "/v1/exports/queue").await.ok();
        assert_eq!(ids(&queue), texts(&[a, b]));
        let first = t.world.get_as(user, "/v1/exports/queue?limit=1").await.ok();
        let next = first["next"].as_str().unwrap();
        let path = format!("/v1/exports/queue?limit=1&cursor={next}");
        assert_eq!(ids(&t.world.get_as(user, &path).await.ok()), texts(&[b]));
        let to_clean = t.world.get_as(user, "/v1/exports/queue?expired=true").await.ok();
        assert_eq!(ids(&to_clean), texts(&[expired]));
    }
    t.world.get_as(&t.reporter, "/v1/exports/queue").await.problem(403);
    let records = t.world.security_records().await;
    assert_eq!(records.iter().filter(|(kind, ..)| kind == "audit_read").count(), 8);
}

#[tokio::test]
async fn opr_08_buf_11_the_quota_counts_what_was_accepted_in_the_window() {
    let t = Tenants::new().await;
    for (minutes, end) in
        [(61, End::Completed), (50, End::Completed), (40, End::Limited), (10, End::Pending)]
    {
        t.world.exported(t.own, Some(&t.reporter), TimeDelta::minutes(minutes), end).await;
        t.world.exported(t.other, None, TimeDelta::minutes(minutes), end).await;
    }
    t.world.project().await;
    let told = t.world.get_as(&t.reporter, "/v1/exports/rate-limit").await.ok();
    assert_eq!((&told["count"], &told["remaining"]), (&json!(2), &json!(3)));
    assert_eq!((&told["limit"], &told["retry_at"]), (&json!(5), &Value::Null));
    let since = (clock::now() - TimeDelta::minutes(90)).to_rfc3339().replace('+', "%2B");
    let path = format!("/v1/exports/rate-limit?since={since}");
    let told = t.world.get_as(&t.reporter, &path).await.ok();
    assert_eq!((&told["count"], &told["remaining"]), (&json!(3), &json!(3)));
    for minutes in [9, 8, 7] {
        t.world.exported(t.own, None, TimeDelta::minutes(minutes), End::Pending).await;
    }
    t.world.project().await;
    let ops = t.world.admin(&[AdminScope::Ops]).await;
    t.world.get_as(&ops, "/v1/exports/rate-limit").await.problem(400);
    let path = format!("/v1/exports/rate-limit?organization_id={}", t.own.0);
    let told = t.world.get_as(&ops, &path).await.ok();
    assert_eq!((&told["count"], &told["remaining"]), (&json!(5), &json!(0)));
    let retry_at: DateTime<Utc> = told["retry_at"].as_str().unwrap().parse().unwrap();
    let wait = (retry_at - clock::now()).num_seconds();
    assert!((540..=600).contains(&wait), "the oldest of the five leaves in ten minutes: {wait}");
    t.world.get_as(&t.stranger, &path).await.problem(404);
}

#[tokio::test]
async fn opr_09_buf_16_buf_25_across_tenants_there_is_the_audit_alone_and_it_is_recorded() {
    let t = Tenants::new().await;
    let old = t.world.exported(t.own, Some(&t.reporter), DAY * 400, End::Completed).await;
    let a = t.world.exported(t.own, Some(&t.reporter), DAY * 2, End::Completed).await;
    let b = t.world.exported(t.other, Some(&t.stranger), DAY, End::Limited).await;
    t.world.happens(old, json!({ "ExportArchived": { "archived_at": clock::now() } })).await;
    t.world.project().await;
    let path = "/v1/audit/exports";
    let root = t.world.admin(&[AdminScope::Global]).await;
    let auditor = t.world.admin(&[AdminScope::Auditor]).await;
    for user in [&root, &auditor] {
        assert_eq!(ids(&t.world.get_as(user, path).await.ok()), texts(&[b, a, old]));
        let of_own = format!("{path}?organization_id={}&limit=1", t.own.0);
        let first = t.world.get_as(user, &of_own).await.ok();
        assert_eq!(ids(&first), texts(&[a]));
        let next = format!("{of_own}&cursor={}", first["next"].as_str().unwrap());
        let archived = t.world.get_as(user, &next).await.ok();
        assert_eq!(ids(&archived), texts(&[old]));
        assert!(archived["items"][0]["archived_at"].is_string());
        let failed = format!("{path}?status=failed&report={}", t.other.1);
        assert_eq!(ids(&t.world.get_as(user, &failed).await.ok()), texts(&[b]));
        t.world.get_as(user, "/v1/exports").await.problem(403);
    }
    let plain = t.world.admin(&[]).await;
    for user in [&t.reporter, &plain] {
        t.world.get_as(user, path).await.problem(403);
    }
    let live = t.world.get_as(&t.reporter, "/v1/exports").await.ok();
    assert_eq!(ids(&live), texts(&[a]), "the archive is for auditors");
    t.world.get_as(&t.reporter, &format!("/v1/exports/{old}")).await.problem(404);
    let records = t.world.security_records().await;
    let reads =
        records.iter().filter(|(kind, _, action, _)| kind == "audit_read" && action == path);
    assert_eq!(reads.count(), 8);
}

#[tokio::test]
async fn dxr_10_del_05_requests_and_entries_of_ones_own_and_for_admins_of_all() {
    let world = World::new().await;
    let (ada, bob) = (world.member(None).await, world.member(None).await);
    let admin = world.admin(&[]).await;
    let request = async |of: &User, days: i32| {
        let (job_id, at) = (ExportJobId(clock::new_id()), clock::now() - DAY * days);
        let personal = |category: &str, value: &str| json!({ "$personal": { "subject": of.id(), "category": category, "value": value } });
        let requested = json!({ "ExportRequested": { "job_id": job_id, "triggered_at": at,
            "due_at": at + DAY * 30, "requested_by": of.actor,
            "content": { "kind": "subject_data", "subject": of.actor,
                "request_type": "FULL_EXPORT", "data_categories": ["account"], "format": "JSON",
                "delivery_method": "EMAIL",
                "delivery_address": personal("identity", "somebody@example.org"),
                "verification_token_sha256": personal("credential", "00") } } });
        world.happens(job_id, requested).await;
        job_id
    };
    let (late, soon, own) =
        (request(&ada, 40).await, request(&bob, 20).await, request(&ada, 1).await);
    let reason = json!({ "$personal": { "subject": ada.id(), "category": "content",
        "value": "There is much of it." } });
    let extended = json!({ "ExportDeadlineExtended": { "due_at": clock::now() + DAY * 60,
        "extended_by": admin.actor, "reason": reason } });
    world.happens(own, extended).await;
    world.happens(own, json!({ "ExportCancelled": { "cancelled_by": ada.actor, "completed_at": clock::now() } })).await;
    world
        .happens(
            own,
            json!({ "ExportHidden": { "hidden_at": clock::now(), "hidden_by": ada.actor } }),
        )
        .await;
    world.project().await;
    let requests = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap().iter();
        items.map(|item| item["request_id"].as_str().unwrap().to_owned()).collect()
    };
    let path = "/v1/data-export-requests";
    let mine = world.get_as(&ada, path).await.ok();
    assert_eq!(requests(&mine), texts(&[own, late]));
    let first = &mine["items"][0];
    assert_eq!(first["status"], "CANCELLED");
    assert_eq!(first["delivery_address"], "somebody@example.org");
    assert_eq!(first["processing_notes"], "There is much of it.");
    for hidden in ["file_path", "verification_token"] {
        assert_eq!(first.get(hidden), None);
    }
    assert_eq!(requests(&world.get_as(&admin, path).await.ok()), texts(&[own, soon, late]));
    let open = world.get_as(&admin, &format!("{path}?due=open")).await.ok();
    assert_eq!(requests(&open), texts(&[late, soon]), "the first to be due first");
    assert_eq!(open["items"][0]["delivery_address"], Value::Null, "the person's alone");
    let overdue = world.get_as(&admin, &format!("{path}?due=overdue")).await.ok();
    assert_eq!(requests(&overdue), texts(&[late]));
    assert_eq!(overdue["items"][0]["is_overdue"], true);
    let of_bob = format!("{path}?user_id={}", bob.id());
    assert!(requests(&world.get_as(&ada, &of_bob).await.ok()).is_empty());
    let one = format!("{path}/{soon}");
    world.get_as(&ada, &one).await.problem(404);
    world.get_as(&bob, &one).await.ok();
    world.get_as(&admin, &one).await.ok();

    let logs = "/v1/data-export-logs";
    let entries = world.get_as(&ada, logs).await.ok();
    assert_eq!(ids(&entries), texts(&[late]), "what is hidden is not shown");
    assert_eq!(entries["items"][0]["requested_ip"], crate::world::CLIENT);
    assert_eq!(ids(&world.get_as(&admin, logs).await.ok()), texts(&[soon, late]));
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    assert_eq!(ids(&world.get_as(&auditor, logs).await.ok()), texts(&[own, soon, late]));
    let records = world.security_records().await;
    assert!(records.iter().filter(|(kind, ..)| kind == "audit_read").count() >= 5);
}

/// Every route by every method: but for reading nothing is there to be done.
#[tokio::test]
async fn opr_15_no_route_of_the_read_api_changes_an_export() {
    let t = Tenants::new().await;
    let id = t.world.exported(t.own, Some(&t.reporter), DAY, End::Completed).await;
    t.world.project().await;
    let path = format!("/v1/exports/{id}");
    let before = t.world.get_as(&t.reporter, &path).await.ok();
    let head = t.world.head().await;
    for (route, _) in READS.iter() {
        let path = route.replace("{id}", &id.to_string()).replace("{type}", "export_job");
        let path = path.replace("{name}", "nobody").replace("{key}", "nothing");
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let bearer = format!("Bearer {}", t.reporter.token);
            let request = Request::builder().method(method.clone()).uri(&path);
            let reply = t.world.send(request.header("authorization", bearer)).await;
            let status = reply.status.as_u16();
            // What one may not read, one is not told the methods of.
            assert!([403, 405].contains(&status), "{method} {path}: {}", reply.body);
        }
    }
    assert_eq!(t.world.head().await, head);
    t.world.project().await;
    assert_eq!(t.world.get_as(&t.reporter, &path).await.ok(), before);
}
