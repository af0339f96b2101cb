//! Ends sessions whose time is over (SES-05, SES-10).
//!
//! An expired session is refused anyway; this makes the end a fact in the log, takes the session
//! from its principal's list and frees its token's claim.

use uuid::Uuid;

use super::{Reaction, WakeUp};
use crate::{identity::session::SessionEvent, ids::SessionId};

pub const NAME: &str = "session_expiry";

/// The events that it reacts to.
pub const EVENT_TYPES: &[&str] = &["SessionIssued", "SessionRevoked"];

/// The command that it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpireSession {
    pub session_id: SessionId,
}

/// What follows from an event of a session's stream.
pub fn on_event(
    event_id: Uuid,
    session_id: SessionId,
    event: &SessionEvent,
) -> Vec<Reaction<ExpireSession>> {
    let key = session_id.0;
    vec![match event {
        SessionEvent::SessionIssued { expires_at, .. } => {
            Reaction::WakeUp(WakeUp { key, at: *expires_at, cause: event_id })
        }
        SessionEvent::SessionRevoked { .. } => Reaction::Cancel { key },
    }]
}

/// What follows when the time has come.
pub fn on_wake_up(wake_up: WakeUp) -> Vec<Reaction<ExpireSession>> {
    let command = ExpireSession { session_id: SessionId(wake_up.key) };
    vec![Reaction::Send { command, cause: wake_up.cause }]
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::{Actor, identity::values::RevocationCause};

    #[test]
    fn ses_05_a_session_is_ended_at_its_time_and_not_if_it_ended_before() {
        let (event_id, session_id) = (Uuid::from_u128(1), SessionId(Uuid::from_u128(2)));
        let at = DateTime::from_timestamp(1_000, 0).unwrap();
        let issued = SessionEvent::SessionIssued {
            session_id,
            principal: Actor::SYSTEM,
            issued_at: DateTime::from_timestamp(0, 0).unwrap(),
            expires_at: at,
            device_info: None,
            ip_address: None,
            era: None,
            organization_id: None,
        };
        let wake_up = WakeUp { key: session_id.0, at, cause: event_id };
        assert_eq!(on_event(event_id, session_id, &issued), [Reaction::WakeUp(wake_up)]);
        let expire = Reaction::Send { command: ExpireSession { session_id }, cause: event_id };
        assert_eq!(on_wake_up(wake_up), [expire]);
        let revoked = SessionEvent::SessionRevoked {
            revoked_by: Actor::SYSTEM,
            cause: RevocationCause::LoggedOut,
        };
        let cancel = Reaction::Cancel { key: session_id.0 };
        assert_eq!(on_event(Uuid::from_u128(3), session_id, &revoked), [cancel]);
    }
}
