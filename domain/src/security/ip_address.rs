//! What is known of an address, or of a network that is treated as one (E26).
//!
//! Life cycle: made when something is first noted of it, and changed from then on. Lists, blocks and
//! incidents are independent of each other, but for one thing: an address on the whitelist is on no
//! other list, and nothing automatic blocks it (IPR-10). What ends by itself ends without an event:
//! whoever reads asks for a time (IPR-08, IPR-11).
//!
//! Its stream has a random id, which a keyed hash of the address leads to: an id tells nothing. Each
//! event carries all that is known, so that a stream that lives for years is as cheap as a new one, and
//! any time's state is one event. The address is sealed with a key of its own: without it nothing here
//! is anybody's.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    network::Network,
    reputation::{
        BLOCK_WEIGHT, Entry, EntryKind, External, Known, Part, SOURCES_MAX, Score, SourceName,
        remember, score, weight_of,
    },
    values::{BlacklistStatus, IncidentType, JsonObject, Severity, WhitelistStatus},
};
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
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
/// No listing is for longer than ten years: that is for good, without an end.
const LISTING_MAX: TimeDelta = TimeDelta::days(3_653);

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
    IpObserved { record: IpRecord, requests: u64, blocked: u64 },
    IpIncidentLinked { record: IpRecord, incident_id: IncidentId },
    IpIncidentRefuted { record: IpRecord, incident_id: IncidentId },
    IpWhitelisted { record: IpRecord, reason: Option<Personal<Reason>>, changed_by: Actor },
    IpWhitelistEnded { record: IpRecord, changed_by: Actor },
    IpBlacklisted { record: IpRecord, reason: Option<Personal<Reason>>, changed_by: Actor },
    IpBlacklistEnded { record: IpRecord, changed_by: Actor },
    IpAutoBlocked { record: IpRecord, changed_by: Actor },
    IpAutoBlockLifted { record: IpRecord, changed_by: Actor },
    IpAnnotated { record: IpRecord, changed_by: Actor },
    IpEnriched { record: IpRecord, changed_by: Actor },
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

impl Decide for IpAddress {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(&self, command: IpAddressCommand) -> Result<Vec<IpAddressEvent>, IpAddressError> {
        let at = command.at;
        let mut record = match &self.record {
            Some(record) => record.clone(),
            None => IpRecord::new(command.id, command.address, command.is_range, at),
        };
        let known = self.record.is_some();
        let changed_by = command.by;
        // A clock may run behind the one that wrote before.
        record.last_seen_at = record.last_seen_at.max(at);
        let event = match command.act {
            Act::Observe { requests, blocked } => {
                observe(&mut record, requests, blocked)?;
                IpAddressEvent::IpObserved { record, requests, blocked }
            }
            Act::LinkIncident { incident_id, incident_type, severity } => {
                link(&mut record, incident_id, incident_type, severity, at);
                IpAddressEvent::IpIncidentLinked { record, incident_id }
            }
            Act::RefuteIncident { incident_id } if known => {
                refute(&mut record, incident_id);
                IpAddressEvent::IpIncidentRefuted { record, incident_id }
            }
            Act::Whitelist { until, reason } => {
                if record.is_blacklisted(at) {
                    return Err(IpAddressError::IsBlacklisted);
                }
                record.whitelist = Some(listing(record.whitelist, until, at)?);
                record.auto_block_until = None;
                if let Some(before) = &self.record
                    && before.whitelist == record.whitelist
                    && before.auto_block_until.is_none()
                {
                    return Ok(Vec::new());
                }
                IpAddressEvent::IpWhitelisted { record, reason, changed_by }
            }
            Act::Blacklist { until, reason } => {
                if record.is_whitelisted(at) {
                    return Err(IpAddressError::IsWhitelisted);
                }
                if command.is_exempt {
                    return Err(IpAddressError::Exempt);
                }
                record.blacklist = Some(listing(record.blacklist, until, at)?);
                if self.record.as_ref().is_some_and(|it| it.blacklist == record.blacklist) {
                    return Ok(Vec::new());
                }
                IpAddressEvent::IpBlacklisted { record, reason, changed_by }
            }
            Act::RemoveFromWhitelist if known => {
                if !record.is_whitelisted(at) {
                    return Ok(Vec::new());
                }
                record.whitelist = None;
                IpAddressEvent::IpWhitelistEnded { record, changed_by }
            }
            Act::RemoveFromBlacklist if known => {
                if !record.is_blacklisted(at) {
                    return Ok(Vec::new());
                }
                record.blacklist = None;
                IpAddressEvent::IpBlacklistEnded { record, changed_by }
            }
            Act::AutoBlock => {
                if command.is_exempt {
                    return Err(IpAddressError::Exempt);
                }
                if !auto_block(&mut record, at)? {
                    return Ok(Vec::new());
                }
                IpAddressEvent::IpAutoBlocked { record, changed_by }
            }
            Act::LiftAutoBlock if known => {
                if record.auto_block_until.is_none_or(|until| until <= at) {
                    return Ok(Vec::new());
                }
                record.auto_block_until = None;
                record.grace_until = Some(at + GRACE);
                IpAddressEvent::IpAutoBlockLifted { record, changed_by }
            }
            Act::Annotate { notes } => {
                let same = |it: &Option<Personal<AddressNotes>>| {
                    it.as_ref().and_then(Personal::get) == notes.as_ref().and_then(Personal::get)
                };
                if self.record.as_ref().is_some_and(|record| same(&record.notes)) {
                    return Ok(Vec::new());
                }
                record.notes = notes;
                IpAddressEvent::IpAnnotated { record, changed_by }
            }
            Act::RecordExternal(report) => {
                enrich(&mut record, report, at)?;
                IpAddressEvent::IpEnriched { record, changed_by }
            }
            Act::RefuteIncident { .. }
            | Act::RemoveFromWhitelist
            | Act::RemoveFromBlacklist
            | Act::LiftAutoBlock => return Err(IpAddressError::NotFound),
        };
        Ok(vec![event])
    }
}

fn observe(record: &mut IpRecord, requests: u64, blocked: u64) -> Result<(), IpAddressError> {
    if blocked > requests {
        return Err(IpAddressError::MoreBlockedThanSeen);
    }
    record.request_count = record.request_count.saturating_add(requests);
    record.blocked_count = record.blocked_count.saturating_add(blocked);
    Ok(())
}

fn link(
    record: &mut IpRecord,
    incident_id: IncidentId,
    incident_type: IncidentType,
    severity: Severity,
    at: DateTime<Utc>,
) {
    record.incident_count = record.incident_count.saturating_add(1);
    record.confirmed_incident_count = record.confirmed_incident_count.saturating_add(1);
    record.last_incident_at = record.last_incident_at.max(Some(at));
    if !record.threat_categories.contains(&incident_type) {
        record.threat_categories.push(incident_type);
    }
    let (kind, weight) = (EntryKind::Incident, weight_of(severity));
    remember(&mut record.entries, Entry { kind, weight, at, incident_id: Some(incident_id) });
}

fn refute(record: &mut IpRecord, incident_id: IncidentId) {
    record.confirmed_incident_count = record.confirmed_incident_count.saturating_sub(1);
    record.entries.retain(|entry| entry.incident_id != Some(incident_id));
}

/// Being on a list until then; said again with the same end, since when it was.
fn listing(
    before: Option<Listing>,
    until: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
) -> Result<Listing, IpAddressError> {
    if until.is_some_and(|until| until <= at || until > at + LISTING_MAX) {
        return Err(IpAddressError::WrongEnd);
    }
    let same = before.filter(|listing| listing.holds_at(at) && listing.until == until);
    Ok(same.unwrap_or(Listing { since: at, until }))
}

/// Blocks the address for a while; false where it is blocked already.
fn auto_block(record: &mut IpRecord, at: DateTime<Utc>) -> Result<bool, IpAddressError> {
    if record.is_whitelisted(at) {
        return Err(IpAddressError::NeverBlocked);
    }
    if record.grace_until.is_some_and(|until| at < until) {
        return Err(IpAddressError::Grace);
    }
    if record.auto_block_until.is_some_and(|until| at < until) {
        return Ok(false);
    }
    let forgiven = record.last_auto_block_at.is_none_or(|last| last + FORGIVEN_AFTER <= at);
    let before = if forgiven { 0 } else { record.auto_block_count };
    let times = 1_i32.checked_shl(before).filter(|times| *times > 0).unwrap_or(i32::MAX);
    let length = FIRST_BLOCK.checked_mul(times).unwrap_or(LONGEST_BLOCK).min(LONGEST_BLOCK);
    record.auto_block_until = Some(at + length);
    record.auto_block_count = before.saturating_add(1);
    record.last_auto_block_at = Some(at);
    let (kind, weight) = (EntryKind::AutoBlock, BLOCK_WEIGHT);
    remember(&mut record.entries, Entry { kind, weight, at, incident_id: None });
    Ok(true)
}

fn enrich(
    record: &mut IpRecord,
    report: ExternalReport,
    at: DateTime<Utc>,
) -> Result<(), IpAddressError> {
    if let Some((source, score)) = report.score {
        record.external_reputation.retain(|external| external.source != source);
        if record.external_reputation.len() >= SOURCES_MAX {
            return Err(IpAddressError::TooManySources);
        }
        record.external_reputation.push(External { source, score, recorded_at: at });
    }
    record.geolocation = report.geolocation.or(record.geolocation.take());
    record.asn_info = report.asn_info.or(record.asn_info.take());
    record.is_vpn = report.is_vpn.unwrap_or(record.is_vpn);
    record.is_tor = report.is_tor.unwrap_or(record.is_tor);
    record.is_datacenter = report.is_datacenter.unwrap_or(record.is_datacenter);
    Ok(())
}

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
            | IpAddressEvent::IpEnriched { record, .. } => record,
        };
        self.record = Some(record);
    }
}

#[cfg(test)]
mod tests;
