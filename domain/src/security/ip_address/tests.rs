use uuid::Uuid;

use super::*;
use crate::{
    aggregate::Decide,
    personal::{Category, Subject},
    security::{reputation::SOURCES_MAX, values::RiskLevel},
};

fn minute(number: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(number)
}

fn command(at: i64, act: Act) -> IpAddressCommand {
    let network: Network = "192.0.2.1".parse().unwrap();
    IpAddressCommand {
        id: IpAddressId(Uuid::from_u128(1)),
        address: Personal::new(Subject::from("address"), Category::Network, network),
        is_range: false,
        is_exempt: false,
        at: minute(at),
        by: Actor::SYSTEM,
        act,
    }
}

fn decide(address: &mut IpAddress, at: i64, act: Act) -> Result<usize, IpAddressError> {
    let events = address.decide(command(at, act))?;
    let made = events.len();
    events.into_iter().for_each(|event| address.apply(event));
    Ok(made)
}

fn incident(number: u128) -> Act {
    Act::LinkIncident {
        incident_id: IncidentId(Uuid::from_u128(number)),
        incident_type: IncidentType::BruteForce,
        severity: Severity::High,
    }
}

fn white(until: Option<i64>) -> Act {
    Act::Whitelist { until: until.map(minute), reason: None }
}

fn black(until: Option<i64>) -> Act {
    Act::Blacklist { until: until.map(minute), reason: None }
}

#[test]
fn ipr_03_ipr_04_counters_only_rise() {
    let mut address = IpAddress::default();
    decide(&mut address, 0, Act::Observe { requests: 5, blocked: 5 }).unwrap();
    let wrong = decide(&mut address, 1, Act::Observe { requests: 1, blocked: 2 });
    assert_eq!(wrong, Err(IpAddressError::MoreBlockedThanSeen));
    decide(&mut address, 2, Act::Observe { requests: 2, blocked: 0 }).unwrap();
    let record = address.get().unwrap();
    assert_eq!((record.request_count, record.blocked_count), (7, 5));
    assert_eq!((record.first_seen_at, record.last_seen_at), (minute(0), minute(2)));
}

#[test]
fn inc_10_inc_11_incidents_are_counted_and_false_alarms_taken_back() {
    let mut address = IpAddress::default();
    decide(&mut address, 0, incident(1)).unwrap();
    decide(&mut address, 5, incident(2)).unwrap();
    let at = minute(5);
    assert_eq!(address.get().unwrap().score(at).0.risk_level(), RiskLevel::Malicious);
    let refuted = Act::RefuteIncident { incident_id: IncidentId(Uuid::from_u128(1)) };
    decide(&mut address, 6, refuted).unwrap();
    let record = address.get().unwrap();
    assert_eq!((record.incident_count, record.confirmed_incident_count), (2, 1));
    assert_eq!(record.last_incident_at, Some(at));
    assert_eq!(record.score(at).0.get(), 40);
    assert_eq!(record.threat_categories, [IncidentType::BruteForce]);
    let nobody = decide(
        &mut IpAddress::default(),
        0,
        Act::RefuteIncident { incident_id: IncidentId(Uuid::from_u128(1)) },
    );
    assert_eq!(nobody, Err(IpAddressError::NotFound));
}

#[test]
fn ipr_10_the_whitelist_beats_everything_and_lists_exclude_each_other() {
    let mut address = IpAddress::default();
    decide(&mut address, 0, Act::AutoBlock).unwrap();
    decide(&mut address, 1, white(None)).unwrap();
    assert_eq!(address.get().unwrap().auto_block_until, None, "it ends a block at once");
    assert_eq!(decide(&mut address, 2, black(None)), Err(IpAddressError::IsWhitelisted));
    assert_eq!(decide(&mut address, 2, Act::AutoBlock), Err(IpAddressError::NeverBlocked));
    decide(&mut address, 3, Act::RemoveFromWhitelist).unwrap();
    assert_eq!(decide(&mut address, 3, Act::RemoveFromWhitelist), Ok(0), "no news");
    decide(&mut address, 4, black(None)).unwrap();
    assert_eq!(decide(&mut address, 5, white(None)), Err(IpAddressError::IsBlacklisted));
    assert_eq!(decide(&mut address, 5, black(None)), Ok(0), "no news");
}

#[test]
fn ipr_11_a_temporary_listing_ends_by_itself() {
    let mut address = IpAddress::default();
    for wrong in [0, -1, 6_000_000] {
        assert_eq!(decide(&mut address, 0, white(Some(wrong))), Err(IpAddressError::WrongEnd));
    }
    decide(&mut address, 0, black(Some(10))).unwrap();
    let record = address.get().unwrap();
    let status = |at| BlacklistStatus::of(record.blacklist, minute(at)).as_str();
    assert_eq!((status(9), status(10)), ("TEMPORARILY_BLACKLISTED", "NOT_LISTED"));
    decide(&mut address, 10, white(Some(20))).unwrap();
    let record = address.get().unwrap();
    let status = |at| WhitelistStatus::of(record.whitelist, minute(at)).as_str();
    assert_eq!((status(19), status(20)), ("TEMPORARILY_WHITELISTED", "NOT_LISTED"));
    decide(&mut address, 11, white(None)).unwrap();
    let status = WhitelistStatus::of(address.get().unwrap().whitelist, minute(99)).as_str();
    assert_eq!(status, "WHITELISTED");
}

#[test]
fn ipr_12_blocks_grow_and_a_lifted_one_has_a_time_of_grace() {
    let mut address = IpAddress::default();
    let mut at = 0;
    for minutes in [15, 30, 60, 120] {
        assert_eq!(decide(&mut address, at, Act::AutoBlock), Ok(1));
        assert_eq!(address.get().unwrap().auto_block_until, Some(minute(at + minutes)));
        assert_eq!(decide(&mut address, at + 1, Act::AutoBlock), Ok(0), "it is blocked already");
        at += minutes;
    }
    decide(&mut address, at, Act::AutoBlock).unwrap();
    assert_eq!(decide(&mut address, at + 1, Act::LiftAutoBlock), Ok(1));
    assert_eq!(decide(&mut address, at + 2, Act::LiftAutoBlock), Ok(0));
    assert_eq!(decide(&mut address, at + 60, Act::AutoBlock), Err(IpAddressError::Grace));
    assert_eq!(decide(&mut address, at + 61, Act::AutoBlock), Ok(1));
    for _ in 0..40 {
        let until = address.get().unwrap().auto_block_until.unwrap();
        at = (until - DateTime::UNIX_EPOCH).num_minutes();
        decide(&mut address, at, Act::AutoBlock).unwrap();
    }
    let until = address.get().unwrap().auto_block_until;
    assert_eq!(until, Some(minute(at) + LONGEST_BLOCK));
    // After a month in peace it begins anew.
    let later = at + FORGIVEN_AFTER.num_minutes();
    decide(&mut address, later, Act::AutoBlock).unwrap();
    assert_eq!(address.get().unwrap().auto_block_until, Some(minute(later) + FIRST_BLOCK));
}

#[test]
fn k20_the_machine_itself_is_never_blocked() {
    for act in [Act::AutoBlock, black(None)] {
        let exempt = IpAddressCommand { is_exempt: true, ..command(0, act) };
        assert_eq!(IpAddress::default().decide(exempt), Err(IpAddressError::Exempt));
    }
}

#[test]
fn ipr_06_ipr_14_what_others_say_is_kept_by_source_and_unknown_stays_unknown() {
    let mut address = IpAddress::default();
    let said = |source: &str, score: i64, is_vpn| {
        Act::RecordExternal(ExternalReport {
            score: Some((source.parse().unwrap(), Score::try_from(score).unwrap())),
            is_vpn,
            ..ExternalReport::default()
        })
    };
    decide(&mut address, 0, said("a", 10, Some(Some(true)))).unwrap();
    decide(&mut address, 1, said("a", 20, None)).unwrap();
    let record = address.get().unwrap();
    assert_eq!(record.external_reputation.len(), 1);
    assert_eq!((record.is_vpn, record.is_tor), (Some(true), None));
    decide(&mut address, 2, said("a", 20, Some(None))).unwrap();
    assert_eq!(address.get().unwrap().is_vpn, None);
    for source in 0..SOURCES_MAX - 1 {
        decide(&mut address, 3, said(&format!("b{source}"), 1, None)).unwrap();
    }
    assert_eq!(decide(&mut address, 4, said("c", 1, None)), Err(IpAddressError::TooManySources));
}

#[test]
fn ipr_15_what_was_idle_for_180_days_is_forgotten_and_nothing_sooner() {
    let days = |days: i64| days * 24 * 60;
    let mut address = IpAddress::default();
    assert_eq!(decide(&mut address, 0, Act::Forget), Ok(0), "nothing is known");
    decide(&mut address, 0, incident(1)).unwrap();
    assert_eq!(decide(&mut address, days(179), Act::Forget), Ok(0));
    // It was seen again in the meantime.
    decide(&mut address, days(179), Act::Observe { requests: 1, blocked: 0 }).unwrap();
    assert_eq!(decide(&mut address, days(180), Act::Forget), Ok(0));
    assert_eq!(address.get().unwrap().kept_until(), Some(minute(days(359))));
    assert_eq!(decide(&mut address, days(359), Act::Forget), Ok(1));
    assert!(address.get().is_none());
    assert_eq!(decide(&mut address, days(360), Act::Forget), Ok(0), "it is gone already");
    // An incident that turns out to have been none asks for nothing.
    let refuted = Act::RefuteIncident { incident_id: IncidentId(Uuid::from_u128(1)) };
    assert_eq!(decide(&mut address, days(361), refuted), Err(IpAddressError::NotFound));
}

#[test]
fn ipr_15_what_is_on_a_list_is_kept_for_as_long() {
    let days = |days: i64| days * 24 * 60;
    for (act, until) in
        [(black(None), None), (white(None), None), (black(Some(days(400))), Some(400))]
    {
        let mut address = IpAddress::default();
        decide(&mut address, 0, act).unwrap();
        assert_eq!(address.get().unwrap().kept_until(), until.map(|until| minute(days(until))));
        assert_eq!(decide(&mut address, days(399), Act::Forget), Ok(0));
        assert_eq!(decide(&mut address, days(400), Act::Forget), Ok(usize::from(until.is_some())));
    }
}

#[test]
fn ipr_09_first_seen_is_never_after_last_seen_and_the_newest_incident_counts() {
    let mut address = IpAddress::default();
    decide(&mut address, 5, incident(1)).unwrap();
    decide(&mut address, 9, incident(2)).unwrap();
    // A clock that runs behind.
    decide(&mut address, 3, incident(3)).unwrap();
    let record = address.get().unwrap();
    assert!(record.first_seen_at <= record.last_seen_at);
    assert_eq!((record.first_seen_at, record.last_seen_at), (minute(5), minute(9)));
    assert_eq!(record.last_incident_at, Some(minute(9)));
    assert_eq!(record.incident_count, 3);
}
