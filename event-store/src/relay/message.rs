//! An event as a message: CloudEvents 1.0, NATS binding in binary mode, with the log's own headers.

use async_nats::{
    HeaderMap,
    jetstream::{
        ErrorCode,
        stream::{LastRawMessageErrorKind, State, Stream},
    },
};
use uuid::Uuid;

use super::RelayError;
use crate::{Position, RecordedEvent, read::rfc3339_micros};

/// The headers of an event's message.
pub fn headers(event: &RecordedEvent, epoch: Uuid) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let id = event.event_id.to_string();
    headers.insert("Nats-Msg-Id", id.as_str());
    headers.insert("ce-specversion", "1.0");
    headers.insert("ce-id", id);
    headers.insert("ce-type", event.event_type.as_str());
    headers.insert("ce-source", format!("agora/log/{epoch}"));
    headers.insert("ce-subject", format!("{}/{}", event.aggregate_type, event.aggregate_id));
    headers.insert("ce-time", rfc3339_micros(event.recorded_at));
    headers.insert("agora-position", event.position.to_string());
    headers.insert("agora-epoch", epoch.to_string());
    headers.insert("agora-sequence", event.sequence.to_string());
    headers.insert("agora-version", event.event_version.as_str());
    headers.insert("agora-metadata", event.metadata.as_str());
    headers.insert("agora-entry-hash", hex::encode(event.entry_hash()));
    headers
}

/// What the stream's last message says of itself.
pub(super) enum Cursor {
    Empty,
    At(Last),
    /// Not a message of a relay: somebody published by hand.
    Foreign,
}

pub(super) struct Last {
    pub epoch: Uuid,
    pub position: Position,
    pub event_id: Uuid,
}

pub(super) async fn cursor(stream: &Stream, state: &State) -> Result<Cursor, RelayError> {
    if state.messages == 0 {
        return Ok(Cursor::Empty);
    }
    let message = match stream.get_raw_message(state.last_sequence).await {
        Ok(message) => message,
        // It expired between the two requests.
        Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => {
            return Ok(Cursor::Empty);
        }
        Err(error) => {
            let gone = matches!(
                error.kind(),
                LastRawMessageErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::NO_MESSAGE_FOUND
            );
            return if gone { Ok(Cursor::Empty) } else { Err(RelayError::broker(error)) };
        }
    };
    let text = |name: &str| message.headers.get(name).map(|value| value.as_str());
    let last = || {
        Some(Last {
            epoch: text("agora-epoch")?.parse().ok()?,
            position: text("agora-position")?.parse().ok()?,
            event_id: text("ce-id")?.parse().ok()?,
        })
    };
    Ok(last().map_or(Cursor::Foreign, Cursor::At))
}
