//! Forgets addresses that were idle for long (IPR-15): an address is personal data, kept for a legitimate
//! interest, and that interest ends.
//!
//! Each event of an address sets the time anew at which it is looked at. What is forgotten then has its key
//! destroyed, by which every copy of the address becomes unreadable: that is a step of its own, so that it
//! is tried until it is done.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Reaction, WakeUp};
use crate::{ids::IpAddressId, security::ip_address::IpAddress};

pub const NAME: &str = "ip_retention";

/// The events that it reacts to: all of an address.
pub const EVENT_TYPES: &[&str] = &[
    "IpAnnotated",
    "IpAutoBlockLifted",
    "IpAutoBlocked",
    "IpBlacklistEnded",
    "IpBlacklisted",
    "IpEnriched",
    "IpForgotten",
    "IpIncidentLinked",
    "IpIncidentRefuted",
    "IpObserved",
    "IpWhitelistEnded",
    "IpWhitelisted",
];

/// Forgets an address if it is due, and destroys the key of one that is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForgetIp {
    pub id: IpAddressId,
}

/// What follows from an event of an address's stream, by what is known of the address.
pub fn on_event(
    event_id: Uuid,
    id: IpAddressId,
    address: &IpAddress,
    at: DateTime<Utc>,
) -> Vec<Reaction<ForgetIp>> {
    let due = match address.get() {
        // It is forgotten: what is left to do is due now.
        None => Some(at),
        Some(record) => record.kept_until(),
    };
    vec![match due {
        Some(at) => Reaction::WakeUp(WakeUp { key: id.0, at, cause: event_id }),
        // It is on a list for good.
        None => Reaction::Cancel { key: id.0 },
    }]
}

/// What follows when the time has come.
pub fn on_wake_up(wake_up: WakeUp) -> Vec<Reaction<ForgetIp>> {
    let command = ForgetIp { id: IpAddressId(wake_up.key) };
    vec![Reaction::Send { command, cause: wake_up.cause }]
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::{
        Actor, Personal, PersonalCategory, Subject,
        aggregate::Decide,
        security::ip_address::{Act, IpAddressCommand, KEPT_IDLE},
    };

    #[test]
    fn ipr_15_each_event_sets_the_time_anew_and_a_list_without_an_end_takes_it_away() {
        let (event_id, id) = (Uuid::from_u128(1), IpAddressId(Uuid::from_u128(2)));
        let at = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let made = |act| {
            let subject = Subject::from(id.0);
            let network = "192.0.2.1".parse().unwrap();
            let address = Personal::new(subject, PersonalCategory::Network, network);
            let (is_range, is_exempt, by) = (false, false, Actor::SYSTEM);
            let command = IpAddressCommand { id, address, is_range, is_exempt, at, by, act };
            let mut made = IpAddress::default();
            let events = made.decide(command).unwrap();
            events.into_iter().for_each(|event| cqrs_es::Aggregate::apply(&mut made, event));
            made
        };
        let seen = made(Act::Observe { requests: 1, blocked: 0 });
        let wake_up = WakeUp { key: id.0, at: at + KEPT_IDLE, cause: event_id };
        assert_eq!(on_event(event_id, id, &seen, at), [Reaction::WakeUp(wake_up)]);
        let command = ForgetIp { id };
        assert_eq!(on_wake_up(wake_up), [Reaction::Send { command, cause: event_id }]);
        let listed = made(Act::Blacklist { until: None, reason: None });
        assert_eq!(on_event(event_id, id, &listed, at), [Reaction::Cancel { key: id.0 }]);
        let now = WakeUp { key: id.0, at, cause: event_id };
        assert_eq!(on_event(event_id, id, &IpAddress::default(), at), [Reaction::WakeUp(now)]);
    }
}
