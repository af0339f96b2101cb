use super::*;

#[test]
fn sal_10_a_referrer_loses_what_may_be_secret_in_it() {
    for (sent, kept) in [
        ("https://agora.example/a/b?token=x#y", "https://agora.example/a/b"),
        ("https://kari:secret@agora.example", "https://agora.example"),
        ("https://agora.example/@kari", "https://agora.example/@kari"),
        ("/a?token=x", "/a"),
        ("", ""),
    ] {
        assert_eq!(referrer(sent.as_bytes()), kept);
    }
}

#[test]
fn sal_10_texts_are_bounded_and_hold_no_control_characters() {
    assert_eq!(plain(b"Mozilla/5.0 (X11)", 64), "Mozilla/5.0 (X11)");
    assert_eq!(plain(&[b'a'; 1_000], 512).len(), 512);
    assert_eq!(plain("aø".as_bytes(), 2), "a\u{fffd}", "cut within a character");
    assert_eq!(plain(b"a\x7f", 64), "a\u{fffd}");
    let odd = plain("a\tb\u{1b}[2J\u{85}\u{feff}".as_bytes(), 64);
    assert!(!odd.chars().any(char::is_control), "{odd:?}");
}

#[test]
fn sal_10_only_listed_headers_are_kept_and_they_are_json() {
    let mut headers = HeaderMap::new();
    assert_eq!(kept(&headers), None);
    for (name, value) in [
        ("authorization", "Bearer x"),
        ("cookie", "a=b"),
        ("accept", "text/html\", \"x\": \"y"),
        ("x-forwarded-for", "192.0.2.1"),
        ("accept-language", "nb"),
    ] {
        headers.insert(name, value.parse().expect("a value"));
    }
    let json: serde_json::Value =
        serde_json::from_str(&kept(&headers).expect("some")).expect("it is JSON");
    assert_eq!(
        json,
        serde_json::json!({
            "accept": "text/html\", \"x\": \"y", "accept-language": "nb",
        })
    );
}
