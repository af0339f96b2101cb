//! Finding attacks in what is noted of requests: too many failed logins, too many requests (INC-12).
//!
//! Counts by client (of IPv6 by its /64) and type in a window. What reaches a threshold is an incident;
//! what comes after extends it, told at most every few seconds. Nothing is found of the machine itself
//! (K20). Pure: whoever runs it says what happened, and when.

use std::{collections::HashMap, net::IpAddr};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::security::{
    network::Network,
    values::{IncidentType, Severity},
};

/// How far back is counted.
pub const WINDOW: TimeDelta = TimeDelta::minutes(5);
/// How often more of the same is told.
pub const TOLD_EVERY: TimeDelta = TimeDelta::seconds(10);
/// An incident is extended where its last activity is no longer ago; else there is a new one.
pub const EXTENDED_WITHIN: TimeDelta = TimeDelta::minutes(30);
/// Clients that are counted at once; who was silent for longest makes room.
pub const CLIENTS_MAX: usize = 50_000;

/// What is noted of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// A login with a wrong password, or one that had to wait (CRD-12).
    LoginFailed,
    /// A request beyond what may be asked in a while.
    TooMany,
    /// A request from an address that is blocked.
    Blocked,
}

/// How many of them within the window are an incident.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    pub login_failures: u64,
    pub too_many: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { login_failures: 20, too_many: 100 }
    }
}

/// Something that was noted.
#[derive(Clone, Copy, Debug)]
pub struct Noted {
    /// Of the record.
    pub id: Uuid,
    pub address: IpAddr,
    pub signal: Signal,
    pub times: u64,
    /// How many of them were refused.
    pub blocked: u64,
    pub at: DateTime<Utc>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// An attack begins or goes on: an incident is opened or extended, and the client blocked.
    Attack(Attack),
    /// Requests of a blocked client, for its record (IPR-08).
    Refused { address: IpAddr, times: u64, cause: Uuid },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attack {
    pub incident_type: IncidentType,
    pub severity: Severity,
    pub address: IpAddr,
    /// What is to be blocked: the address, of IPv6 its network.
    pub client: Network,
    /// Since this was last told.
    pub requests: u64,
    pub blocked: u64,
    pub first_at: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
    /// The record that came last: ids of what follows derive from it.
    pub cause: Uuid,
}

/// What is counted of a client.
#[derive(Clone, Debug)]
struct Count {
    /// Within the window; it begins anew where nothing came for as long.
    total: u64,
    since: DateTime<Utc>,
    /// Not told yet.
    requests: u64,
    blocked: u64,
    told_at: Option<DateTime<Utc>>,
    last: Noted,
}

/// Counts what is noted.
#[derive(Debug, Default)]
pub struct Detector {
    thresholds: Thresholds,
    counts: HashMap<(Network, Signal), Count>,
}

/// Who is counted as one.
pub fn client(address: IpAddr) -> Network {
    match address.to_canonical() {
        IpAddr::V4(_) => Network::of(address),
        IpAddr::V6(_) => Network::around(address),
    }
}

impl Detector {
    pub fn new(thresholds: Thresholds) -> Self {
        Self { thresholds, counts: HashMap::new() }
    }

    /// Counts what was told before a restart: it makes the threshold nearer, and is not told again.
    pub fn note_told(&mut self, noted: Noted) {
        self.note(noted);
        if let Some(count) = self.counts.get_mut(&(client(noted.address), noted.signal)) {
            (count.requests, count.blocked) = (0, 0);
        }
    }

    pub fn note(&mut self, noted: Noted) {
        let client = client(noted.address);
        if client.is_exempt() || noted.times == 0 {
            return;
        }
        if self.counts.len() >= CLIENTS_MAX {
            self.make_room();
        }
        let count = self.counts.entry((client, noted.signal)).or_insert(Count {
            total: 0,
            since: noted.at,
            requests: 0,
            blocked: 0,
            told_at: None,
            last: noted,
        });
        if noted.at - count.since > WINDOW
            && count.told_at.is_none_or(|told| noted.at - told > WINDOW)
        {
            (count.total, count.requests, count.blocked) = (0, 0, 0);
            (count.since, count.told_at) = (noted.at, None);
        }
        count.total = count.total.saturating_add(noted.times);
        count.requests = count.requests.saturating_add(noted.times);
        count.blocked = count.blocked.saturating_add(noted.blocked.min(noted.times));
        count.last = noted;
    }

    /// What is to be told now.
    pub fn found(&mut self, now: DateTime<Utc>) -> Vec<Found> {
        let mut found = Vec::new();
        let thresholds = self.thresholds;
        for ((client, signal), count) in &mut self.counts {
            let (incident_type, threshold) = match signal {
                Signal::LoginFailed => (IncidentType::BruteForce, thresholds.login_failures),
                Signal::TooMany => (IncidentType::RateLimitViolation, thresholds.too_many),
                Signal::Blocked => (IncidentType::SuspiciousBehavior, 1),
            };
            let is_due = count.told_at.is_none_or(|told| now - told >= TOLD_EVERY);
            if count.requests == 0 || count.total < threshold || !is_due {
                continue;
            }
            let Noted { address, at: last_at, id: cause, .. } = count.last;
            found.push(match signal {
                Signal::Blocked => Found::Refused { address, times: count.requests, cause },
                Signal::LoginFailed | Signal::TooMany => Found::Attack(Attack {
                    incident_type,
                    severity: severity(count.total, threshold),
                    address,
                    client: *client,
                    requests: count.requests,
                    blocked: count.blocked,
                    first_at: count.since,
                    last_at,
                    cause,
                }),
            });
            (count.requests, count.blocked, count.told_at) = (0, 0, Some(now));
        }
        self.counts.retain(|_, count| now - count.last.at <= WINDOW);
        found
    }

    /// Lets go of the half that was silent for longest.
    fn make_room(&mut self) {
        let mut times: Vec<_> = self.counts.values().map(|count| count.last.at).collect();
        let middle = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(middle);
        let middle = *middle;
        self.counts.retain(|_, count| count.last.at > middle);
    }
}

fn severity(total: u64, threshold: u64) -> Severity {
    match total / threshold.max(1) {
        0..5 => Severity::Medium,
        5..25 => Severity::High,
        _ => Severity::Critical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(number: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(number)
    }

    fn noted(address: &str, signal: Signal, at: i64, times: u64) -> Noted {
        let id = Uuid::from_u128(at.unsigned_abs().into());
        let address = address.parse().unwrap();
        Noted { id, address, signal, times, blocked: 0, at: second(at) }
    }

    fn attacks(found: Vec<Found>) -> Vec<Attack> {
        let attack = |found| match found {
            Found::Attack(attack) => Some(attack),
            Found::Refused { .. } => None,
        };
        found.into_iter().filter_map(attack).collect()
    }

    #[test]
    fn inc_12_many_failed_logins_of_one_client_are_an_incident_and_more_extend_it() {
        let mut detector = Detector::default();
        for at in 0..19 {
            detector.note(noted("203.0.113.9", Signal::LoginFailed, at, 1));
            detector.note(noted(&format!("203.0.113.{}", 100 + at), Signal::LoginFailed, at, 1));
        }
        assert!(detector.found(second(19)).is_empty());
        detector.note(noted("203.0.113.9", Signal::LoginFailed, 20, 1));
        let found = attacks(detector.found(second(20)));
        assert_eq!(found.len(), 1);
        let attack = &found[0];
        assert_eq!(attack.incident_type, IncidentType::BruteForce);
        assert_eq!((attack.requests, attack.severity), (20, Severity::Medium));
        assert_eq!((attack.first_at, attack.last_at), (second(0), second(20)));
        detector.note(noted("203.0.113.9", Signal::LoginFailed, 21, 100));
        assert!(detector.found(second(21)).is_empty(), "it was told a moment ago");
        let more = attacks(detector.found(second(31)));
        assert_eq!((more[0].requests, more[0].severity), (100, Severity::High));
        assert!(detector.found(second(60)).is_empty(), "nothing came since");
    }

    #[test]
    fn inc_12_slow_failures_and_honest_mistakes_are_none() {
        let mut detector = Detector::default();
        for minute in 0..60 {
            detector.note(noted("203.0.113.9", Signal::LoginFailed, minute * 60, 2));
            assert!(detector.found(second(minute * 60)).is_empty(), "{minute}");
        }
    }

    #[test]
    fn inc_12_what_was_told_before_a_restart_is_not_told_again() {
        let mut detector = Detector::default();
        detector.note_told(noted("203.0.113.9", Signal::LoginFailed, 0, 30));
        assert!(detector.found(second(1)).is_empty());
        detector.note(noted("203.0.113.9", Signal::LoginFailed, 2, 1));
        assert_eq!(attacks(detector.found(second(2)))[0].requests, 1);
    }

    #[test]
    fn inc_12_of_ipv6_the_network_counts() {
        let mut detector = Detector::default();
        for host in 0..20 {
            let address = format!("2001:db8:1:2::{host:x}");
            detector.note(noted(&address, Signal::LoginFailed, host, 1));
        }
        let found = attacks(detector.found(second(20)));
        assert_eq!(found[0].client.to_string(), "2001:db8:1:2::/64");
    }

    #[test]
    fn k20_nothing_is_found_of_the_machine_itself() {
        let mut detector = Detector::default();
        for address in ["127.0.0.1", "::1", "::"] {
            detector.note(noted(address, Signal::TooMany, 0, 1_000_000));
        }
        assert!(detector.found(second(1)).is_empty());
    }

    #[test]
    fn ipr_08_what_a_blocked_client_sends_is_counted() {
        let mut detector = Detector::default();
        detector.note(noted("203.0.113.9", Signal::Blocked, 0, 7));
        let address = "203.0.113.9".parse().unwrap();
        let refused = Found::Refused { address, times: 7, cause: Uuid::from_u128(0) };
        assert_eq!(detector.found(second(1)), [refused]);
    }

    #[test]
    fn inc_12_who_is_counted_is_bounded() {
        let mut detector = Detector::default();
        for number in 0..120_000_u32 {
            let address = IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number));
            let noted = noted("203.0.113.9", Signal::TooMany, i64::from(number / 1_000), 1);
            detector.note(Noted { address, ..noted });
        }
        assert!(detector.counts.len() <= CLIENTS_MAX);
    }
}
