//! Finding attacks in what is noted of requests (INC-12): guessed passwords, too many requests and floods,
//! patterns of injection and scripting, and what blocked addresses go on to send.
//!
//! Counts by client (of IPv6 by its /64) and signal in a window. What reaches a threshold is an incident;
//! what comes after extends it, told at most every few seconds. What is spread over so many clients that
//! none of them stands out is an incident of the whole system, without an address (INC-03). Nothing is
//! found of the machine itself (K20). Pure: whoever runs it says what happened, and when.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv6Addr},
};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::security::{
    network::Network,
    values::{AttackVector, Confidence, DetectionMethod, IncidentType, Severity},
};

mod thresholds;
pub use thresholds::{Signal, Thresholds};

/// How far back is counted.
pub const WINDOW: TimeDelta = TimeDelta::minutes(5);
/// How often more of the same is told.
pub const TOLD_EVERY: TimeDelta = TimeDelta::seconds(10);
/// An incident is extended where its last activity is no longer ago; else there is a new one.
pub const EXTENDED_WITHIN: TimeDelta = TimeDelta::minutes(30);
/// Clients that are counted at once; who was silent for longest makes room.
pub const CLIENTS_MAX: usize = 50_000;
/// From so many clients it is the whole system that is attacked, not by any of them alone.
pub const CLIENTS_OF_ALL: usize = 20;

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
    pub method: DetectionMethod,
    pub vector: Option<AttackVector>,
    pub confidence: Option<Confidence>,
    pub severity: Severity,
    /// Where it came from last; `::` of an attack on the whole system.
    pub address: IpAddr,
    /// Who is counted, and blocked where [`Self::blocks`]: the address, of IPv6 its network.
    pub client: Network,
    pub blocks: bool,
    /// Since this was last told.
    pub requests: u64,
    pub blocked: u64,
    pub first_at: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
    /// The record that came last: ids of what follows derive from it.
    pub cause: Uuid,
}

/// What is counted of a client, or of all.
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
    /// Only of all: whom it came from, up to [`CLIENTS_OF_ALL`].
    clients: HashSet<Network>,
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

/// Stands for all clients together.
fn everybody() -> Network {
    Network::of(Ipv6Addr::UNSPECIFIED.into())
}

impl Detector {
    pub fn new(thresholds: Thresholds) -> Self {
        Self { thresholds, counts: HashMap::new() }
    }

    /// Counts what was told before a restart: it makes the threshold nearer, and is not told again.
    pub fn note_told(&mut self, noted: Noted) {
        self.note(noted);
        for whom in [client(noted.address), everybody()] {
            if let Some(count) = self.counts.get_mut(&(whom, noted.signal)) {
                (count.requests, count.blocked) = (0, 0);
            }
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
        self.count(client, noted);
        if self.thresholds.of_all(noted.signal).is_some() {
            let count = self.count(everybody(), noted);
            if count.clients.len() < CLIENTS_OF_ALL {
                count.clients.insert(client);
            }
        }
    }

    fn count(&mut self, whom: Network, noted: Noted) -> &mut Count {
        let count = self.counts.entry((whom, noted.signal)).or_insert_with(|| Count {
            total: 0,
            since: noted.at,
            requests: 0,
            blocked: 0,
            told_at: None,
            last: noted,
            clients: HashSet::new(),
        });
        if noted.at - count.since > WINDOW
            && count.told_at.is_none_or(|told| noted.at - told > WINDOW)
        {
            (count.total, count.requests, count.blocked) = (0, 0, 0);
            (count.since, count.told_at) = (noted.at, None);
            count.clients.clear();
        }
        count.total = count.total.saturating_add(noted.times);
        count.requests = count.requests.saturating_add(noted.times);
        count.blocked = count.blocked.saturating_add(noted.blocked.min(noted.times));
        count.last = noted;
        count
    }

    /// What is to be told now.
    pub fn found(&mut self, now: DateTime<Utc>) -> Vec<Found> {
        let mut found = Vec::new();
        let thresholds = self.thresholds;
        for ((whom, signal), count) in &mut self.counts {
            let is_due = count.told_at.is_none_or(|told| now - told >= TOLD_EVERY);
            if count.requests == 0 || !is_due {
                continue;
            }
            let attack = count.attack(*whom, *signal, thresholds);
            if *signal == Signal::Blocked {
                let Noted { address, id: cause, .. } = count.last;
                found.push(Found::Refused { address, times: count.requests, cause });
            } else if attack.is_none() {
                continue;
            }
            found.extend(attack.map(Found::Attack));
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

impl Count {
    /// The attack that it is; none where the threshold is not reached.
    fn attack(&self, whom: Network, signal: Signal, thresholds: Thresholds) -> Option<Attack> {
        let of_all = whom == everybody();
        let threshold = match of_all {
            true => thresholds.of_all(signal).filter(|_| self.clients.len() >= CLIENTS_OF_ALL)?,
            false => thresholds.of_one(signal),
        };
        if self.total < threshold {
            return None;
        }
        // So many requests too many are no mere impatience.
        let is_flood = signal == Signal::TooMany && (of_all || self.total >= thresholds.flood);
        let (incident_type, vector) = match signal {
            Signal::TooMany if is_flood => {
                (IncidentType::DdosAttack, Some(AttackVector::HttpFlood))
            }
            _ => (signal.incident_type(), signal.vector()),
        };
        let severity = severity(self.total, if is_flood { thresholds.flood } else { threshold });
        Some(Attack {
            incident_type,
            method: signal.method(),
            vector,
            confidence: signal.confidence(self.total),
            severity: if is_flood || of_all { severity.max(Severity::High) } else { severity },
            address: if of_all { Ipv6Addr::UNSPECIFIED.into() } else { self.last.address },
            client: whom,
            // Whom nothing is served is blocked already.
            blocks: !of_all && signal != Signal::Blocked,
            requests: self.requests,
            blocked: self.blocked,
            first_at: self.since,
            last_at: self.last.at,
            // What else follows from the same record has ids of its own.
            cause: match signal {
                _ if of_all => Uuid::new_v5(&self.last.id, b"everybody"),
                Signal::Blocked => Uuid::new_v5(&self.last.id, b"goes on"),
                _ => self.last.id,
            },
        })
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
mod tests;
