//! Process managers that are killed or paused while they make files (BUF-26).

use std::{collections::BTreeMap, path::Path, time::Duration};

use agora_harness::{
    agora::{Commands, Session},
    scene,
    stack::{Service, Shape, Stack},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::{Connection, Executor, PgConnection, PgPool};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(90);

struct Stage {
    stack: Stack,
    pool: PgPool,
    members: Vec<Session>,
    asked: Vec<Uuid>,
}

impl Stage {
    async fn set(members: usize) -> Self {
        let shape = Shape { process_managers: 2, ..Shape::default() };
        let stack = Stack::start(shape).await.expect("the stack starts");
        let pool = stack.pool().await.expect("the log can be read");
        let scene = scene::set(&stack.as_scene(), &scene::run_suffix(), members, 400).await;
        let members = scene.expect("members and posts are made").voters;
        Self { stack, pool, members, asked: Vec::new() }
    }

    async fn ask(&mut self, member: usize, export_type: &str, format: &str) -> Uuid {
        let mut commands = Commands::new(self.stack.address(Service::CommandApi));
        commands.act_as(&self.members[member]);
        let body = json!({ "kind": "platform_data", "export_type": export_type, "format": format });
        let accepted = commands.send("request-export", &body).await.expect("it is asked for");
        self.asked.push(accepted.aggregate_id);
        accepted.aggregate_id
    }

    /// Lets no worker read posts until it is dropped.
    async fn hold(&self) -> PgConnection {
        let mut held =
            PgConnection::connect(&self.stack.postgres.owner_url("agora")).await.unwrap();
        held.execute("BEGIN; LOCK TABLE read.post_scores IN ACCESS EXCLUSIVE MODE").await.unwrap();
        held
    }

    async fn count(&self, job: Uuid, event_type: &str) -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM log.stream('export_job', $1) WHERE event_type = $2",
        )
        .bind(job.to_string())
        .bind(event_type)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await {
            assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Each export was begun once and completed once, and there is one file of each: the one that
    /// the log names.
    async fn all_are_made_once(&self) {
        for job in &self.asked {
            self.until("the export ends", async || self.count(*job, "ExportCompleted").await > 0)
                .await;
        }
        self.until("the queue is empty", async || {
            let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM process.export_jobs")
                .fetch_one(&self.pool)
                .await
                .unwrap();
            waiting == 0
        })
        .await;
        for job in &self.asked {
            let story: Vec<String> = sqlx::query_scalar(
                "SELECT event_type FROM log.stream('export_job', $1) ORDER BY sequence",
            )
            .bind(job.to_string())
            .fetch_all(&self.pool)
            .await
            .unwrap();
            assert_eq!(story, ["ExportRequested", "ExportStarted", "ExportCompleted"]);
            let payload: String = sqlx::query_scalar(
                "SELECT payload::text FROM log.stream('export_job', $1)
                 WHERE event_type = 'ExportCompleted'",
            )
            .bind(job.to_string())
            .fetch_one(&self.pool)
            .await
            .unwrap();
            let payload: Value = serde_json::from_str(&payload).unwrap();
            let file = &payload["ExportCompleted"]["file"];
            let path =
                self.stack.folder().join("objects").join(file["file_path"].as_str().unwrap());
            let bytes = std::fs::read(&path).expect("the file is there");
            assert_eq!(hex::encode(Sha256::digest(&bytes)), file["checksum_sha256"]);
            assert_eq!(bytes.len() as u64, file["file_size_bytes"]);
            let beside = names(path.parent().unwrap());
            assert_eq!(beside, [file["file_name"].as_str().unwrap()]);
        }
    }

    /// How many exports each process manager has completed, by its log's name.
    fn shares(&self) -> BTreeMap<String, usize> {
        let logs = self.stack.logs().into_iter();
        let of_managers = logs.filter(|(name, _)| name.starts_with("process-managers"));
        of_managers.map(|(name, log)| (name, log.matches("an export is made").count())).collect()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn buf_26_process_managers_killed_while_they_make_files() {
    let mut stage = Stage::set(5).await;
    let managers = stage.stack.of(Service::ProcessManagers);
    for round in 0..5 {
        for (export_type, format) in [("posts", "csv"), ("posts", "json"), ("communities", "json")]
        {
            stage.ask(round, export_type, format).await;
        }
        let killed = managers[round % 2];
        sleep(Duration::from_millis(150 * round as u64)).await;
        stage.stack.kill(killed);
        sleep(Duration::from_millis(200)).await;
        stage.stack.run(killed).expect("it starts again");
    }
    stage.stack.ready().await.expect("they are ready again");
    // A worker that is still at one of these would wait for the lock below, too.
    stage.all_are_made_once().await;
    // Both at once, in the middle of a file.
    let held = stage.hold().await;
    let job = stage.ask(0, "posts", "csv").await;
    stage.until("it is begun", async || stage.count(job, "ExportStarted").await > 0).await;
    for manager in &managers {
        stage.stack.kill(*manager);
    }
    held.close().await.unwrap();
    for manager in &managers {
        stage.stack.run(*manager).expect("it starts again");
    }
    stage.stack.ready().await.expect("they are ready again");
    stage.all_are_made_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buf_26_two_process_managers_share_and_one_that_was_paused_spoils_nothing() {
    let mut stage = Stage::set(5).await;
    let held = stage.hold().await;
    for member in 0..5 {
        for format in ["csv", "json"] {
            stage.ask(member, "posts", format).await;
        }
    }
    let begun = async |stage: &Stage| {
        let mut begun = 0;
        for job in &stage.asked {
            begun += stage.count(*job, "ExportStarted").await;
        }
        begun
    };
    stage.until("each has one", async || begun(&stage).await == 2).await;
    let paused = stage.stack.of(Service::ProcessManagers)[0];
    stage.stack.signal(paused, "STOP");
    held.close().await.unwrap();
    // The other makes all of them, once the lease of the first is over.
    for job in stage.asked.clone() {
        stage.until("it is made", async || stage.count(job, "ExportCompleted").await > 0).await;
    }
    stage.stack.signal(paused, "CONT");
    sleep(Duration::from_secs(2)).await;
    stage.all_are_made_once().await;
    for format in ["csv", "json"] {
        for member in 0..5 {
            stage.ask(member, "communities", format).await;
        }
    }
    stage.all_are_made_once().await;
    let shares = stage.shares();
    assert!(shares.len() == 2 && shares.values().all(|share| *share > 0), "{shares:?}");
}
