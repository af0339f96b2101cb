//! What happens to what is known of an address: one pure function for each act.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Act, ExternalReport, FIRST_BLOCK, FORGIVEN_AFTER, GRACE, IpAddress, IpAddressCommand,
    IpAddressError, IpAddressEvent, IpRecord, LONGEST_BLOCK, Listing,
};
use crate::{
    aggregate::Decide,
    ids::IncidentId,
    personal::Personal,
    security::{
        reputation::{BLOCK_WEIGHT, Entry, EntryKind, External, SOURCES_MAX, remember, weight_of},
        values::{IncidentType, Severity},
    },
    values::AddressNotes,
};

/// No listing is for longer than ten years: that is for good, without an end.
const LISTING_MAX: TimeDelta = TimeDelta::days(3_653);

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
            Act::Forget if known => {
                // What was seen until now is asked for, not what this command itself would be.
                if self
                    .record
                    .as_ref()
                    .is_some_and(|record| record.kept_until().is_none_or(|until| until > at))
                {
                    return Ok(Vec::new());
                }
                IpAddressEvent::IpForgotten { id: record.id, forgotten_at: at }
            }
            // It may have been forgotten already.
            Act::Forget => return Ok(Vec::new()),
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
