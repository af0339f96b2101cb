//! Has what was approved erased, and looks after it until no backup holds it either (DDR-10, DDR-14).
//!
//! Each turn is a wake-up of its own; one that fails is tried again and keeps no other from its turn.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Reaction, WakeUp};
use crate::{compliance::deletion_request::DeletionRequestEvent, ids::DeletionId};

pub const NAME: &str = "erasure";

pub const EVENT_TYPES: &[&str] = &["DeletionApproved", "RecipientNotified", "BackupErasureUpdated"];

/// What it sends: a turn at the erasure that the cause is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakeTurn;

/// What follows from an event of a request.
pub fn on_event(
    event_id: Uuid,
    recorded_at: DateTime<Utc>,
    event: &DeletionRequestEvent,
) -> Vec<Reaction<TakeTurn>> {
    let at = match event {
        DeletionRequestEvent::DeletionApproved { .. }
        | DeletionRequestEvent::RecipientNotified { .. } => recorded_at,
        DeletionRequestEvent::BackupErasureUpdated { gone_at, .. } => {
            gone_at.unwrap_or(recorded_at)
        }
        _ => return Vec::new(),
    };
    vec![Reaction::WakeUp(WakeUp { key: key(event_id), at, cause: event_id })]
}

/// Never changed.
fn key(event_id: Uuid) -> Uuid {
    Uuid::new_v5(&event_id, b"erase")
}

/// What follows when a turn has come.
pub fn on_wake_up(wake_up: WakeUp) -> Vec<Reaction<TakeTurn>> {
    vec![Reaction::Send { command: TakeTurn, cause: wake_up.cause }]
}

/// The request whose stream this is.
pub fn request_of(aggregate_id: &str) -> Option<DeletionId> {
    aggregate_id.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{actor::Actor, compliance::deletion_values::BackupStatus, ids::AdminId};

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn ddr_14_what_is_approved_is_erased_at_once() {
        let event_id = Uuid::from_u128(1);
        let approved = DeletionRequestEvent::DeletionApproved {
            reviewer_id: Actor::admin(AdminId(Uuid::from_u128(2))),
            retention: None,
            recipients: Vec::new(),
            approved_at: at(1),
        };
        let wake_up = WakeUp { key: key(event_id), at: at(2), cause: event_id };
        assert_eq!(on_event(event_id, at(2), &approved), [Reaction::WakeUp(wake_up)]);
        let send = Reaction::Send { command: TakeTurn, cause: event_id };
        assert_eq!(on_wake_up(wake_up), [send]);
        let started = DeletionRequestEvent::ErasureStarted { processing_started_at: at(1) };
        assert!(on_event(event_id, at(2), &started).is_empty());
    }

    #[test]
    fn ddr_10_it_comes_back_when_the_last_backup_is_gone() {
        let event_id = Uuid::from_u128(1);
        let updated = |gone_at| DeletionRequestEvent::BackupErasureUpdated {
            backup_deletion_status: BackupStatus::InProgress,
            gone_at,
            updated_at: at(1),
        };
        for (gone_at, expected) in [(Some(at(700)), at(700)), (None, at(2))] {
            let wake_up = WakeUp { key: key(event_id), at: expected, cause: event_id };
            assert_eq!(on_event(event_id, at(2), &updated(gone_at)), [Reaction::WakeUp(wake_up)]);
        }
    }
}
