//! An event as a message: CloudEvents 1.0, NATS binding in binary mode, with the log's own headers.

use async_nats::{
    HeaderMap, HeaderName,
    jetstream::{
        ErrorCode,
        message::StreamMessage,
        stream::{LastRawMessageErrorKind, State, Stream},
    },
};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::RelayError;
use crate::{MasterKeys, Position, RecordedEvent, read::rfc3339_micros, vault::Key};

/// The names of an event's headers, made once.
pub mod header {
    use async_nats::HeaderName;

    pub static MESSAGE_ID: HeaderName = HeaderName::from_static("Nats-Msg-Id");
    pub static SPEC_VERSION: HeaderName = HeaderName::from_static("ce-specversion");
    pub static ID: HeaderName = HeaderName::from_static("ce-id");
    pub static TYPE: HeaderName = HeaderName::from_static("ce-type");
    pub static SOURCE: HeaderName = HeaderName::from_static("ce-source");
    pub static SUBJECT: HeaderName = HeaderName::from_static("ce-subject");
    pub static TIME: HeaderName = HeaderName::from_static("ce-time");
    pub static POSITION: HeaderName = HeaderName::from_static("agora-position");
    pub static EPOCH: HeaderName = HeaderName::from_static("agora-epoch");
    pub static SEQUENCE: HeaderName = HeaderName::from_static("agora-sequence");
    pub static VERSION: HeaderName = HeaderName::from_static("agora-version");
    pub static METADATA: HeaderName = HeaderName::from_static("agora-metadata");
    /// By which relays of one platform know each other's messages.
    pub static MAC: HeaderName = HeaderName::from_static("agora-mac");

    /// A header's text.
    pub fn text<'h>(headers: &'h async_nats::HeaderMap, name: &HeaderName) -> Option<&'h str> {
        headers.get(name.clone()).map(async_nats::HeaderValue::as_str)
    }
}

/// The headers of an event's message.
pub fn headers(event: &RecordedEvent, epoch: Uuid) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut put = |name: &HeaderName, value: String| headers.insert(name.clone(), value);
    put(&header::MESSAGE_ID, event.event_id.to_string());
    put(&header::SPEC_VERSION, "1.0".to_owned());
    put(&header::ID, event.event_id.to_string());
    put(&header::TYPE, event.event_type.clone());
    put(&header::SOURCE, format!("agora/log/{epoch}"));
    put(&header::SUBJECT, [&event.aggregate_type, "/", &event.aggregate_id].concat());
    put(&header::TIME, rfc3339_micros(event.recorded_at));
    put(&header::POSITION, event.position.to_string());
    put(&header::EPOCH, epoch.to_string());
    put(&header::SEQUENCE, event.sequence.to_string());
    put(&header::VERSION, event.event_version.clone());
    put(&header::METADATA, event.metadata.clone());
    headers
}

/// How many messages that are not a relay's are passed over to find the last one that is.
const LOOK_BACK: u64 = 256;

/// Says which messages a relay has published: HMAC-SHA-256 under a key that only holders of the
/// master key can derive. Who can merely publish can then neither move the relay's cursor nor make
/// it believe that the log was restored.
pub(super) struct Seal(Key);

impl Seal {
    pub(super) fn new(masters: &MasterKeys) -> Self {
        Self(masters.derive("relay"))
    }

    /// The headers of a message of our own.
    pub(super) fn headers(&self, event: &RecordedEvent, epoch: Uuid) -> HeaderMap {
        let mut headers = headers(event, epoch);
        let mac = self.mac(epoch, event.position, event.event_id).finalize().into_bytes();
        headers.insert(header::MAC.clone(), hex::encode(mac));
        headers
    }

    /// What a message says of itself, if a relay published it.
    fn read(&self, headers: &HeaderMap) -> Option<Last> {
        let text = |name| header::text(headers, name);
        let last = Last {
            epoch: text(&header::EPOCH)?.parse().ok()?,
            position: text(&header::POSITION)?.parse().ok()?,
            event_id: text(&header::ID)?.parse().ok()?,
        };
        let mac = hex::decode(text(&header::MAC)?).ok()?;
        self.mac(last.epoch, last.position, last.event_id).verify_slice(&mac).ok()?;
        Some(last)
    }

    fn mac(&self, epoch: Uuid, position: Position, event_id: Uuid) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(self.0.as_ref())
            .expect("HMAC takes keys of any length");
        // Of fixed lengths, so that nothing can be moved from one part into its neighbour.
        mac.update(epoch.as_bytes());
        mac.update(&position.to_be_bytes());
        mac.update(event_id.as_bytes());
        mac
    }
}

/// What the stream's newest messages say of how far it is.
pub(super) enum Cursor {
    Empty,
    /// The last message of a relay in the present epoch.
    At(Last),
    /// Only messages of relays in other epochs.
    OtherEpoch,
    /// Nothing that a relay of ours published.
    Foreign,
}

pub(super) struct Last {
    epoch: Uuid,
    pub position: Position,
    pub event_id: Uuid,
}

/// Looks back from the stream's last message for one of a relay's in this epoch.
pub(super) async fn cursor(
    stream: &Stream,
    state: &State,
    epoch: Uuid,
    seal: &Seal,
) -> Result<Cursor, RelayError> {
    if state.messages == 0 {
        return Ok(Cursor::Empty);
    }
    let first = state.first_sequence.max(state.last_sequence.saturating_sub(LOOK_BACK));
    let mut is_ours = false;
    for sequence in (first..=state.last_sequence).rev() {
        let Some(message) = message(stream, sequence).await? else { continue };
        match seal.read(&message.headers) {
            Some(last) if last.epoch == epoch => return Ok(Cursor::At(last)),
            Some(_) => is_ours = true,
            None => tracing::warn!(
                sequence,
                "the broker carries a message that no relay of ours published"
            ),
        }
    }
    Ok(if is_ours { Cursor::OtherEpoch } else { Cursor::Foreign })
}

/// A message by its sequence; `None` where it has expired or was deleted.
async fn message(stream: &Stream, sequence: u64) -> Result<Option<StreamMessage>, RelayError> {
    match stream.get_raw_message(sequence).await {
        Ok(message) => Ok(Some(message)),
        Err(error) => match error.kind() {
            LastRawMessageErrorKind::NoMessageFound => Ok(None),
            LastRawMessageErrorKind::JetStream(said)
                if said.error_code() == ErrorCode::NO_MESSAGE_FOUND =>
            {
                Ok(None)
            }
            _ => Err(RelayError::broker(error)),
        },
    }
}
