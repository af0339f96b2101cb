//! A message of the stream, read back as the event that it carries.

use agora_event_store::{Position, RecordedEvent, relay::header};
use async_nats::{HeaderMap, HeaderName, Message};
use chrono::DateTime;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What a message claims. Whether it is so, the log decides: see [`digest`].
#[derive(Debug)]
pub struct Claimed {
    pub event: RecordedEvent,
    /// Of the log that the message comes from.
    pub epoch: Uuid,
    /// Computed from what the message carries, never taken from it.
    pub entry_hash: [u8; 32],
}

/// Why a message is none of ours. Says which header, never what stands in it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the header {0} is missing or is not what it should be")]
    Header(&'static HeaderName),
    #[error("the body is no UTF-8 text")]
    Body,
}

impl Claimed {
    /// Reads the headers (CloudEvents 1.0, binary mode, and Agora's own) and the body.
    pub fn parse(message: &Message) -> Result<Self, Malformed> {
        let headers = message.headers.as_ref().ok_or(Malformed::Header(&header::ID))?;
        let (aggregate_type, aggregate_id) = text(headers, &header::SUBJECT)?
            .split_once('/')
            .ok_or(Malformed::Header(&header::SUBJECT))?;
        let recorded_at = DateTime::parse_from_rfc3339(text(headers, &header::TIME)?)
            .map_err(|_| Malformed::Header(&header::TIME))?
            .to_utc();
        let payload =
            std::str::from_utf8(&message.payload).map_err(|_| Malformed::Body)?.to_owned();
        let event = RecordedEvent {
            position: parsed::<Position>(headers, &header::POSITION)?,
            event_id: parsed(headers, &header::ID)?,
            aggregate_type: aggregate_type.to_owned(),
            aggregate_id: aggregate_id.to_owned(),
            sequence: parsed(headers, &header::SEQUENCE)?,
            event_type: text(headers, &header::TYPE)?.to_owned(),
            event_version: text(headers, &header::VERSION)?.to_owned(),
            payload,
            metadata: text(headers, &header::METADATA)?.to_owned(),
            recorded_at,
        };
        let epoch = parsed(headers, &header::EPOCH)?;
        let entry_hash = event.entry_hash();
        Ok(Self { event, epoch, entry_hash })
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &'static HeaderName) -> Result<&'h str, Malformed> {
    header::text(headers, name).ok_or(Malformed::Header(name))
}

fn parsed<T: std::str::FromStr>(
    headers: &HeaderMap,
    name: &'static HeaderName,
) -> Result<T, Malformed> {
    text(headers, name)?.parse().map_err(|_| Malformed::Header(name))
}

/// What the log must give as SHA-256 over the entry hashes of the same positions: one value to
/// compare for a whole batch. It covers every field of every event but its position, and that is
/// covered by the order.
pub fn digest<'m>(claimed: impl Iterator<Item = &'m Claimed>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for message in claimed {
        hash.update(message.entry_hash);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(without: &str) -> Message {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("ce-id", "018f0000-0000-7000-8000-000000000001"),
            ("ce-type", "PostDeleted"),
            ("ce-subject", "post/018f0000-0000-7000-8000-000000000002"),
            ("ce-time", "2026-11-20T12:00:00.000001Z"),
            ("agora-position", "7"),
            ("agora-epoch", "018f0000-0000-4000-8000-000000000003"),
            ("agora-sequence", "2"),
            ("agora-version", "1"),
            ("agora-metadata", "{}"),
        ] {
            if name != without {
                headers.insert(name, value);
            }
        }
        Message {
            subject: "events.post.PostDeleted".into(),
            reply: None,
            payload: r#"{"PostDeleted":{}}"#.into(),
            headers: Some(headers),
            status: None,
            description: None,
            length: 0,
        }
    }

    #[test]
    fn a_message_is_read_back_as_its_event() {
        let claimed = Claimed::parse(&message("")).unwrap();
        assert_eq!((claimed.event.position, claimed.event.sequence), (7, 2));
        assert_eq!(claimed.event.aggregate_type, "post");
        assert_eq!(claimed.entry_hash, claimed.event.entry_hash());
    }

    #[test]
    fn a_missing_header_is_named() {
        for name in [&header::ID, &header::TIME, &header::POSITION, &header::METADATA] {
            let without = message(name.as_ref());
            assert_eq!(Claimed::parse(&without).unwrap_err(), Malformed::Header(name));
        }
    }
}
