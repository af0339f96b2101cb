//! JetStream by itself, and the relay in front of it.

use std::time::{Duration, Instant};

use agora_event_store::{
    EventLog, Unit,
    relay::{self, RelayConfig},
};
use async_nats::{
    Client,
    jetstream::{self, stream},
};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    Arguments, Failure,
    append::{self, Scratch},
    event,
};

const IN_FLIGHT: usize = 1_024;

async fn connect(url: &str) -> Result<Client, Failure> {
    let parsed = Url::parse(url)?;
    let options = match parsed.password() {
        Some(password) => async_nats::ConnectOptions::new()
            .user_and_password(parsed.username().to_owned(), password.to_owned()),
        None => async_nats::ConnectOptions::new(),
    };
    let host = parsed.host_str().ok_or("NATS_URL names no host")?;
    Ok(options.connect(format!("{host}:{}", parsed.port().unwrap_or(4222))).await?)
}

/// A stream with the settings of `EVENTS`.
async fn make_stream(jetstream: &jetstream::Context, name: &str) -> Result<(), Failure> {
    // It is not there unless an earlier run was broken off.
    let _ = jetstream.delete_stream(name).await;
    let config = stream::Config {
        name: name.to_owned(),
        subjects: vec![format!("{name}.>")],
        max_age: Duration::from_secs(24 * 3_600),
        duplicate_window: Duration::from_secs(120),
        allow_direct: true,
        ..stream::Config::default()
    };
    jetstream.create_stream(config).await?;
    Ok(())
}

/// The same message with the same headers, as fast as the client can with so many unacknowledged.
pub(super) async fn publish(url: &str, time: Duration) -> Result<f64, Failure> {
    const STREAM: &str = "AGORA_BENCH_PUBLISH";
    let mut jetstream = jetstream::new(connect(url).await?);
    jetstream.set_timeout(Duration::from_secs(30));
    make_stream(&jetstream, STREAM).await?;
    let (mut acknowledged, mut flying) = (0_u64, FuturesUnordered::new());
    let begun = Instant::now();
    while begun.elapsed() < time {
        while flying.len() < IN_FLIGHT {
            let vote = event::vote();
            let recorded = agora_event_store::RecordedEvent {
                position: acknowledged + flying.len() as u64 + 1,
                event_id: vote.event_id,
                aggregate_type: vote.stream.aggregate_type.to_owned(),
                aggregate_id: vote.stream.aggregate_id.to_string(),
                sequence: 1,
                event_type: vote.event_type.to_owned(),
                event_version: vote.event_version.to_owned(),
                payload: vote.payload,
                metadata: vote.metadata,
                recorded_at: chrono::DateTime::UNIX_EPOCH,
            };
            let headers = relay::headers(&recorded, vote.event_id);
            let subject = format!("{STREAM}.post_vote.PostVoteCast");
            let sent =
                jetstream.publish_with_headers(subject, headers, recorded.payload.into()).await?;
            flying.push(sent.into_future());
        }
        if let Some(done) = flying.next().await {
            done?;
            acknowledged += 1;
        }
    }
    let rate = acknowledged as f64 / begun.elapsed().as_secs_f64();
    while let Some(done) = flying.next().await {
        done?;
    }
    jetstream.delete_stream(STREAM).await?;
    Ok(rate)
}

/// The relay with a log that is far ahead of the stream, in process.
pub(super) async fn relay(arguments: &Arguments, time: Duration) -> Result<f64, Failure> {
    const STREAM: &str = "AGORA_BENCH_RELAY";
    let scratch = Scratch::create(&arguments.database_url, "agora_bench_relay").await?;
    let client = connect(&arguments.nats_url).await?;
    let jetstream = jetstream::new(client.clone());
    make_stream(&jetstream, STREAM).await?;
    let config = RelayConfig {
        connect: scratch.url.parse()?,
        client,
        stream: STREAM.to_owned(),
        subject_prefix: STREAM.to_owned(),
    };
    // An empty stream would begin at the head, and a relay believes only a relay's messages.
    let log = scratch.log().await?;
    let before = carry(log.clone(), &config, &jetstream, time, async |log, carried| {
        if carried == 0 {
            let unit = Unit { events: vec![event::vote()], ..Unit::default() };
            log.append(unit).await?;
        }
        Ok(carried > 0)
    })
    .await?;
    let filled = time.as_secs() * 60_000;
    append::fill(&scratch.url, filled).await?;
    let begun = Instant::now();
    // What was appended before the relay had begun is not in the stream.
    let enough = async |_: &EventLog, carried| Ok(carried >= before + filled);
    let carried =
        carry(scratch.log().await?, &config, &jetstream, time * 4, enough).await? - before;
    let rate = carried as f64 / begun.elapsed().as_secs_f64();
    jetstream.delete_stream(STREAM).await?;
    scratch.drop().await?;
    Ok(rate)
}

/// Runs a relay until so much is carried, or the time is over; says how much the stream holds.
async fn carry(
    log: EventLog,
    config: &RelayConfig,
    jetstream: &jetstream::Context,
    time: Duration,
    enough: impl AsyncFn(&EventLog, u64) -> Result<bool, Failure>,
) -> Result<u64, Failure> {
    let stop = CancellationToken::new();
    let ready = || std::future::ready(Ok::<(), String>(()));
    let relaying = tokio::spawn(relay::run(log.clone(), config.clone(), ready, stop.clone()));
    let begun = Instant::now();
    let carried = loop {
        let carried = jetstream.get_stream(&config.stream).await?.cached_info().state.messages;
        if enough(&log, carried).await? || begun.elapsed() > time {
            break carried;
        }
        sleep(Duration::from_millis(20)).await;
    };
    stop.cancel();
    relaying.await?;
    Ok(carried)
}
