use axum::http::HeaderValue;
use serde_json::json;

use super::*;

fn headers(sent: &[(&'static str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in sent {
        headers.append(*name, HeaderValue::from_bytes(value).expect("a value"));
    }
    headers
}

fn said(sent: &[(&'static str, &[u8])]) -> Arc<Said> {
    Said::of(&headers(sent))
}

fn json_of(said: &Said) -> serde_json::Value {
    serde_json::from_str(said.headers.as_deref().expect("some")).expect("it is JSON")
}

#[test]
fn sal_10_a_referrer_loses_what_may_be_secret_in_it() {
    for (sent, kept) in [
        ("https://agora.example/a/b?token=x#y", "https://agora.example/a/b"),
        ("https://kari:secret@agora.example", "https://agora.example"),
        ("https://kari:s@cret@agora.example/", "https://agora.example/"),
        ("https://agora.example/@kari", "https://agora.example/@kari"),
        ("https://agora.example#://kari@x", "https://agora.example"),
        ("/a?token=x", "/a"),
        // No URLs.
        ("/a/kari@x://kari@y", "y"),
        ("æ://ø:å@é/ü", "é/ü"),
        ("//kari:secret@agora.example/", "agora.example/"),
        ("https:/kari:secret@agora.example/", "agora.example/"),
        ("kari:secret@agora.example", "agora.example"),
        ("", ""),
    ] {
        let said = said(&[("referer", sent.as_bytes())]);
        assert_eq!(said.referrer.as_deref(), Some(kept), "{sent}");
    }
    let long = format!("https://kari:{}@agora.example/a", "s".repeat(2_800));
    assert_eq!(
        said(&[("referer", long.as_bytes())]).referrer.as_deref(),
        Some("https://agora.example/a")
    );
    let secret = |token: &str| {
        let mut met = Met::default();
        let sent = format!("https://{token}@agora.example/?{token}#{token}");
        met.find(&headers(&[("referer", sent.as_bytes()), ("cookie", token.as_bytes())]));
        met.clients.into_keys().next().expect("it is remembered")
    };
    assert_eq!(secret("one"), secret("another"), "nor is it remembered");
}

#[test]
fn sal_10_texts_are_bounded_and_hold_no_control_characters() {
    let agent = |sent: &[u8]| said(&[("user-agent", sent)]).user_agent.clone().expect("one");
    assert_eq!(&*agent(b"Mozilla/5.0 (X11)"), "Mozilla/5.0 (X11)");
    assert_eq!(agent(&[b'a'; 1_000]).len(), 512);
    assert_eq!(said(&[("referer", &[b'a'; 3_000])]).referrer.as_deref().map(str::len), Some(2_048));
    assert_eq!(json_of(&said(&[("host", &[b'a'; 300])])), json!({"host": "a".repeat(256)}));
    let cut = [&[b'a'; 511], "ø".as_bytes()].concat();
    assert!(agent(&cut).ends_with("a\u{fffd}"), "cut within a character");
    assert_eq!(plain(b"a\x7f"), "a\u{fffd}");
    let odd = plain("a\tb\u{1b}[2J\u{85}\u{feff}".as_bytes());
    assert!(!odd.chars().any(char::is_control), "{odd:?}");
}

#[test]
fn sal_10_only_listed_headers_are_kept_and_they_are_json() {
    assert_eq!(*said(&[]), Said::default());
    let said = said(&[
        ("authorization", b"Bearer x"),
        ("cookie", b"a=b"),
        ("accept", b"text/html\", \"x\": \"y"),
        ("x-forwarded-for", b"192.0.2.1"),
        ("accept-language", b"nb"),
    ]);
    assert_eq!(
        json_of(&said),
        json!({"accept": "text/html\", \"x\": \"y", "accept-language": "nb"})
    );
    assert_eq!((&said.user_agent, &said.referrer), (&None, &None));
}

/// The closed list.
#[test]
fn sal_10_each_header_that_is_kept_has_its_own_place() {
    const OTHERS: &str = "accept accept-encoding accept-language content-type dnt host origin sec-ch-ua \
        sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-mode sec-fetch-site sec-gpc x-requested-with";
    let mut numbers = vec![number("user-agent"), number("referer")];
    for name in OTHERS.split(' ') {
        assert_eq!(json_of(&said(&[(name, b"x")])), json!({name: "x"}));
        numbers.push(number(name));
    }
    let all: Vec<_> = (0..16).map(Some).collect();
    assert_eq!(numbers, all);
}

#[test]
fn sal_10_of_a_header_that_comes_twice_the_first_is_kept() {
    let said = said(&[
        ("host", b"a"),
        ("user-agent", b"one"),
        ("accept", b"x"),
        ("referer", b"/one"),
        ("accept", b"y"),
        ("user-agent", b"two"),
        ("referer", b"/two"),
    ]);
    assert_eq!(said.headers.as_deref(), Some(r#"{"host":"a","accept":"x"}"#));
    assert_eq!(said.user_agent.as_deref(), Some("one"));
    assert_eq!(said.referrer.as_deref(), Some("/one"));
    let repeated = vec![("accept", [0xff; 256].as_slice()); 95];
    let said = self::said(&repeated);
    assert!(
        said.headers.as_deref().is_some_and(|json| json.len() < 1_000),
        "a client cannot say more"
    );
}

#[test]
fn sal_05_a_client_is_met_once_and_never_taken_for_another() {
    let browser: &[(&str, &[u8])] = &[("user-agent", b"a browser"), ("accept", b"text/html")];
    let first = said(browser);
    assert!(Arc::ptr_eq(&first, &said(browser)));
    let with_secrets = [browser, &[("authorization", b"Bearer x"), ("content-length", b"7")]];
    assert!(Arc::ptr_eq(&first, &said(&with_secrets.concat())), "of which nothing is looked at");
    let others: [&[(&str, &[u8])]; 9] = [
        browser,
        &[("user-agent", b"a browser"), ("accept", b"text/htm")],
        &[("user-agent", b"a browser")],
        &[("accept", b"text/html")],
        &[("user-agent", b"a browser"), ("origin", b"text/html")],
        // One ends and the next begins elsewhere.
        &[("accept", b"ab"), ("host", b"c")],
        &[("accept", b"a"), ("host", b"bc")],
        &[("accept", b"abc")],
        &[("accept", b"abc"), ("host", b"")],
    ];
    let others: Vec<_> = others.into_iter().map(said).collect();
    for (number, one) in others.iter().enumerate() {
        for other in &others[..number] {
            assert!(!Arc::ptr_eq(one, other));
            assert_ne!(one, other);
        }
    }
    let elsewhere = std::thread::spawn({
        let sent = headers(browser);
        move || Said::of(&sent)
    });
    assert_eq!(*elsewhere.join().expect("it ends"), *first);
}

#[test]
fn sal_05_so_many_clients_are_remembered_and_no_long_ones() {
    let mut met = Met::default();
    let agent = |number: usize| headers(&[("user-agent", number.to_string().as_bytes())]);
    for number in 0..MET_MAX {
        met.find(&agent(number));
    }
    assert_eq!(met.clients.len(), MET_MAX);
    let remembered = met.find(&agent(7));
    assert_eq!(met.clients.len(), MET_MAX);
    let one_more = met.find(&agent(MET_MAX));
    assert_eq!(met.clients.len(), 1, "all others are forgotten");
    assert!(Arc::ptr_eq(&one_more, &met.find(&agent(MET_MAX))));
    assert_eq!(remembered.user_agent.as_deref(), Some("7"));
    let long = headers(&[("referer", &[b'a'; 2_000])]);
    let (first, again) = (met.find(&long), met.find(&long));
    assert_eq!((first == again, Arc::ptr_eq(&first, &again)), (true, false));
    assert_eq!(met.clients.len(), 1);
}
