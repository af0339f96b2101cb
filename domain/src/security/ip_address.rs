//! What is known of an address, or of a network that is treated as one (E26).
//!
//! Life cycle: made when something is first noted of it, and changed from then on. Lists, blocks and
//! incidents are independent of each other, but for one thing: an address on the whitelist is on no
//! other list, and nothing automatic blocks it (IPR-10). What ends by itself ends without an event:
//! whoever reads asks for a time (IPR-08, IPR-11). What was idle for 180 days and is on no list is
//! forgotten (IPR-15): its stream ends, its key is destroyed, and an address that comes back begins anew
//! under another id.
//!
//! Its stream has a random id, which a keyed hash of the address leads to: an id tells nothing. Each
//! event carries all that is known, so that a stream that lives for years is as cheap as a new one, and
//! any time's state is one event. The address is sealed with a key of its own: without it nothing here
//! is anybody's.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    network::Network,
    reputation::{Entry, External, Known, Part, Score, SourceName, score},
    values::{BlacklistStatus, IncidentType, JsonObject, Severity, WhitelistStatus},
};
use crate::{
    actor::Actor,
    aggregate::{aggregate, domain_event},
    ids::{IncidentId, IpAddressId},
    personal::Personal,
    refusal::{Refusal, RefusalKind},
    values::{AddressNotes, Reason},
};

/// The first automatic block lasts so long; each further one twice as long (fail2ban #1460).
pub const FIRST_BLOCK: TimeDelta = TimeDelta::minutes(15);
/// No automatic block lasts longer.
pub const LONGEST_BLOCK: TimeDelta = TimeDelta::days(7);
/// A block so long ago does not lengthen the next.
pub const FORGIVEN_AFTER: TimeDelta = TimeDelta::days(30);
/// After a block was lifted by hand, nothing is blocked automatically for so long (CrowdSec #2457).
pub const GRACE: TimeDelta = TimeDelta::hours(1);
/// An address is personal data: what is idle for so long is forgotten (IPR-15).
pub const KEPT_IDLE: TimeDelta = TimeDelta::days(180);

/// Being on a list; without an end it is for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    pub since: DateTime<Utc>,
    pub until: Option<DateTime<Utc>>,
}

impl Listing {
    pub fn holds_at(&self, at: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| at < until)
    }
}

/// All that is known of an address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IpRecord {
    pub id: IpAddressId,
    pub address: Personal<Network>,
    pub is_range: bool,
    pub first_seen_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub request_count: u64,
    pub blocked_count: u64,
    /// All that were raised; it never falls (IPR-04).
    pub incident_count: u64,
    /// Those that were no false alarm (INC-11).
    pub confirmed_incident_count: u64,
    pub last_incident_at: Option<DateTime<Utc>>,
    pub threat_categories: Vec<IncidentType>,
    pub geolocation: Option<Personal<JsonObject>>,
    pub asn_info: Option<Personal<JsonObject>>,
    /// Null is unknown, not false (IPR-06).
    pub is_vpn: Option<bool>,
    pub is_tor: Option<bool>,
    pub is_datacenter: Option<bool>,
    pub whitelist: Option<Listing>,
    pub blacklist: Option<Listing>,
    pub auto_block_until: Option<DateTime<Utc>>,
    /// How many automatic blocks there were in a row, by which the next is as long.
    pub auto_block_count: u32,
    pub last_auto_block_at: Option<DateTime<Utc>>,
    /// Until when nothing is blocked automatically, after a block was lifted by hand.
    pub grace_until: Option<DateTime<Utc>>,
    pub external_reputation: Vec<External>,
    pub notes: Option<Personal<AddressNotes>>,
    /// What the score is made of.
    pub entries: Vec<Entry>,
}

impl IpRecord {
    /// Of an address that nothing was known of until now.
    pub fn new(
        id: IpAddressId,
        address: Personal<Network>,
        is_range: bool,
        at: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            address,
            is_range,
            first_seen_at: at,
            last_seen_at: at,
            request_count: 0,
            blocked_count: 0,
            incident_count: 0,
            confirmed_incident_count: 0,
            last_incident_at: None,
            threat_categories: Vec::new(),
            geolocation: None,
            asn_info: None,
            is_vpn: None,
            is_tor: None,
            is_datacenter: None,
            whitelist: None,
            blacklist: None,
            auto_block_until: None,
            auto_block_count: 0,
            last_auto_block_at: None,
            grace_until: None,
            external_reputation: Vec::new(),
            notes: None,
            entries: Vec::new(),
        }
    }

    pub fn score(&self, at: DateTime<Utc>) -> (Score, Vec<Part>) {
        let known = Known {
            first_seen_at: self.first_seen_at,
            entries: &self.entries,
            external: &self.external_reputation,
        };
        score(known, at)
    }

    pub fn is_whitelisted(&self, at: DateTime<Utc>) -> bool {
        self.whitelist.is_some_and(|listing| listing.holds_at(at))
    }

    /// Until when it is needed, if nothing more happens; none: for good (IPR-15).
    pub fn kept_until(&self) -> Option<DateTime<Utc>> {
        let lists = [self.whitelist, self.blacklist];
        let ends: Option<Vec<_>> =
            lists.into_iter().flatten().map(|listing| listing.until).collect();
        let idle = self.last_seen_at + KEPT_IDLE;
        ends.map(|ends| ends.into_iter().chain(self.auto_block_until).fold(idle, Ord::max))
    }

    pub fn is_blacklisted(&self, at: DateTime<Utc>) -> bool {
        self.blacklist.is_some_and(|listing| listing.holds_at(at))
    }
}

impl WhitelistStatus {
    /// At its end a temporary listing reads as none (IPR-11).
    pub fn of(listing: Option<Listing>, at: DateTime<Utc>) -> Self {
        match listing.filter(|listing| listing.holds_at(at)) {
            None => Self::NotListed,
            Some(Listing { until: None, .. }) => Self::Whitelisted,
            Some(_) => Self::TemporarilyWhitelisted,
        }
    }
}

impl BlacklistStatus {
    /// As [`WhitelistStatus::of`].
    pub fn of(listing: Option<Listing>, at: DateTime<Utc>) -> Self {
        match listing.filter(|listing| listing.holds_at(at)) {
            None => Self::NotListed,
            Some(Listing { until: None, .. }) => Self::Blacklisted,
            Some(_) => Self::TemporarilyBlacklisted,
        }
    }
}

/// An address as the log tells it. `Default` is the one that nothing is known of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IpAddress {
    record: Option<IpRecord>,
}

impl IpAddress {
    pub fn get(&self) -> Option<&IpRecord> {
        self.record.as_ref()
    }
}

/// Each command carries what the address is, for where nothing is known of it yet.
#[derive(Clone, Debug, PartialEq)]
pub struct IpAddressCommand {
    pub id: IpAddressId,
    pub address: Personal<Network>,
    pub is_range: bool,
    pub is_exempt: bool,
    pub at: DateTime<Utc>,
    pub by: Actor,
    pub act: Act,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Requests of a window, and how many of them were refused for a block.
    Observe {
        requests: u64,
        blocked: u64,
    },
    LinkIncident {
        incident_id: IncidentId,
        incident_type: IncidentType,
        severity: Severity,
    },
    /// An incident was a false alarm (INC-11).
    RefuteIncident {
        incident_id: IncidentId,
    },
    Whitelist {
        until: Option<DateTime<Utc>>,
        reason: Option<Personal<Reason>>,
    },
    RemoveFromWhitelist,
    Blacklist {
        until: Option<DateTime<Utc>>,
        reason: Option<Personal<Reason>>,
    },
    RemoveFromBlacklist,
    AutoBlock,
    LiftAutoBlock,
    Annotate {
        notes: Option<Personal<AddressNotes>>,
    },
    RecordExternal(ExternalReport),
    /// Where it was idle for long enough; else nothing happens.
    Forget,
}

/// What an outside source says. What it does not say stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExternalReport {
    pub score: Option<(SourceName, Score)>,
    pub geolocation: Option<Personal<JsonObject>>,
    pub asn_info: Option<Personal<JsonObject>>,
    pub is_vpn: Option<Option<bool>>,
    pub is_tor: Option<Option<bool>>,
    pub is_datacenter: Option<Option<bool>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum IpAddressEvent {
    IpObserved {
        record: IpRecord,
        requests: u64,
        blocked: u64,
    },
    IpIncidentLinked {
        record: IpRecord,
        incident_id: IncidentId,
    },
    IpIncidentRefuted {
        record: IpRecord,
        incident_id: IncidentId,
    },
    IpWhitelisted {
        record: IpRecord,
        reason: Option<Personal<Reason>>,
        changed_by: Actor,
    },
    IpWhitelistEnded {
        record: IpRecord,
        changed_by: Actor,
    },
    IpBlacklisted {
        record: IpRecord,
        reason: Option<Personal<Reason>>,
        changed_by: Actor,
    },
    IpBlacklistEnded {
        record: IpRecord,
        changed_by: Actor,
    },
    IpAutoBlocked {
        record: IpRecord,
        changed_by: Actor,
    },
    IpAutoBlockLifted {
        record: IpRecord,
        changed_by: Actor,
    },
    IpAnnotated {
        record: IpRecord,
        changed_by: Actor,
    },
    IpEnriched {
        record: IpRecord,
        changed_by: Actor,
    },
    /// The last of its stream.
    IpForgotten {
        id: IpAddressId,
        forgotten_at: DateTime<Utc>,
    },
}

domain_event!(IpAddressEvent {
    IpObserved => "1",
    IpIncidentLinked => "1",
    IpIncidentRefuted => "1",
    IpWhitelisted => "1",
    IpWhitelistEnded => "1",
    IpBlacklisted => "1",
    IpBlacklistEnded => "1",
    IpAutoBlocked => "1",
    IpAutoBlockLifted => "1",
    IpAnnotated => "1",
    IpEnriched => "1",
    IpForgotten => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum IpAddressError {
    #[error("nothing is known of the address")]
    NotFound,
    #[error("the address is on the blacklist: take it off that first")]
    IsBlacklisted,
    #[error("the address is on the whitelist: take it off that first")]
    IsWhitelisted,
    #[error("the address is on the whitelist: nothing automatic blocks it")]
    NeverBlocked,
    #[error("the machine's own address and `::` are never blocked")]
    Exempt,
    #[error("a block of the address was lifted by hand: it has a time of grace")]
    Grace,
    #[error("the end of a listing must be in the future, and within ten years")]
    WrongEnd,
    #[error("an address has at most 10 outside sources")]
    TooManySources,
    #[error("of a window's requests, no more can be blocked than there were")]
    MoreBlockedThanSeen,
}

impl Refusal for IpAddressError {
    fn rule(&self) -> &'static str {
        match self {
            Self::NotFound => "REL-10",
            Self::IsBlacklisted | Self::IsWhitelisted | Self::NeverBlocked => "IPR-10",
            Self::Exempt => "IPR-08",
            Self::Grace => "IPR-12",
            Self::WrongEnd => "IPR-11",
            Self::TooManySources => "IPR-14",
            Self::MoreBlockedThanSeen => "IPR-04",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound => RefusalKind::NotFound,
            Self::IsBlacklisted | Self::IsWhitelisted | Self::NeverBlocked | Self::Grace => {
                RefusalKind::Conflict
            }
            _ => RefusalKind::Invalid,
        }
    }
}

aggregate!(IpAddress, "ip_address", IpAddressCommand, IpAddressEvent, IpAddressError);

impl IpAddress {
    fn apply(&mut self, event: IpAddressEvent) {
        let record = match event {
            IpAddressEvent::IpObserved { record, .. }
            | IpAddressEvent::IpIncidentLinked { record, .. }
            | IpAddressEvent::IpIncidentRefuted { record, .. }
            | IpAddressEvent::IpWhitelisted { record, .. }
            | IpAddressEvent::IpWhitelistEnded { record, .. }
            | IpAddressEvent::IpBlacklisted { record, .. }
            | IpAddressEvent::IpBlacklistEnded { record, .. }
            | IpAddressEvent::IpAutoBlocked { record, .. }
            | IpAddressEvent::IpAutoBlockLifted { record, .. }
            | IpAddressEvent::IpAnnotated { record, .. }
            | IpAddressEvent::IpEnriched { record, .. } => Some(record),
            IpAddressEvent::IpForgotten { .. } => None,
        };
        self.record = record;
    }
}

mod decisions;

#[cfg(test)]
mod tests;
