//! Files of exports: who gets them, that each is the one that was made, and that each is counted.

use agora_command_api::{App as CommandApp, Settings, http as command_http};
use agora_domain::{
    Actor,
    exports::{
        export_downloads::ExportDownloads, export_job::ExportJob,
        organization_membership::OrganizationMembership,
    },
    ids::ExportJobId,
};
use agora_event_store::security::SecurityLog;
use agora_service::{client_address::TrustedProxies, clock};
use axum::http::{Method, Request, request::Builder};
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use object_store::{ObjectStoreExt, path::Path};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::world::{Reply, User, World};

const TOKEN: &str = "a-token-of-256-bits-in-base64url-43-signs-x";
const CONTENT: &str = "id,navn\r\n1,blåbærsyltetøy\r\n";

/// What of a job differs from test to test.
struct Job {
    content: Value,
    requested_by: Option<Actor>,
    expires_in: TimeDelta,
    is_completed: bool,
}

impl World {
    /// Serves a command API on this test's log; its address.
    async fn command_api(&self) -> String {
        let security = SecurityLog::start(self.log.pool().clone(), self.database.vault(), None);
        let app = CommandApp::new(self.log.clone(), security, Settings::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = command_http::routes(app);
        let (proxies, shutdown) = (TrustedProxies::default(), self.shutdown.clone());
        tokio::spawn(agora_service::http::serve_on(listener, routes, proxies, shutdown));
        format!("http://{address}")
    }

    async fn put(&self, path: &str, content: &str) {
        let content = content.as_bytes().to_vec();
        self.store.put(&Path::from(path), content.into()).await.unwrap();
    }

    /// A job with its file in the store.
    async fn job(&self, job: Job) -> (ExportJobId, String) {
        let job_id = ExportJobId(clock::new_id());
        let kind = job.content["kind"].as_str().unwrap();
        let path = format!("exports/{kind}/{job_id}/navn-2025.csv");
        let at = clock::now() - TimeDelta::days(1);
        let file = json!({ "file_name": "navn-2025.csv", "file_path": path,
            "file_size_bytes": CONTENT.len(),
            "checksum_sha256": hex::encode(Sha256::digest(CONTENT)) });
        let mut requested = json!({ "job_id": job_id, "content": job.content, "triggered_at": at });
        if let Some(by) = job.requested_by {
            requested["requested_by"] = json!({ "kind": by.kind.as_str(), "id": by.id });
        }
        let mut events = vec![json!({ "ExportRequested": requested })];
        if job.is_completed {
            events.push(json!({ "ExportStarted": { "processing_started_at": at } }));
            events.push(json!({ "ExportCompleted": { "file": file, "metadata": {},
                "completed_at": at, "expires_at": clock::now() + job.expires_in } }));
            self.put(&path, CONTENT).await;
        }
        let events = events.into_iter().map(|event| serde_json::from_value(event).unwrap());
        self.append::<ExportJob>(Actor::SYSTEM, job_id, events.collect()).await;
        (job_id, path)
    }

    async fn platform_data(&self, by: &User) -> (ExportJobId, String) {
        self.job(Job {
            content: json!({ "kind": "platform_data", "export_type": "posts", "format": "csv" }),
            requested_by: Some(by.actor),
            expires_in: TimeDelta::days(6),
            is_completed: true,
        })
        .await
    }

    async fn subject_data(&self, of: &User, expires_in: TimeDelta) -> ExportJobId {
        let hash = hex::encode(Sha256::digest(TOKEN));
        let hash = json!({ "$personal": { "subject": of.id(), "category": "credential",
            "value": hash } });
        let content = json!({ "kind": "subject_data",
            "subject": { "kind": of.actor.kind.as_str(), "id": of.id() },
            "request_type": "PARTIAL_EXPORT", "data_categories": ["posts"], "format": "CSV",
            "delivery_method": "DOWNLOAD_LINK", "verification_token_sha256": hash });
        let (requested_by, is_completed) = (Some(of.actor), true);
        self.job(Job { content, requested_by, expires_in, is_completed }).await.0
    }

    async fn downloads(&self, job_id: ExportJobId) -> u64 {
        let id = job_id.to_string();
        self.log.load_fresh::<ExportDownloads>(&id).await.unwrap().state.download_count()
    }
}

fn request(method: Method, user: &User, job_id: ExportJobId) -> Builder {
    Request::builder()
        .method(method)
        .uri(format!("/v1/exports/{job_id}/download"))
        .header("authorization", format!("Bearer {}", user.token))
}

fn get(user: &User, job_id: ExportJobId) -> Builder {
    request(Method::GET, user, job_id)
}

#[tokio::test]
async fn buf_19_buf_22_a_file_comes_with_its_digest_and_name_and_without_its_path() {
    let world = World::new().await;
    let world = world.counted_by(&world.command_api().await);
    let ada = world.member(None).await;
    let (job_id, path) = world.platform_data(&ada).await;
    let reply = world.send(get(&ada, job_id)).await;
    assert_eq!((reply.status.as_u16(), reply.body.as_str()), (200, CONTENT));
    let checksum = hex::encode(Sha256::digest(CONTENT));
    assert_eq!(reply.header("etag"), format!("\"{checksum}\""));
    let digest = reply.header("repr-digest").strip_prefix("sha-256=:").unwrap();
    assert!(digest.ends_with(':') && reply.header("digest").starts_with("SHA-256="));
    assert_eq!(reply.header("content-disposition"), "attachment; filename=\"navn-2025.csv\"");
    assert!(reply.header("content-type").starts_with("text/csv"));
    assert_eq!(reply.header("content-length"), CONTENT.len().to_string());
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.position(), world.head().await, "the position of the count");
    assert_eq!(world.downloads(job_id).await, 1);
    let headers = format!("{:?}", reply.headers);
    assert!(!headers.contains(&path) && !headers.contains("exports/"));
}

#[tokio::test]
async fn buf_17_parts_count_each_and_head_and_304_and_416_do_not() {
    let world = World::new().await;
    let world = world.counted_by(&world.command_api().await);
    let ada = world.member(None).await;
    let (job_id, _) = world.platform_data(&ada).await;
    let part = world.send(get(&ada, job_id).header("range", "bytes=3-6")).await;
    assert_eq!((part.status.as_u16(), part.body.as_str()), (206, "navn"));
    assert_eq!(part.header("content-range"), format!("bytes 3-6/{}", CONTENT.len()));
    assert_eq!(part.header("content-length"), "4");
    assert_eq!(world.downloads(job_id).await, 1);
    let tag = part.header("etag").to_owned();
    let changed = get(&ada, job_id).header("range", "bytes=3-6").header("if-range", "\"other\"");
    assert_eq!(world.send(changed).await.status, 200, "of another file there is no part");
    assert_eq!(world.downloads(job_id).await, 2);

    let head = world.send(request(Method::HEAD, &ada, job_id)).await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), CONTENT.len().to_string());
    let known = world.send(get(&ada, job_id).header("if-none-match", &tag)).await;
    assert_eq!((known.status.as_u16(), known.body.as_str()), (304, ""));
    let beyond = world.send(get(&ada, job_id).header("range", "bytes=1000-")).await;
    beyond.problem(416);
    assert_eq!(beyond.header("content-range"), format!("bytes */{}", CONTENT.len()));
    assert_eq!(world.downloads(job_id).await, 2);
}

#[tokio::test]
async fn buf_17_parallel_downloads_on_two_instances_count_exactly() {
    let world = World::new().await;
    let url = world.command_api().await;
    let (one, two) = (world.counted_by(&url), world.counted_by(&url));
    let ada = world.member(None).await;
    let (job_id, _) = world.platform_data(&ada).await;
    let mut addresses = Vec::new();
    for instance in [&one, &two] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        let (routes, proxies) = (instance.routes.clone(), TrustedProxies::default());
        let served =
            agora_service::http::serve_on(listener, routes, proxies, world.shutdown.clone());
        tokio::spawn(served);
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let downloads = (0..40).map(|number| {
        let address = addresses[number % 2];
        let url = format!("http://{address}/v1/exports/{job_id}/download");
        let request = client.get(url).header("authorization", format!("Bearer {}", ada.token));
        async move { request.send().await.unwrap().text().await.unwrap() }
    });
    assert!(join_all(downloads).await.iter().all(|body| body == CONTENT));
    assert_eq!(world.downloads(job_id).await, 40);
    let times: Vec<Value> = sqlx::query_scalar(
        "SELECT payload -> 'ExportDownloaded' -> 'downloaded_at'
         FROM log.stream('export_downloads', $1) ORDER BY sequence",
    )
    .bind(job_id.to_string())
    .fetch_all(&world.database.pool)
    .await
    .unwrap();
    // As times: their texts have fewer digits where the last ones are zeros.
    let times: Vec<DateTime<Utc>> =
        times.into_iter().map(|time| serde_json::from_value(time).unwrap()).collect();
    assert!(times.is_sorted(), "no time goes back: {times:?}");
}

#[tokio::test]
async fn buf_18_dxr_07_what_has_expired_or_is_not_completed_is_not_handed_over_nor_counted() {
    let world = World::new().await;
    let world = world.counted_by(&world.command_api().await);
    let ada = world.member(None).await;
    let expired = world.subject_data(&ada, TimeDelta::seconds(-1)).await;
    let reply = world.send(get(&ada, expired).header("agora-export-token", TOKEN)).await;
    assert_eq!(reply.problem(410)["rule"], "DXR-07");
    let content = json!({ "kind": "platform_data", "export_type": "posts", "format": "csv" });
    let (requested_by, expires_in) = (Some(ada.actor), TimeDelta::days(1));
    let pending = Job { content, requested_by, expires_in, is_completed: false };
    let (pending, _) = world.job(pending).await;
    assert_eq!(world.send(get(&ada, pending)).await.problem(409)["rule"], "BUF-18");
    let (purged, _) = world.platform_data(&ada).await;
    let purge =
        serde_json::from_value(json!({ "ExportFilePurged": { "purged_at": clock::now() } }));
    world.append::<ExportJob>(Actor::SYSTEM, purged, vec![purge.unwrap()]).await;
    assert_eq!(world.send(get(&ada, purged)).await.problem(410)["rule"], "BUF-18");
    for job_id in [expired, pending, purged] {
        assert_eq!(world.downloads(job_id).await, 0);
    }
}

#[tokio::test]
async fn buf_19_a_file_that_was_tampered_with_leaves_no_byte_and_an_incident() {
    let world = World::new().await;
    let world = world.counted_by(&world.command_api().await);
    let ada = world.member(None).await;
    let (job_id, path) = world.platform_data(&ada).await;
    let taken_away = world.platform_data(&ada).await;
    let other = CONTENT.replace("syltetøy", "SYLTETØY");
    assert_eq!(other.len(), CONTENT.len());
    for forged in [other.as_str(), "", "id"] {
        world.put(&path, forged).await;
        for asked in [get(&ada, job_id), get(&ada, job_id).header("range", "bytes=0-1")] {
            let reply = world.send(asked).await;
            assert_eq!(reply.problem(500)["rule"], "BUF-19");
            assert!(!reply.body.contains("navn"));
        }
    }
    world.store.delete(&Path::from(taken_away.1.as_str())).await.unwrap();
    assert_eq!(world.send(get(&ada, taken_away.0)).await.problem(500)["rule"], "BUF-19");
    assert_eq!(world.downloads(job_id).await, 0);
    let records = world.security_records().await;
    let incidents = records.iter().filter(|(kind, ..)| kind == "export_file_tampered");
    assert_eq!(incidents.count(), 7);
    world.put(&path, CONTENT).await;
    assert_eq!(world.send(get(&ada, job_id)).await.body, CONTENT, "the right one is handed over");
}

#[tokio::test]
async fn buf_17_nothing_is_handed_over_that_cannot_be_counted() {
    let world = World::new().await;
    let ada = world.member(None).await;
    let (job_id, _) = world.platform_data(&ada).await;
    let reply = world.send(get(&ada, job_id)).await;
    reply.problem(503);
    assert_eq!(reply.header("retry-after"), "1");
    assert!(!reply.body.contains("navn"));
}

#[tokio::test]
async fn dxr_06_one_s_own_data_needs_a_session_of_one_s_own_and_the_token() {
    let world = World::new().await;
    let world = world.counted_by(&world.command_api().await);
    let (ada, eve) = (world.member(None).await, world.member(None).await);
    let job_id = world.subject_data(&ada, TimeDelta::days(6)).await;
    for wrong in ["", "x", &TOKEN.to_uppercase(), &hex::encode(Sha256::digest(TOKEN))] {
        let reply = world.send(get(&ada, job_id).header("agora-export-token", wrong)).await;
        assert_eq!(reply.problem(403)["rule"], "DXR-06", "{wrong}");
    }
    assert_eq!(world.send(get(&ada, job_id)).await.problem(403)["rule"], "DXR-06");
    // Whoever else has the token has nothing: not even that there is such an export.
    world.send(get(&eve, job_id).header("agora-export-token", TOKEN)).await.problem(404);
    let guest = Request::get(format!("/v1/exports/{job_id}/download?token={TOKEN}"));
    world.send(guest).await.problem(401);
    assert_eq!(world.downloads(job_id).await, 0);

    let reply = world.send(get(&ada, job_id).header("agora-export-token", TOKEN)).await;
    assert_eq!((reply.status.as_u16(), reply.body.as_str()), (200, CONTENT));
    let path = format!("/v1/exports/{job_id}/download?token={TOKEN}");
    assert_eq!(world.get_as(&ada, &path).await.body, CONTENT);
    assert_eq!(world.downloads(job_id).await, 2);
}

#[tokio::test]
async fn del_05_who_hides_an_entry_does_not_take_the_answer_away() {
    let world = World::new().await;
    let world = world.counted_by(&world.command_api().await);
    let ada = world.member(None).await;
    let admin = world.admin(&[]).await;
    let job_id = world.subject_data(&ada, TimeDelta::days(6)).await;
    let hidden = json!({ "ExportHidden": { "hidden_at": clock::now(), "hidden_by": admin.actor } });
    let hidden = serde_json::from_value(hidden).unwrap();
    world.append::<ExportJob>(Actor::SYSTEM, job_id, vec![hidden]).await;
    let reply = world.send(get(&ada, job_id).header("agora-export-token", TOKEN)).await;
    assert_eq!((reply.status.as_u16(), reply.body.as_str()), (200, CONTENT));
    assert_eq!(world.downloads(job_id).await, 1);
}

#[tokio::test]
async fn buf_15_another_tenants_file_is_not_there() {
    let world = World::new().await;
    let world = world.counted_by(&world.command_api().await);
    let (organization, other) = (clock::new_id(), clock::new_id());
    let ada = world.member(None).await;
    let inside = world.log_in_with(&ada, organization).await;
    let outside = world.log_in_with(&ada, other).await;
    let root = world.admin(&[agora_domain::identity::values::AdminScope::Global]).await;
    let content = json!({ "kind": "statutory_report", "report_id": clock::new_id(),
        "report_sequence": 1, "organization_id": organization, "source": "ADMIN_PORTAL",
        "format": "CSV", "report_period_label": "2025-Q1" });
    let (requested_by, expires_in) = (Some(ada.actor), TimeDelta::days(6));
    let (job_id, _) =
        world.job(Job { content, requested_by, expires_in, is_completed: true }).await;
    for stranger in [&ada, &outside, &root] {
        world.send(get(stranger, job_id)).await.problem(404);
    }
    assert_eq!(world.send(get(&inside, job_id)).await.body, CONTENT);
    assert_eq!(world.downloads(job_id).await, 1);
}

impl World {
    /// A session of the same person that carries an organization, in which it is a reader.
    async fn log_in_with(&self, user: &User, organization: Uuid) -> User {
        let (kind, id) = (user.actor.kind.as_str(), user.id());
        let added = json!({ "OrganizationMemberAdded": { "organization_id": organization,
            "principal": { "kind": kind, "id": id }, "role": "reader",
            "added_by": { "kind": "admin", "id": clock::new_id() } } });
        let stream = format!("{organization}-{kind}-{id}");
        let events = vec![serde_json::from_value(added).unwrap()];
        self.append::<OrganizationMembership>(Actor::SYSTEM, stream, events).await;
        self.log_in_within(user.actor, organization.into()).await
    }
}

#[tokio::test]
async fn law_07_the_record_of_processing_tells_of_every_personal_field() {
    let world = World::new().await;
    let auditor = world.admin(&[agora_domain::identity::values::AdminScope::Auditor]).await;
    let ada = world.member(None).await;
    let reply: Reply = world.get_as(&auditor, "/v1/processing-records").await;
    let record = reply.ok();
    assert_eq!(record["controller"], "Agora, post@agora.example");
    let activities = record["activities"].as_array().unwrap();
    let title = activities.iter().find(|it| {
        it["entity"] == "post" && it["fields"].as_array().unwrap().contains(&json!("title"))
    });
    let title = title.unwrap();
    assert_eq!((&title["form"], &title["data_category"]), (&json!("sealed"), &json!("posts")));
    for said in ["purpose", "legal_basis", "retention", "recipients"] {
        assert!(activities.iter().all(|it| !it[said].as_str().unwrap().is_empty()), "{said}");
    }
    let known = Request::get("/v1/processing-records")
        .header("authorization", format!("Bearer {}", auditor.token))
        .header("if-none-match", reply.header("etag"));
    assert_eq!(world.send(known).await.status, 304);
    world.get_as(&ada, "/v1/processing-records").await.problem(403);
}
