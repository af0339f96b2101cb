//! Somebody without an account (E06): nothing is known of it but that it came back.
//!
//! Life cycle: first seen → active any number of times → forgotten, which is the end (GST-05). What a
//! guest holds is a signature of 256 random bits; here stands its digest alone, which lets nobody in.
//! That a signature leads to one guest is a claim of the log, taken by the unit that sees the guest
//! first and released by the one that forgets it (GST-03). No event holds personal data (GST-01).
//!
//! A guest may come every second, so activity is written once in [`ACTIVITY_RESOLUTION`], and only the
//! last event of a stream is ever loaded.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::GuestId,
    refusal::{Refusal, RefusalKind},
};

/// Activity is noted again after so long (GST-04).
pub const ACTIVITY_RESOLUTION: TimeDelta = TimeDelta::hours(1);

/// What may be told of a guest's signature: SHA-256 of it, in base64url. Unique like the signature
/// itself, and of no use to whoever reads it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignatureDigest(Box<str>);

impl SignatureDigest {
    pub fn of_sha256(base64url: impl Into<Box<str>>) -> Self {
        Self(base64url.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SignatureDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A guest as the log tells it. `Default` is the guest that nobody has seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Guest {
    standing: Option<Standing>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Standing {
    Active { last_active_at: DateTime<Utc> },
    Forgotten,
}

impl Guest {
    pub fn exists(&self) -> bool {
        self.standing.is_some()
    }

    /// Whether it may act: seen, and not forgotten (GST-05).
    pub fn is_active(&self) -> bool {
        matches!(self.standing, Some(Standing::Active { .. }))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum GuestCommand {
    See(SeeGuest),
    NoteActivity(NoteActivity),
    Forget(ForgetGuest),
}

/// Sees a guest for the first time.
#[derive(Clone, Debug, PartialEq)]
pub struct SeeGuest {
    pub guest_id: GuestId,
    /// Nothing for a guest that cannot come back (GST-03).
    pub session_signature: Option<SignatureDigest>,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NoteActivity {
    pub guest_id: GuestId,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ForgetGuest {
    pub guest_id: GuestId,
    /// The guest itself, an admin, or the platform.
    pub forgotten_by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum GuestEvent {
    GuestFirstSeen {
        guest_id: GuestId,
        session_signature: Option<SignatureDigest>,
        first_seen_at: DateTime<Utc>,
    },
    GuestActive {
        guest_id: GuestId,
        last_active_at: DateTime<Utc>,
    },
    GuestForgotten {
        guest_id: GuestId,
        forgotten_by: Actor,
    },
}

domain_event!(GuestEvent {
    GuestFirstSeen => "1",
    GuestActive => "1",
    GuestForgotten => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GuestError {
    #[error("there is already a guest of this id")]
    AlreadyExists,
    #[error("there is no such guest")]
    NotFound,
    #[error("the guest was forgotten: come as a new one")]
    Forgotten,
}

impl Refusal for GuestError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists | Self::NotFound => "REL-10",
            Self::Forgotten => "GST-05",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyExists => RefusalKind::Conflict,
            Self::NotFound => RefusalKind::NotFound,
            Self::Forgotten => RefusalKind::Unauthenticated,
        }
    }
}

aggregate!(Guest, "guest", GuestCommand, GuestEvent, GuestError);

impl Decide for Guest {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(&self, command: GuestCommand) -> Result<Vec<GuestEvent>, GuestError> {
        match command {
            GuestCommand::See(command) => see(self, command),
            GuestCommand::NoteActivity(command) => note_activity(self, command),
            GuestCommand::Forget(command) => forget(self, command),
        }
    }
}

fn see(guest: &Guest, command: SeeGuest) -> Result<Vec<GuestEvent>, GuestError> {
    if guest.exists() {
        return Err(GuestError::AlreadyExists);
    }
    Ok(vec![GuestEvent::GuestFirstSeen {
        guest_id: command.guest_id,
        session_signature: command.session_signature,
        first_seen_at: command.now,
    }])
}

fn note_activity(guest: &Guest, command: NoteActivity) -> Result<Vec<GuestEvent>, GuestError> {
    match guest.standing {
        None => Err(GuestError::NotFound),
        Some(Standing::Forgotten) => Err(GuestError::Forgotten),
        Some(Standing::Active { last_active_at })
            if command.now - last_active_at < ACTIVITY_RESOLUTION =>
        {
            Ok(Vec::new())
        }
        Some(Standing::Active { .. }) => Ok(vec![GuestEvent::GuestActive {
            guest_id: command.guest_id,
            last_active_at: command.now,
        }]),
    }
}

fn forget(guest: &Guest, command: ForgetGuest) -> Result<Vec<GuestEvent>, GuestError> {
    match guest.standing {
        None => Err(GuestError::NotFound),
        Some(Standing::Forgotten) => Ok(Vec::new()),
        Some(Standing::Active { .. }) => Ok(vec![GuestEvent::GuestForgotten {
            guest_id: command.guest_id,
            forgotten_by: command.forgotten_by,
        }]),
    }
}

impl Guest {
    fn apply(&mut self, event: GuestEvent) {
        self.standing = Some(match event {
            GuestEvent::GuestFirstSeen { first_seen_at: last_active_at, .. }
            | GuestEvent::GuestActive { last_active_at, .. } => Standing::Active { last_active_at },
            GuestEvent::GuestForgotten { .. } => Standing::Forgotten,
        });
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const GUEST: GuestId = GuestId(Uuid::from_u128(1));

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn seen(now: DateTime<Utc>) -> Guest {
        let session_signature = Some(SignatureDigest::of_sha256("digest"));
        then(
            Guest::default(),
            GuestCommand::See(SeeGuest { guest_id: GUEST, session_signature, now }),
        )
    }

    fn then(mut guest: Guest, command: GuestCommand) -> Guest {
        for event in guest.decide(command).unwrap() {
            cqrs_es::Aggregate::apply(&mut guest, event);
        }
        guest
    }

    fn active(now: DateTime<Utc>) -> GuestCommand {
        GuestCommand::NoteActivity(NoteActivity { guest_id: GUEST, now })
    }

    fn forget() -> GuestCommand {
        let forgotten_by = Actor::guest(GUEST);
        GuestCommand::Forget(ForgetGuest { guest_id: GUEST, forgotten_by })
    }

    #[test]
    fn gst_04_a_chatty_guest_is_noted_once_an_hour() {
        let mut guest = seen(at(0));
        let mut events = 0;
        for second in (0..=7_200).step_by(60) {
            let command = active(at(second));
            events += guest.decide(command.clone()).unwrap().len();
            guest = then(guest, command);
        }
        assert_eq!(events, 2);
        assert!(guest.is_active());
        // A clock that went back notes nothing.
        assert_eq!(guest.decide(active(at(0))), Ok(vec![]));
    }

    #[test]
    fn gst_05_a_forgotten_guest_does_nothing_and_stays_forgotten() {
        let guest = then(seen(at(0)), forget());
        assert!(guest.exists() && !guest.is_active());
        assert_eq!(guest.decide(active(at(9_000))), Err(GuestError::Forgotten));
        assert_eq!(guest.decide(forget()), Ok(vec![]));
        let again = SeeGuest { guest_id: GUEST, session_signature: None, now: at(1) };
        assert_eq!(guest.decide(GuestCommand::See(again)), Err(GuestError::AlreadyExists));
    }

    #[test]
    fn gst_03_a_guest_may_be_without_a_signature() {
        let see = SeeGuest { guest_id: GUEST, session_signature: None, now: at(0) };
        assert!(then(Guest::default(), GuestCommand::See(see)).is_active());
    }

    #[test]
    fn a_guest_that_nobody_saw_is_neither_active_nor_forgotten() {
        let nobody = Guest::default();
        assert_eq!(nobody.decide(active(at(0))), Err(GuestError::NotFound));
        assert_eq!(nobody.decide(forget()), Err(GuestError::NotFound));
    }
}
