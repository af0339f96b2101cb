//! Tells people by mail of a version of the privacy policy when it is published (E28, PPV-12): whoever
//! accepted a version before it, or consented to something under one.
//!
//! A publication gives one wake-up. Its turn gives one to each person, and one that closes: once nobody
//! waits to be told any more, the version is marked as told of. A person's wake-up has the person's id as
//! its key, so that a later version, published before the notice left, takes its place; a mail server that
//! refuses one delays that one.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Reaction, WakeUp};

pub const NAME: &str = "policy_notices";

/// The events that it reacts to.
pub const EVENT_TYPES: &[&str] = &["PolicyPublished"];

/// A notice is given up after so long, and a process that begins on an old log tells nobody of the past.
pub const KEPT_TRYING: TimeDelta = TimeDelta::days(3);

/// What it does for a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Find out who is to be told.
    Begin,
    /// Tell one person: a member, or an admin.
    Tell { person: Uuid },
    /// Mark the version as told of, once all are.
    Close,
}

/// The key of what closes a publication's notices.
pub fn closing_key(event_id: Uuid) -> Uuid {
    Uuid::new_v5(&event_id, b"policy-notices-close")
}

/// The id of the mail to a person.
pub fn mail_id(event_id: Uuid, person: Uuid) -> Uuid {
    Uuid::new_v5(&event_id, person.as_bytes())
}

/// What follows from a publication.
pub fn on_event(event_id: Uuid, recorded_at: DateTime<Utc>) -> Vec<Reaction<Notice>> {
    vec![Reaction::WakeUp(WakeUp { key: event_id, at: recorded_at, cause: event_id })]
}

/// What follows when a notice's turn has come.
pub fn on_wake_up(WakeUp { key, cause, .. }: WakeUp) -> Vec<Reaction<Notice>> {
    let command = if key == cause {
        Notice::Begin
    } else if key == closing_key(cause) {
        Notice::Close
    } else {
        Notice::Tell { person: key }
    };
    vec![Reaction::Send { command, cause }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ppv_12_a_publication_is_told_to_each_and_closed() {
        let (event_id, person) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let at = DateTime::from_timestamp(1_000, 0).unwrap();
        let begin = WakeUp { key: event_id, at, cause: event_id };
        assert_eq!(on_event(event_id, at), [Reaction::WakeUp(begin)]);
        for (key, command) in [
            (event_id, Notice::Begin),
            (person, Notice::Tell { person }),
            (closing_key(event_id), Notice::Close),
        ] {
            let sent = on_wake_up(WakeUp { key, at, cause: event_id });
            assert_eq!(sent, [Reaction::Send { command, cause: event_id }]);
        }
        assert_ne!(mail_id(event_id, person), mail_id(person, event_id));
    }
}
