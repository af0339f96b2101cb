//! The connection to NATS and the stream that carries the events.
//!
//! The broker is a carrier, never the truth: a service starts, and goes on, while it is away.

use std::{io, time::Duration};

use async_nats::{
    Client, ConnectOptions, Event, ServerAddr,
    jetstream::{
        self,
        stream::{Config, Stream},
    },
};
use tracing::{info, warn};

use crate::config::NatsArgs;

/// How long the stream keeps an event; projectors that were away for longer read the log.
pub const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// For how long the server drops a second message of the same `Nats-Msg-Id`.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(10);

/// What keeps a service from using the broker.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    #[error("NATS_URL must look like nats://user:password@host:4222: {0}")]
    Url(io::Error),
    #[error("the file of AGORA_NATS_CREDENTIALS cannot be read: {0}")]
    Credentials(io::Error),
    #[error("NATS refuses the connection; see NATS_URL and the server's log: {0}")]
    Connect(#[from] async_nats::ConnectError),
    #[error("JetStream does not give the stream `{stream}`: {reason}")]
    Stream { stream: String, reason: String },
}

/// Connects, and reconnects for ever. Where the server is away, this returns a client that goes on
/// trying.
///
/// # Errors
/// Where the URL or the credentials cannot be used.
pub async fn connect(args: &NatsArgs, name: &str) -> Result<Client, NatsError> {
    let servers = args
        .nats_url
        .split(',')
        .map(|url| url.trim().parse::<ServerAddr>())
        .collect::<Result<Vec<_>, _>>()
        .map_err(NatsError::Url)?;
    let mut options = ConnectOptions::new();
    // async-nats takes no user from the URL by itself.
    if let Some(server) = servers.iter().find(|server| server.has_user_pass()) {
        let user = server.username().unwrap_or_default().to_owned();
        options = match server.password() {
            Some(password) => options.user_and_password(user, password.to_owned()),
            None => options.token(user),
        };
    }
    if let Some(file) = &args.nats_credentials {
        options = options.credentials_file(file).await.map_err(NatsError::Credentials)?;
    }
    let client = options
        .name(name)
        .retry_on_initial_connect()
        .max_reconnects(None)
        .reconnect_delay_callback(|attempt| {
            Duration::from_millis((25 << attempt.min(6)).min(1_000) as u64)
        })
        .event_callback(|event| async move { log(&event) })
        .connect(servers)
        .await?;
    Ok(client)
}

/// The stream of events, made or brought to its settings: file storage, 24 hours, a duplicate
/// window of ten seconds. Uses nothing that nats-server 2.9 does not know.
///
/// # Errors
/// Where JetStream is away, switched off, or refuses the settings.
pub async fn ensure_stream(
    jetstream: &jetstream::Context,
    name: &str,
    subject_prefix: &str,
    replicas: u8,
) -> Result<Stream, NatsError> {
    let failed = |reason: String| NatsError::Stream { stream: name.to_owned(), reason };
    let wanted = Config {
        name: name.to_owned(),
        subjects: vec![format!("{subject_prefix}.>")],
        max_age: MAX_AGE,
        duplicate_window: DUPLICATE_WINDOW,
        storage: jetstream::stream::StorageType::File,
        num_replicas: usize::from(replicas),
        allow_direct: true,
        ..Config::default()
    };
    let stream = jetstream
        .get_or_create_stream(wanted.clone())
        .await
        .map_err(|error| failed(error.to_string()))?;
    let is = &stream.cached_info().config;
    if is.subjects != wanted.subjects
        || is.max_age != wanted.max_age
        || is.duplicate_window != wanted.duplicate_window
        || is.num_replicas != wanted.num_replicas
    {
        jetstream.update_stream(&wanted).await.map_err(|error| failed(error.to_string()))?;
    }
    Ok(stream)
}

/// Whether the broker is there: a readiness check for services that cannot work without it.
///
/// # Errors
/// Says in words for an operator what is wrong.
pub fn ready(client: &Client) -> Result<(), String> {
    match client.connection_state() {
        async_nats::connection::State::Connected => Ok(()),
        state => Err(format!("NATS is {state}")),
    }
}

fn log(event: &Event) {
    match event {
        Event::Connected => info!("connected to NATS"),
        Event::Disconnected => warn!("lost the connection to NATS: reconnecting"),
        Event::SlowConsumer(subscription) => warn!(subscription, "a subscription reads too slowly"),
        Event::ServerError(error) => warn!(%error, "NATS says"),
        Event::ClientError(error) => warn!(%error, "NATS client says"),
        Event::LameDuckMode | Event::Draining | Event::Closed => info!(%event, "NATS"),
    }
}

#[cfg(test)]
mod tests;
