//! Requests of addresses that are refused at the door. They cost who sends them next to nothing, so they are
//! to cost this log nothing either: past a few a second of one client they are counted, and one entry a
//! second says how many there were. They have a share of the queue, so that they push nobody else's out.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use agora_service::{client_address::ClientAddress, http::access::Access};

/// Requests of one client that are told of one by one, in a second.
const EACH_MAX: u32 = 10;
/// Clients that are counted at once.
const CLIENTS_MAX: usize = 10_000;

/// What was seen of refused clients. One process has one.
#[derive(Default)]
pub(super) struct Door(Mutex<HashMap<u128, Seen>>);

struct Seen {
    second: i64,
    /// In that second, one by one.
    told: u32,
    /// Whether those that come in it are counted.
    counting: bool,
    /// The first that was, and how many there were.
    counted: Option<Counted>,
}

/// An access that stands for so many.
pub(super) type Counted = (Box<Access>, u64);

/// What is to be done with an access.
pub(super) enum Next {
    Tell(Box<Access>),
    /// It is told of by the next [`Door::counted`].
    Wait,
    /// It can be neither told of nor counted.
    Lose,
}

impl Door {
    /// `has_room`: whether the share of the queue is not used up.
    pub(super) fn pass(&self, access: Box<Access>, has_room: bool) -> Next {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = access.client.map_or(0, |address| ClientAddress::of(address).network_bits());
        if clients.len() >= CLIENTS_MAX && !clients.contains_key(&key) {
            return if has_room { Next::Tell(access) } else { Next::Lose };
        }
        let second = access.at.timestamp();
        let seen =
            clients.entry(key).or_insert(Seen { second, told: 0, counting: false, counted: None });
        if seen.second != second {
            (seen.second, seen.told, seen.counting) = (second, 0, false);
        }
        if has_room && seen.told < EACH_MAX {
            seen.told += 1;
            return Next::Tell(access);
        }
        seen.counting = true;
        match &mut seen.counted {
            Some((_, times)) => *times += 1,
            None => seen.counted = Some((access, 1)),
        }
        Next::Wait
    }

    /// Counts one more of a client of which something is counted already in this second: nothing else of it
    /// is kept. Says whether it was so.
    pub(super) fn count(&self, client: IpAddr, second: i64) -> bool {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = clients
            .get_mut(&ClientAddress::of(client).network_bits())
            .filter(|seen| seen.counting && seen.second == second)
            .and_then(|seen| seen.counted.as_mut());
        if let Some((_, times)) = counted {
            *times += 1;
        }
        counted.is_some()
    }

    /// What was counted since the last time. Lets go of who has been silent since `second`.
    pub(super) fn counted(&self, second: i64) -> Vec<Counted> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counted = Vec::new();
        clients.retain(|_, seen| {
            counted.extend(seen.counted.take());
            seen.second >= second
        });
        counted
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{super::entry::tests, *};

    fn access(second: i64, host: u8) -> Box<Access> {
        Box::new(Access {
            at: DateTime::<Utc>::from_timestamp(second, 0).unwrap(),
            client: Some([203, 0, 113, host].into()),
            at_the_door: true,
            ..tests::access(403, Vec::new())
        })
    }

    fn told(door: &Door, times: usize, second: i64, has_room: bool) -> usize {
        let tell = |_: &usize| matches!(door.pass(access(second, 9), has_room), Next::Tell(_));
        (0..times).filter(tell).count()
    }

    #[test]
    fn sal_05_a_flood_of_a_refused_client_is_a_few_entries_and_a_count_each_second() {
        let door = Door::default();
        assert_eq!(told(&door, 5, 1, true), 5, "few are told of one by one");
        assert!(door.counted(1).is_empty());
        assert_eq!(told(&door, 1_000, 2, true), 10);
        assert!(matches!(door.pass(access(2, 10), true), Next::Tell(_)), "another has its own");
        let counted = door.counted(2);
        assert_eq!(counted.iter().map(|(_, times)| *times).collect::<Vec<_>>(), [990]);
        assert_eq!(told(&door, 1_000, 3, true), 10);
        let client = [203, 0, 113, 9].into();
        assert!(door.count(client, 3), "of whom one is counted no more has to be known");
        assert!(!door.count(client, 4), "the first of a second is told of");
        assert!(!door.count([203, 0, 113, 11].into(), 3));
        assert_eq!(told(&door, 1, 4, true), 1, "and so are nine more");
        assert!(!door.count(client, 4), "though some of the second before are still counted");
        assert_eq!(door.counted(4)[0].1, 991);
        door.counted(5);
        assert!(door.0.lock().unwrap().is_empty(), "who is silent is forgotten");
    }

    #[test]
    fn sal_05_without_room_in_the_queue_all_are_counted_and_none_is_lost() {
        let door = Door::default();
        assert_eq!(told(&door, 3, 1, false), 0);
        assert_eq!(door.counted(1)[0].1, 3);
        for number in 0..CLIENTS_MAX as u128 {
            let seen = Seen { second: 1, told: 0, counting: false, counted: None };
            door.0.lock().unwrap().insert(number, seen);
        }
        assert!(matches!(door.pass(access(1, 7), true), Next::Tell(_)));
        assert!(matches!(door.pass(access(1, 7), false), Next::Lose));
    }
}
