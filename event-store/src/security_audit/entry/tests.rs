use agora_service::http::access::Known;

use super::*;

pub(in super::super) fn access(status: u16, indicators: Vec<&'static str>) -> Access {
    Access {
        at: DateTime::UNIX_EPOCH,
        took_ms: 3,
        method: "GET",
        route: None,
        status,
        request_bytes: 1,
        response_bytes: Some(2),
        payload_hash: None,
        client: None,
        said: Arc::default(),
        known: Known { indicators, ..Known::default() },
        at_the_door: false,
    }
}

fn told(access: Access) -> Entry {
    let mut entries = Vec::new();
    Entry::of_access(access, 1, &mut Routes::default(), &mut entries);
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
    Entry::of_access(access, 990, &mut Routes::default(), &mut entries);
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

/// Files keep entries until they are written, by another version of the process maybe.
#[test]
fn what_older_and_younger_processes_keep_in_files_has_one_form() {
    let form = |person: &str| {
        let before = concat!(
            r#"{"log_id":"019ab697-e87b-7f87-a917-fce0bf9e4882","#,
            r#""recorded_at":"2025-11-24T16:00:00.123456Z","event_type":"API_ACCESS","#,
            r#""result":"SUSPICIOUS","retention":"OPERATIONAL","endpoint":"/v1/commands/log-in","#,
            r#""http_method":"POST","response_code":401,"request_size_bytes":12,"#,
            r#""response_size_bytes":34,"processing_time_ms":5,"risk_score":80,"#,
            r#""threat_indicators":["sql_injection","not_authenticated"],"#,
            r#""payload_hash":[7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7],"#,
            r#""case_id":"00000000-0000-0000-0000-000000000008","#,
            r#""metadata":"{\"rule\":\"CRD-12\"}","person":"#,
        );
        format!("{before}{person}}}")
    };
    let full = Person {
        user: Some(Uuid::from_u128(1)),
        kind: Some("member".into()),
        session: Some(Uuid::from_u128(2)),
        ip: Some([203, 0, 113, 9].into()),
        said: Arc::new(Said {
            user_agent: Some("a \"browser\"".into()),
            referrer: Some("https://agora.example/page".into()),
            headers: Some(r#"{"accept":"text/html"}"#.into()),
        }),
    };
    let said = Said { user_agent: Some("a".into()), ..Said::default() };
    for (text, person) in [
        (
            concat!(
                r#"{"user":"00000000-0000-0000-0000-000000000001","kind":"member","#,
                r#""session":"00000000-0000-0000-0000-000000000002","ip":"203.0.113.9","#,
                r#""user_agent":"a \"browser\"","referrer":"https://agora.example/page","#,
                r#""headers":"{\"accept\":\"text/html\"}"}"#,
            ),
            full,
        ),
        (r#"{"user_agent":"a"}"#, Person { said: said.into(), ..Person::default() }),
        ("{}", Person::default()),
    ] {
        let entry: Entry = serde_json::from_str(&form(text)).expect("it is read");
        assert_eq!(entry.person, person);
        assert_eq!(entry.payload_hash, Some([7; 32]));
        assert_eq!(serde_json::to_string(&entry).expect("it is written"), form(text));
    }
}
