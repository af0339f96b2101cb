use std::time::Duration;

use agora_service::http::access::Known;
use axum::http::Method;

use super::*;

fn access(status: u16, indicators: Vec<&'static str>) -> Access {
    Access {
        at: DateTime::UNIX_EPOCH,
        took: Duration::from_millis(3),
        method: Method::GET,
        route: None,
        status,
        request_bytes: 1,
        response_bytes: Some(2),
        payload_hash: None,
        client: None,
        user_agent: None,
        referrer: None,
        headers: None,
        known: Known { indicators, ..Known::default() },
        at_the_door: false,
    }
}

fn told(access: Access) -> Entry {
    let mut entries = Vec::new();
    Entry::of_access(access.into(), 1, &mut Texts::default(), &mut entries);
    entries.pop().expect("an access is always told of")
}

#[test]
fn sal_05_each_answer_has_its_result() {
    for (status, result) in [
        (200, AuditResult::Success),
        (304, AuditResult::Success),
        (400, AuditResult::Failure),
        (401, AuditResult::Failure),
        (403, AuditResult::Blocked),
        (429, AuditResult::Blocked),
        (500, AuditResult::Failure),
        (503, AuditResult::Failure),
    ] {
        assert_eq!(told(access(status, Vec::new())).result, result, "{status}");
    }
    let attack = told(access(400, vec!["sql_injection"]));
    assert_eq!(attack.result, AuditResult::Suspicious);
    assert_eq!((attack.retention, attack.risk_score.get()), (RetentionCategory::Security, 80));
    let at_the_door = told(Access { at_the_door: true, ..access(403, Vec::new()) });
    assert_eq!(at_the_door.result, AuditResult::Blocked);
    assert_eq!(at_the_door.risk_score.get(), 90);
}

#[test]
fn sal_05_what_stands_for_several_says_for_how_many() {
    let mut entries = Vec::new();
    let client = Some([203, 0, 113, 9].into());
    let access = Access { client, ..access(403, Vec::new()) };
    Entry::of_access(access.into(), 990, &mut Texts::default(), &mut entries);
    assert_eq!(entries[0].metadata.as_deref(), Some(r#"{"occurrences":990}"#));
}

#[test]
fn sal_04_without_a_peer_it_is_said_so() {
    assert_eq!(told(access(200, Vec::new())).metadata.as_deref(), Some(r#"{"ip_absent":true}"#));
}

#[test]
fn ids_tell_their_time_to_the_millisecond() {
    let at = DateTime::from_timestamp_micros(1_764_000_000_123_456).expect("a time");
    let entry = Entry::at(at, AuditEventType::Login, AuditResult::Success);
    let (seconds, nanos) = entry.log_id.get_timestamp().expect("it has a time").to_unix();
    assert_eq!((seconds, nanos), (1_764_000_000, 123_000_000));
}
