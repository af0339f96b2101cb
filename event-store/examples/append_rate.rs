//! How fast the append path is beside a plain batched ordered insert of the same rows.
//!
//! `DATABASE_URL=… cargo run --release --example append_rate [seconds] [tasks]` on a database that
//! `ledger migrate` made and that holds nothing of worth: what is measured stays in its log.

use std::{
    error::Error,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use agora_event_store::{
    Appended, EventLog, Guard, LogConfig, MasterKeys, StreamName, Unit, Vault, migrate,
    unit::NewEvent,
};
use sqlx::{Connection, Executor, PgConnection, PgPool};
use uuid::Uuid;

type Failure = Box<dyn Error + Send + Sync>;

const BATCH: usize = 256;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let tasks = arguments.next().map_or(Ok(256), |text| text.parse())?;
    let time = Duration::from_secs(seconds);
    let url = std::env::var("DATABASE_URL")?;
    migrate::database(&url).await?;
    migrate::vault(&url).await?;

    let baseline = plain_inserts(&url, time).await?;
    say(&format!("plain batched inserts, {BATCH} rows a batch: {baseline:.0} events/s"))?;
    let rate = appends(&url, time, tasks).await?;
    say(&format!("append path, {tasks} units in flight: {rate:.0} events/s"))?;
    say(&format!("ratio: {:.2}", rate / baseline))
}

/// Rows of the same shape, numbered in order by the insert itself, without any check or hash.
async fn plain_inserts(url: &str, time: Duration) -> Result<f64, Failure> {
    let mut connection = PgConnection::connect(url).await?;
    connection
        .execute(
            "DROP TABLE IF EXISTS public.plain_events;
             CREATE TABLE public.plain_events (LIKE log.events INCLUDING ALL)",
        )
        .await?;
    let mut written = 0;
    let begun = Instant::now();
    while begun.elapsed() < time {
        let events: Vec<NewEvent> = (0..BATCH).map(|_| vote()).collect();
        sqlx::query(
            "INSERT INTO public.plain_events
             SELECT (SELECT coalesce(max(position), 0) FROM public.plain_events) + u.ordinal,
                    u.event_id, u.aggregate_type, u.aggregate_id, u.sequence, u.event_type,
                    u.event_version, u.payload::json, u.metadata::json, clock_timestamp(),
                    '\\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'
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
    Ok(written as f64 / begun.elapsed().as_secs_f64())
}

async fn appends(url: &str, time: Duration, tasks: usize) -> Result<f64, Failure> {
    let masters = MasterKeys::parse(&format!("bench:{}", "07".repeat(32)))
        .ok_or("the master key is well formed")?;
    let vault = Vault::new(PgPool::connect_lazy(url)?, masters);
    let log = EventLog::open(LogConfig::new(url.parse()?, vault)).await?;
    let (written, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let begun = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let (log, written, stop) = (log.clone(), Arc::clone(&written), Arc::clone(&stop));
            tokio::spawn(async move {
                let guards = [(); 4].map(|()| StreamName::new("post", id().to_string()).key());
                while !stop.load(Ordering::Relaxed) {
                    let known = *log.head().borrow();
                    let guards = guards.iter().map(|key| Guard { key: *key, known }).collect();
                    let unit = Unit { events: vec![vote()], guards, ..Unit::default() };
                    if !matches!(log.append(unit).await?, Appended::Now(_)) {
                        return Err("a new vote was not appended".into());
                    }
                    written.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, Failure>(())
            })
        })
        .collect();
    tokio::time::sleep(time).await;
    let rate = written.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    for task in running {
        task.await??;
    }
    Ok(rate)
}

/// A vote as `cast-vote` writes it, on one of a thousand posts, with an address that looks sealed.
fn vote() -> NewEvent {
    static POSTS: LazyLock<Vec<Uuid>> = LazyLock::new(|| (0..1_000).map(|_| id()).collect());
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let voter = id();
    let post = POSTS[NEXT.fetch_add(373, Ordering::Relaxed) % POSTS.len()];
    NewEvent {
        event_id: id(),
        stream: StreamName::new("post_vote", format!("{post}:member:{voter}")),
        sequence: 1,
        event_type: "PostVoteCast",
        event_version: "1",
        payload: format!(
            r#"{{"PostVoteCast":{{"id":"{}","post_id":"{post}","voter":{{"kind":"member","id":"{voter}"}},"vote_state":"upvote","previous":"none"}}}}"#,
            id()
        ),
        metadata: format!(
            r#"{{"actor":"member:{voter}","command":"{}","command_name":"cast-vote","session":"{}","ip":"sealed:v1:network:{voter}:1:{}:{}"}}"#,
            id(),
            id(),
            "A".repeat(91),
            "A".repeat(43)
        ),
    }
}

fn id() -> Uuid {
    #[expect(clippy::disallowed_methods, reason = "a measurement, not a decision")]
    Uuid::now_v7()
}

fn say(text: &str) -> Result<(), Failure> {
    use std::io::Write;
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
