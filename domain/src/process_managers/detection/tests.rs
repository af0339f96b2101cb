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
    // Whoever does not give up is an incident, too.
    detector.note(noted("203.0.113.9", Signal::Blocked, 20, 1_000));
    let found = attacks(detector.found(second(20)));
    assert_eq!(found[0].incident_type, IncidentType::SuspiciousBehavior);
    assert_eq!((found[0].method, found[0].blocks), (DetectionMethod::ReputationFilter, false));
}

#[test]
fn inc_12_a_pattern_alone_is_nothing_and_repeated_it_is_an_incident_of_its_type() {
    for (signal, incident_type) in [
        (Signal::SqlInjection, IncidentType::SqlInjection),
        (Signal::Scripting, IncidentType::XssAttempt),
        (Signal::Probing, IncidentType::SuspiciousBehavior),
    ] {
        let mut detector = Detector::default();
        detector.note(noted("203.0.113.9", signal, 0, 4));
        assert!(detector.found(second(0)).is_empty(), "{signal:?}");
        detector.note(noted("203.0.113.9", signal, 1, 1));
        let attack = attacks(detector.found(second(1)))[0];
        assert_eq!((attack.incident_type, attack.blocks), (incident_type, true));
        assert_eq!(attack.method, DetectionMethod::PatternMatching);
        let confidence = attack.confidence.unwrap();
        detector.note(noted("203.0.113.9", signal, 20, 50));
        let surer = attacks(detector.found(second(20)))[0].confidence.unwrap();
        assert!(surer > confidence && surer.get() <= 1.0);
    }
}

#[test]
fn inc_12_so_many_requests_too_many_are_a_flood() {
    let mut detector = Detector::default();
    detector.note(noted("203.0.113.9", Signal::TooMany, 0, 100));
    let attack = attacks(detector.found(second(0)))[0];
    assert_eq!((attack.incident_type, attack.vector), (IncidentType::RateLimitViolation, None));
    detector.note(noted("203.0.113.9", Signal::TooMany, 11, 3_000));
    let attack = attacks(detector.found(second(11)))[0];
    let flood = (IncidentType::DdosAttack, Some(AttackVector::HttpFlood));
    assert_eq!((attack.incident_type, attack.vector), flood);
    assert_eq!((attack.requests, attack.severity), (3_000, Severity::High));
}

#[test]
fn inc_03_inc_12_guessing_from_many_addresses_is_an_incident_of_the_whole_system() {
    let mut detector = Detector::default();
    for host in 0..19_u8 {
        detector.note(noted(&format!("203.0.113.{host}"), Signal::LoginFailed, 0, 19));
        detector.note(noted(&format!("198.51.100.{host}"), Signal::Blocked, 0, 1));
    }
    let only_refused = detector.found(second(0));
    assert!(attacks(only_refused).is_empty(), "nobody stands out, and they are too few");
    for host in 19..30_u8 {
        detector.note(noted(&format!("203.0.113.{host}"), Signal::LoginFailed, 1, 19));
    }
    let found = attacks(detector.found(second(1)));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].incident_type, IncidentType::BruteForce);
    assert_eq!((found[0].requests, found[0].blocks), (30 * 19, false));
    assert!(found[0].address.is_unspecified() && found[0].client.is_exempt());
}

#[test]
fn inc_12_the_failures_of_few_are_no_attack_on_all() {
    let mut detector = Detector::default();
    for host in 0..10_u8 {
        detector.note(noted(&format!("203.0.113.{host}"), Signal::LoginFailed, 0, 1_000));
    }
    let found = attacks(detector.found(second(0)));
    assert_eq!(found.len(), 10, "each is its own");
    assert!(found.iter().all(|attack| attack.blocks));
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
