//! Ends registrations that nobody confirmed (CRD-09, CRD-12): the token has expired, so what was
//! given for the account is kept no longer.

use uuid::Uuid;

use super::{Reaction, WakeUp};
use crate::{identity::credential::CredentialEvent, ids::CredentialId};

pub const NAME: &str = "registration_expiry";

/// The events that it reacts to.
pub const EVENT_TYPES: &[&str] = &["EmailConfirmationRequested", "EmailConfirmed"];

/// The command that it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropRegistration {
    pub credential_id: CredentialId,
}

/// What follows from an event of a credential's stream.
pub fn on_event(
    event_id: Uuid,
    credential_id: CredentialId,
    event: &CredentialEvent,
) -> Vec<Reaction<DropRegistration>> {
    let key = credential_id.0;
    match event {
        CredentialEvent::EmailConfirmationRequested { expires_at, .. } => {
            vec![Reaction::WakeUp(WakeUp { key, at: *expires_at, cause: event_id })]
        }
        CredentialEvent::EmailConfirmed { .. } => vec![Reaction::Cancel { key }],
        _ => Vec::new(),
    }
}

/// What follows when the time has come.
pub fn on_wake_up(wake_up: WakeUp) -> Vec<Reaction<DropRegistration>> {
    let command = DropRegistration { credential_id: CredentialId(wake_up.key) };
    vec![Reaction::Send { command, cause: wake_up.cause }]
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::ids::EmailConfirmationId;

    #[test]
    fn crd_12_a_registration_ends_when_its_token_expires_and_not_if_it_was_confirmed() {
        let (event_id, credential_id) = (Uuid::from_u128(1), CredentialId(Uuid::from_u128(2)));
        let confirmation_id = EmailConfirmationId(Uuid::from_u128(3));
        let at = DateTime::from_timestamp(1_000, 0).unwrap();
        let requested = CredentialEvent::EmailConfirmationRequested {
            confirmation_id,
            expires_at: at,
            display_name: None,
        };
        let wake_up = WakeUp { key: credential_id.0, at, cause: event_id };
        assert_eq!(on_event(event_id, credential_id, &requested), [Reaction::WakeUp(wake_up)]);
        let end = Reaction::Send { command: DropRegistration { credential_id }, cause: event_id };
        assert_eq!(on_wake_up(wake_up), [end]);
        let confirmed = CredentialEvent::EmailConfirmed { confirmation_id };
        let cancel = Reaction::Cancel { key: credential_id.0 };
        assert_eq!(on_event(Uuid::from_u128(4), credential_id, &confirmed), [cancel]);
    }
}
