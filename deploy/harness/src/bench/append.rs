//! The append path in process, beside a plain batched insert that only numbers its rows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use agora_event_store::{
    Appended, EventLog, Guard, LogConfig, MasterKeys, StreamName, Unit, Vault, migrate,
    unit::NewEvent,
};
use sqlx::{Connection, Executor, PgConnection, PgPool};
use url::Url;

use super::{Failure, event};

const BATCH: usize = 256;
const TASKS: usize = 256;

/// A database of its own on the same server, so that nothing measured here reaches the live log.
pub(super) struct Scratch {
    server: String,
    name: &'static str,
    pub(super) url: String,
}

impl Scratch {
    pub(super) async fn create(server: &str, name: &'static str) -> Result<Self, Failure> {
        let mut url = Url::parse(server)?;
        url.set_path(name);
        let this = Self { server: server.to_owned(), name, url: url.into() };
        this.drop().await?;
        let mut connection = PgConnection::connect(server).await?;
        connection.execute(format!("CREATE DATABASE {name}").as_str()).await?;
        migrate::database(&this.url).await?;
        migrate::vault(&this.url).await?;
        Ok(this)
    }

    pub(super) async fn drop(&self) -> Result<(), Failure> {
        let mut connection = PgConnection::connect(&self.server).await?;
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        connection.execute(drop.as_str()).await?;
        Ok(())
    }

    pub(super) async fn log(&self) -> Result<EventLog, Failure> {
        let masters = MasterKeys::parse(&format!("bench:{}", "07".repeat(32)))
            .ok_or("the master key is well formed")?;
        let vault = Vault::new(PgPool::connect_lazy(&self.url)?, masters);
        Ok(EventLog::open(LogConfig::new(self.url.parse()?, vault)).await?)
    }
}

/// Rows of the same shape, numbered in order by the insert itself, without any check or hash.
pub(super) async fn plain(server: &str, time: Duration) -> Result<f64, Failure> {
    let scratch = Scratch::create(server, "agora_bench_plain").await?;
    let mut connection = PgConnection::connect(&scratch.url).await?;
    connection
        .execute("CREATE TABLE plain_events (LIKE log.events INCLUDING ALL); CHECKPOINT")
        .await?;
    let (mut written, begun) = (0, Instant::now());
    while begun.elapsed() < time {
        let events: Vec<NewEvent> = (0..BATCH).map(|_| event::vote()).collect();
        sqlx::query(
            "INSERT INTO plain_events
             SELECT (SELECT coalesce(max(position), 0) FROM plain_events) + u.ordinal,
                    u.event_id, u.aggregate_type, u.aggregate_id, u.sequence, u.event_type,
                    u.event_version, u.payload::json, u.metadata::json, clock_timestamp(),
                    decode(repeat('07', 32), 'hex')
             FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[],
                         $7::text[], $8::text[])
                  WITH ORDINALITY AS u(event_id, aggregate_type, aggregate_id, sequence, event_type,
                                       event_version, payload, metadata, ordinal)",
        )
        .bind(events.iter().map(|event| event.event_id).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.stream.aggregate_type).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.stream.aggregate_id.as_ref()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.sequence as i64).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.event_type).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.event_version).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.payload.as_str()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.metadata.as_str()).collect::<Vec<_>>())
        .execute(&mut connection)
        .await?;
        written += BATCH;
    }
    let rate = written as f64 / begun.elapsed().as_secs_f64();
    drop(connection);
    scratch.drop().await?;
    Ok(rate)
}

/// Units of one event and four guards, so many in flight, in a log that holds so many events.
pub(super) async fn rate(server: &str, preload: u64, time: Duration) -> Result<f64, Failure> {
    let scratch = Scratch::create(server, "agora_bench_append").await?;
    if preload > 0 {
        fill(&scratch.url, preload).await?;
    }
    PgConnection::connect(&scratch.url).await?.execute("CHECKPOINT").await?;
    let rate = append(&scratch.log().await?, time).await?;
    scratch.drop().await?;
    Ok(rate)
}

pub(super) async fn append(log: &EventLog, time: Duration) -> Result<f64, Failure> {
    let (written, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let (log, written, stop) = (log.clone(), Arc::clone(&written), Arc::clone(&stop));
        tasks.spawn(async move {
            let guards = [(); 4].map(|()| StreamName::new("post", event::id().to_string()).key());
            while !stop.load(Ordering::Relaxed) {
                let known = *log.head().borrow();
                let guards = guards.iter().map(|key| Guard { key: *key, known }).collect();
                let unit = Unit { events: vec![event::vote()], guards, ..Unit::default() };
                if !matches!(log.append(unit).await, Ok(Appended::Now(_))) {
                    return Err("a new vote was not appended");
                }
                written.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
    }
    tokio::time::sleep(time).await;
    let rate = written.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(rate)
}

/// Votes made inside Postgres, so that millions take a minute.
pub(super) async fn fill(url: &str, events: u64) -> Result<(), Failure> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query(
        "INSERT INTO log.events
         SELECT h.position + n, gen_random_uuid(), 'post_vote', p.id || ':member:' || v.id, 1, 'PostVoteCast', '1',
                json_build_object('PostVoteCast', json_build_object('id', v.id, 'post_id', p.id,
                    'voter', json_build_object('kind', 'member', 'id', v.id),
                    'vote_state', 'upvote', 'previous', 'none')),
                json_build_object('actor', 'member:' || v.id, 'command', v.id,
                    'command_name', 'cast-vote', 'session', v.id, 'ip', $2::text),
                clock_timestamp(), decode(repeat('07', 32), 'hex')
         FROM generate_series(1, $1) n
         CROSS JOIN (SELECT coalesce(max(position), 0) AS position FROM log.events) h
         CROSS JOIN LATERAL (SELECT md5((n % 1000)::text)::uuid AS id) p
         CROSS JOIN LATERAL (SELECT gen_random_uuid() AS id, n AS row_number) v",
    )
    .bind(i64::try_from(events)?)
    .bind(event::sealed(event::id()))
    .execute(&mut connection)
    .await?;
    connection.execute("VACUUM (ANALYZE) log.events").await?;
    Ok(())
}
