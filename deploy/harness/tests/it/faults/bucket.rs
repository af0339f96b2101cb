//! Exports in a bucket that speaks S3, and a bucket that is away (BUF-26).

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};

use agora_harness::{
    agora::{Commands, Session},
    client::{Client, Reply},
    scene,
    stack::{Process, Service, Shape, Stack},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);

/// A bucket named `agora`, by itself on the machine. What it holds is gone with its process.
struct Bucket {
    address: String,
    process: Option<Process>,
}

impl Bucket {
    async fn start(folder: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut bucket = Self { address: free.to_string(), process: None };
        bucket.run(folder).await;
        bucket
    }

    async fn run(&mut self, folder: &Path) {
        let program = std::env::var_os("AGORA_S3_SERVER")
            .unwrap_or_else(|| panic!("set AGORA_S3_SERVER, or run deploy/test"));
        let (host, port) = self.address.split_once(':').unwrap();
        let mut command = Command::new(program);
        command.args(["-H", host, "-p", port]);
        self.process = Some(Process::spawn(&mut command, &folder.join("bucket.log")).unwrap());
        let deadline = Instant::now() + PATIENCE;
        while !self.ask("PUT /agora").is_some_and(|reply| reply.starts_with("HTTP/1.1 200")) {
            assert!(Instant::now() < deadline, "the bucket is not there");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// As anybody: this server asks nobody who they are.
    fn ask(&self, what: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let address = &self.address;
        write!(
            stream,
            "{what} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        Some(reply)
    }

    fn settings(&self) -> [(&'static str, String); 6] {
        [
            ("AGORA_OBJECTS_URL", "s3://agora/of/exports".to_owned()),
            ("AWS_ENDPOINT", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "eu-north-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "of-a-test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "of-a-test".to_owned()),
        ]
    }
}

struct Stage {
    stack: Stack,
    bucket: Bucket,
    pool: PgPool,
    member: Session,
}

impl Stage {
    async fn set() -> Self {
        let mut stack = Stack::start(Shape::default()).await.expect("the stack starts");
        let bucket = Bucket::start(stack.folder()).await;
        stack.settings.extend(bucket.settings());
        for service in [Service::ProcessManagers, Service::ReadApi] {
            let index = stack.of(service)[0];
            stack.stop(index);
            stack.run(index).expect("it starts again");
        }
        stack.ready().await.expect("the stack is ready");
        let scene = scene::set(&stack.as_scene(), &scene::run_suffix(), 1, 1).await;
        let member = scene.expect("a member is there").voters.remove(0);
        let pool = stack.pool().await.expect("the log can be read");
        Self { stack, bucket, pool, member }
    }

    fn commands(&self) -> Commands {
        let mut commands = Commands::new(self.stack.address(Service::CommandApi));
        commands.act_as(&self.member);
        commands
    }

    /// So many posts of ten thousand characters.
    async fn write(&self, posts: usize) {
        let mut commands = self.commands();
        let category = {
            let mut admin = Commands::new(self.stack.address(Service::CommandApi));
            let told = self.stack.as_scene();
            admin.log_in(&told.admin_email, &told.admin_password).await.unwrap();
            admin
                .send("create-category", &json!({ "name": "long-texts" }))
                .await
                .unwrap()
                .aggregate_id
        };
        let community = json!({ "name": "long-texts", "category_id": category });
        let community = commands.send("create-community", &community).await.unwrap().aggregate_id;
        for number in 0..posts {
            let body = format!("{number:>5}{}", "æ".repeat(9_000));
            let post = json!({ "community_id": community, "title": "A long text", "body": body });
            commands.send("create-post", &post).await.unwrap();
        }
    }

    async fn ask(&self, format: &str) -> Uuid {
        let body = json!({ "kind": "platform_data", "export_type": "posts", "format": format });
        self.commands().send("request-export", &body).await.unwrap().aggregate_id
    }

    /// What the log says of the file.
    async fn made(&self, job: Uuid) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended: Option<(String, String)> = sqlx::query_as(
                "SELECT event_type, payload::text FROM log.stream('export_job', $1)
                 WHERE event_type IN ('ExportCompleted', 'ExportFailed')",
            )
            .bind(job.to_string())
            .fetch_optional(&self.pool)
            .await
            .unwrap();
            if let Some((event_type, payload)) = ended {
                assert_eq!(event_type, "ExportCompleted", "{payload}");
                let payload: Value = serde_json::from_str(&payload).unwrap();
                return payload["ExportCompleted"]["file"].clone();
            }
            assert!(Instant::now() < deadline, "the export has not ended");
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn download(&self, job: Uuid) -> Reply {
        let mut reads = Client::new(self.stack.address(Service::ReadApi));
        reads.set_token(Some(self.member.token.clone()));
        reads.get(&format!("/v1/exports/{job}/download")).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn buf_26_exports_are_kept_in_a_bucket_and_wait_while_it_is_away() {
    let mut stage = Stage::set().await;
    // In UTF-8 more than two parts of an upload.
    stage.write(900).await;
    let first = stage.ask("csv").await;
    let file = stage.made(first).await;
    let reply = stage.download(first).await;
    assert!(reply.is_success(), "{:?}", reply.head);
    let bytes = reply.body.len();
    assert!(bytes > 12 << 20, "{bytes} bytes are no upload of several parts");
    assert_eq!(file["checksum_sha256"], hex::encode(Sha256::digest(&reply.body)));
    assert_eq!(file["file_size_bytes"], bytes);
    let held = stage.bucket.ask("GET /agora?list-type=2&prefix=of/exports").unwrap();
    assert!(held.contains(file["file_path"].as_str().unwrap()), "{held}");
    let unfinished = stage.bucket.ask("GET /agora?uploads").unwrap();
    assert!(!unfinished.contains("<Upload>"), "{unfinished}");

    // Away: the export waits, the download says so, and both go on once it is back.
    stage.bucket.process = None;
    let second = stage.ask("json").await;
    let reply = stage.download(first).await;
    assert!(reply.is_problem() && reply.head.status == 503, "{reply:?}");
    let folder = stage.stack.folder().to_owned();
    stage.bucket.run(&folder).await;
    stage.made(second).await;
    assert!(stage.download(second).await.is_success());
    // This bucket has forgotten the file, which is not the same as an empty file.
    let reply = stage.download(first).await;
    assert!(reply.is_problem() && reply.head.status >= 500, "{reply:?}");
}
