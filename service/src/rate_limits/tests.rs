use super::*;

fn limits(per_minute: u32) -> RateLimits {
    let limits = RateLimits::default();
    limits.set(|_| per_minute);
    limits
}

fn client(address: &str) -> ClientAddress {
    ClientAddress::of(address.parse().unwrap())
}

fn told(reading: &Reading) -> (String, String, Option<String>) {
    let mut headers = HeaderMap::new();
    reading.tell(&mut headers);
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    (text(RATE_LIMIT_POLICY).unwrap(), text(RATE_LIMIT).unwrap(), text(header::RETRY_AFTER))
}

#[test]
fn inc_12_a_minutes_requests_pass_and_the_next_waits() {
    let limits = limits(3);
    let count = |address: &str| limits.of_address(client(address), Class::Read).unwrap();
    let first = told(&count("192.0.2.1"));
    assert_eq!(
        first,
        ("\"address-read\";q=3;w=60".into(), "\"address-read\";r=2;t=20".into(), None)
    );
    assert!(!count("192.0.2.1").is_refused && !count("192.0.2.1").is_refused);
    let refused = count("192.0.2.1");
    assert!(refused.is_refused && refused.permit().is_err());
    let (_, now, wait) = told(&refused);
    assert_eq!((now.as_str(), wait.as_deref()), ("\"address-read\";r=0;t=20", Some("20")));
    assert!(!count("192.0.2.2").is_refused, "another address is another client");
}

#[test]
fn inc_12_classes_principals_and_addresses_count_apart() {
    let limits = limits(1);
    let address = |class| limits.of_address(client("192.0.2.1"), class).unwrap().is_refused;
    for class in [Class::Login, Class::Read, Class::Search, Class::Write] {
        assert!(!address(class) && address(class), "{class:?}");
    }
    assert!(!limits.of_principal(7, Class::Read).unwrap().is_refused);
    assert!(limits.of_principal(7, Class::Read).unwrap().is_refused);
    assert!(!limits.of_principal(8, Class::Read).unwrap().is_refused);
    assert!(limits.of_principal(7, Class::Login).is_none(), "who logs in is not known yet");
}

/// Whoever has one address of a /64 has them all; an IPv4 address has one spelling.
#[test]
fn inc_12_ipr_05_ipv6_counts_by_its_network() {
    let limits = limits(1);
    let refused =
        |address: &str| limits.of_address(client(address), Class::Read).unwrap().is_refused;
    assert!(!refused("2001:db8:1:2::1") && refused("2001:db8:1:2:ffff::9"));
    assert!(!refused("2001:db8:1:3::1"));
    assert!(!refused("192.0.2.1") && refused("::ffff:192.0.2.1"));
}

#[test]
fn inc_12_limits_change_while_it_runs_and_0_is_none() {
    let limits = limits(1);
    let count = || limits.of_address(client("192.0.2.1"), Class::Read).map(|it| it.is_refused);
    assert_eq!((count(), count()), (Some(false), Some(true)));
    limits.set(|_| 1);
    assert_eq!(count(), Some(true), "what does not change keeps its counts");
    limits.set(|_| 5);
    assert_eq!(count(), Some(false));
    limits.set(|_| 0);
    assert_eq!((count(), count()), (None, None));
}

#[test]
fn inc_12_memory_is_bounded() {
    let limits = limits(60_000);
    for number in 0..1_000_u128 {
        limits.of_principal(number, Class::Read);
    }
    // A cell is back after a millisecond.
    #[expect(clippy::disallowed_methods, reason = "no task is stopped by it")]
    std::thread::sleep(Duration::from_millis(20));
    limits.sweep(10_000, true);
    assert_eq!(limits.keys(), 0, "idle keys go");
    limits.set(|_| 1);
    for number in 0..1_000_u128 {
        limits.of_principal(number, Class::Read);
    }
    limits.sweep(999, false);
    assert_eq!(limits.keys(), 0, "and where none is idle, all begin anew");
}
