//! What others do with the same event on the same Postgres.

use std::{
    collections::HashMap,
    io::Write,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cqrs_es::{
    Aggregate, CqrsFramework, DomainEvent, event_sink::EventSink, persist::PersistedEventStore,
};
use futures::TryStreamExt;
use postgres_es::PostgresEventRepository;
use serde::{Deserialize, Serialize};
use sqlx::{
    Executor, PgPool,
    postgres::{PgPoolCopyExt, PgPoolOptions},
};
use url::Url;
use uuid::Uuid;

use super::{Failure, event};
use crate::stack::tools;

const CLIENTS: u32 = 32;

pub(super) fn per_second(rate: f64) -> String {
    format!("{}/s", indicatif::HumanCount(rate as u64))
}

/// A table of its own in the form that postgres-es prescribes.
async fn make_table(pool: &PgPool, name: &str) -> Result<(), sqlx::Error> {
    let statements = format!(
        "CREATE SCHEMA IF NOT EXISTS bench;
         DROP TABLE IF EXISTS bench.{name};
         CREATE TABLE bench.{name} (
             aggregate_type text NOT NULL, aggregate_id text NOT NULL,
             sequence bigint NOT NULL CHECK (sequence >= 0), event_type text NOT NULL,
             event_version text NOT NULL, payload json NOT NULL, metadata json NOT NULL,
             PRIMARY KEY (aggregate_type, aggregate_id, sequence));
         CHECKPOINT"
    );
    pool.execute(statements.as_str()).await.map(|_| ())
}

async fn drop_table(pool: &PgPool, name: &str) -> Result<(), sqlx::Error> {
    pool.execute(format!("DROP TABLE bench.{name}").as_str()).await.map(|_| ())
}

/// Inserts of one row each, prepared, with a new stream's name each time.
pub(super) async fn pgbench(url: &str, pool: &PgPool, time: Duration) -> Result<f64, Failure> {
    make_table(pool, "single").await?;
    let (post, voter) = (event::id(), event::id());
    // Texts come as parameters: pgbench would take their colons for variables.
    let script = "INSERT INTO bench.single VALUES ('post_vote', :stream::text || gen_random_uuid(), 1, \
                  'PostVoteCast', '1', :payload::json, :metadata::json);";
    let url = Url::parse(url)?;
    let mut child = Command::new(tools().join("pgbench"))
        .args(["-n", "-M", "prepared", "-f", "-", "-j", "2"])
        .args(["-c", &CLIENTS.to_string(), "-T", &time.as_secs().max(1).to_string()])
        .args(["-D", &format!("stream={post}:member:")])
        .args(["-D", &format!("payload={}", event::payload(post, voter))])
        .args(["-D", &format!("metadata={}", event::metadata(voter))])
        .args(["-h", url.host_str().unwrap_or("127.0.0.1")])
        .args(["-p", &url.port().unwrap_or(5432).to_string(), "-U", url.username()])
        .arg(url.path().trim_start_matches('/'))
        .env("PGPASSWORD", url.password().unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().ok_or("pgbench has no input")?.write_all(script.as_bytes())?;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await??;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    drop_table(pool, "single").await?;
    let rate =
        text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.ok_or_else(|| format!("pgbench said: {text}").into())
}

/// The least that an aggregate of cqrs-es can be.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Vote {
    cast: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum VoteEvent {
    PostVoteCast {
        id: Uuid,
        post_id: Uuid,
        voter: HashMap<String, String>,
        vote_state: String,
        previous: String,
    },
}

impl DomainEvent for VoteEvent {
    fn event_type(&self) -> String {
        "PostVoteCast".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Vote {
    const TYPE: &'static str = "post_vote";
    type Command = VoteEvent;
    type Event = VoteEvent;
    type Error = std::convert::Infallible;
    type Services = ();

    async fn handle(
        &mut self,
        command: VoteEvent,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Self::Error> {
        sink.write(command, self).await;
        Ok(())
    }

    fn apply(&mut self, _: VoteEvent) {
        self.cast = true;
    }
}

/// `execute` in process: load, decide, store, one command a task at a time.
pub(super) async fn postgres_es(url: &str, pool: &PgPool, time: Duration) -> Result<f64, Failure> {
    make_table(pool, "postgres_es").await?;
    let own = PgPoolOptions::new().max_connections(CLIENTS).connect(url).await?;
    let repository =
        PostgresEventRepository::new(own.clone()).with_tables("bench.postgres_es", "bench.none");
    let store = PersistedEventStore::<_, Vote>::new_event_store(repository);
    let framework = Arc::new(CqrsFramework::new(store, Vec::new(), ()));
    let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (framework, done, stop) =
            (Arc::clone(&framework), Arc::clone(&done), Arc::clone(&stop));
        tasks.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let (post_id, voter) = (event::id(), event::id());
                let command = VoteEvent::PostVoteCast {
                    id: event::id(),
                    post_id,
                    voter: HashMap::from([
                        ("kind".to_owned(), "member".to_owned()),
                        ("id".to_owned(), voter.to_string()),
                    ]),
                    vote_state: "upvote".to_owned(),
                    previous: "none".to_owned(),
                };
                let metadata: HashMap<String, String> =
                    serde_json::from_str(&event::metadata(voter)).unwrap_or_default();
                let stream = format!("{post_id}:member:{voter}");
                framework
                    .execute_with_metadata(&stream, command, metadata)
                    .await
                    .map_err(|error| error.to_string())?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, String>(())
        });
    }
    tokio::time::sleep(time).await;
    let rate = done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    own.close().await;
    drop_table(pool, "postgres_es").await?;
    Ok(rate)
}

/// The whole log as text, to nowhere.
pub(super) async fn copy(pool: &PgPool) -> Result<f64, Failure> {
    let events = super::head(pool).await?;
    let mut rates = Vec::new();
    // The second finds everything in memory, as a rebuild does.
    for _ in 0..2 {
        let begun = Instant::now();
        let mut stream = pool.copy_out_raw("COPY log.events TO STDOUT").await?;
        while stream.try_next().await?.is_some() {}
        rates.push(events as f64 / begun.elapsed().as_secs_f64());
    }
    Ok(rates.into_iter().fold(0.0, f64::max))
}
