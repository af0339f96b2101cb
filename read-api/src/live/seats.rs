//! How many streams there are at once: in the process, and of one client.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use agora_domain::Actor;
use agora_service::problem::{Kind, Problem};

/// A client that was refused may try again after so long.
const RETRY_AFTER_SECONDS: u32 = 5;

/// The most streams at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub all: usize,
    /// Of one principal; of one address, for guests.
    pub per_client: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { all: 1_000, per_client: 20 }
    }
}

/// Whose streams are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    Principal(Actor),
    /// Of IPv6 the first 64 bits: whoever has one address there has all of them.
    Network(IpAddr),
}

impl Client {
    pub(super) fn at(address: IpAddr) -> Self {
        Self::Network(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address => address,
        })
    }
}

pub(super) struct Seats {
    limits: Limits,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    of: HashMap<Client, usize>,
}

/// A place for one stream; free again when it is dropped.
pub(super) struct Seat {
    client: Client,
    taken: Arc<Mutex<Taken>>,
}

impl Seats {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, taken: Arc::default() }
    }

    /// # Errors
    /// 503 where the process has no place left, 429 where the client has taken all of its own.
    pub(super) fn take(&self, client: Client) -> Result<Seat, Problem> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.of.get(&client).is_some_and(|streams| *streams >= self.limits.per_client) {
            let detail = "You have too many live streams open: close one.";
            return Err(
                Problem::new(Kind::TooManyRequests, detail).with_retry_after(RETRY_AFTER_SECONDS)
            );
        }
        if taken.all >= self.limits.all {
            let detail = "All live streams are taken.";
            return Err(Problem::unavailable(detail).with_retry_after(RETRY_AFTER_SECONDS));
        }
        taken.all += 1;
        *taken.of.entry(client).or_default() += 1;
        metrics::gauge!("agora_live_streams").set(taken.all as f64);
        Ok(Seat { client, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        metrics::gauge!("agora_live_streams").set(taken.all as f64);
        let left = taken.of.get(&self.client).map_or(0, |streams| streams - 1);
        if left == 0 {
            taken.of.remove(&self.client);
        } else {
            taken.of.insert(self.client, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_free_again_and_nobody_takes_those_of_others() {
        let seats = Seats::new(Limits { all: 3, per_client: 2 });
        let of = |address: &str| Client::at(address.parse().unwrap());
        let status = |problem: Problem| problem.kind.status().as_u16();
        let first = seats.take(of("192.0.2.1")).unwrap();
        let _second = seats.take(of("::ffff:192.0.2.1")).unwrap();
        assert_eq!(seats.take(of("192.0.2.1")).err().map(status), Some(429));
        let _other = seats.take(of("2001:db8::1")).unwrap();
        assert_eq!(seats.take(of("192.0.2.2")).err().map(status), Some(503));
        drop(first);
        let _again = seats.take(of("2001:db8::ffff")).unwrap();
        drop(_other);
        assert_eq!(seats.taken.lock().unwrap().of.len(), 2);
        let _third = seats.take(of("2001:db8::2")).unwrap();
        assert_eq!(seats.take(of("2001:db8::3")).err().map(status), Some(429), "one network");
    }
}
