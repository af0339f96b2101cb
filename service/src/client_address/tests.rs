use axum::http::HeaderValue;

use super::*;

fn found(header: ForwardedHeader, peer: &str, headers: &[(&'static str, &str)]) -> ClientAddress {
    let trusted = TrustedProxies::new(vec![
        "10.0.0.0/8".parse().unwrap(),
        "fd00::/8".parse().unwrap(),
        "127.0.0.1/32".parse().unwrap(),
    ]);
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    trusted.reading(header).client(peer.parse().unwrap(), &map)
}

/// By proxies that write the first of the headers given, whichever it is.
fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
    let header = match headers.first() {
        Some(("forwarded", _)) => ForwardedHeader::Forwarded,
        _ => ForwardedHeader::XForwardedFor,
    };
    found(header, peer, headers).to_string()
}

#[test]
fn a_peer_that_is_not_trusted_cannot_claim_another_address() {
    let claims = [("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=198.51.100.8")];
    assert_eq!(client("203.0.113.9:5000", &claims), "203.0.113.9");
}

#[test]
fn a_trusted_proxy_is_believed() {
    assert_eq!(client("10.1.1.1:80", &[("x-forwarded-for", "198.51.100.7")]), "198.51.100.7");
    assert_eq!(
        client("10.1.1.1:80", &[("forwarded", "for=198.51.100.7;proto=https")]),
        "198.51.100.7"
    );
    assert_eq!(client("10.1.1.1:80", &[]), "10.1.1.1");
}

#[test]
fn what_a_client_wrote_before_the_proxies_is_not_believed() {
    // The client sent `X-Forwarded-For: 192.0.2.66`; two proxies of ours appended what they saw.
    let spoofed = [("x-forwarded-for", "192.0.2.66, 198.51.100.7, 10.2.2.2")];
    assert_eq!(client("10.1.1.1:80", &spoofed), "198.51.100.7");
    let in_two_lines = [("x-forwarded-for", "192.0.2.66"), ("x-forwarded-for", "198.51.100.7")];
    assert_eq!(client("10.1.1.1:80", &in_two_lines), "198.51.100.7");
    let trusted_text = [("forwarded", "for=10.9.9.9, for=198.51.100.7")];
    assert_eq!(client("10.1.1.1:80", &trusted_text), "198.51.100.7");
}

#[test]
fn a_quoted_comma_does_not_start_an_element() {
    let spoofed =
        [("forwarded", r#"for="192.0.2.66, for=192.0.2.67";by="a\",b", for=198.51.100.7"#)];
    assert_eq!(client("10.1.1.1:80", &spoofed), "198.51.100.7");
}

/// A proxy passes the header that it does not write as the client sent it.
#[test]
fn only_the_header_that_the_proxies_write_is_read() {
    let (told, forged) = (("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=192.0.2.66"));
    let of = |header, headers: &[_]| found(header, "127.0.0.1:80", headers).to_string();
    assert_eq!(of(ForwardedHeader::default(), &[forged, told]), "198.51.100.7");
    assert_eq!(
        of(ForwardedHeader::default(), &[("forwarded", "for=127.0.0.1"), told]),
        "198.51.100.7"
    );
    let (told, forged) = (("forwarded", "for=198.51.100.7"), ("x-forwarded-for", "192.0.2.66"));
    assert_eq!(of(ForwardedHeader::Forwarded, &[forged, told]), "198.51.100.7");
}

#[test]
fn a_quote_that_a_client_begins_hides_nothing() {
    for forged in ["for=\", ", "for=\"\\\", ", "for=\"\\, ", "\", "] {
        let told = format!("{forged}for=198.51.100.7;proto=https");
        assert_eq!(client("10.1.1.1:80", &[("forwarded", &told)]), "198.51.100.7", "{told}");
        let told = format!("{forged}for=\"[2001:db8::1]:80\";by=\"[fd00::1]\"");
        assert_eq!(client("10.1.1.1:80", &[("forwarded", &told)]), "2001:db8::1", "{told}");
    }
    assert_eq!(client("10.1.1.1:80", &[("x-forwarded-for", "\", 198.51.100.7")]), "198.51.100.7");
    let in_two_lines = [("x-forwarded-for", "\""), ("x-forwarded-for", "198.51.100.7")];
    assert_eq!(client("10.1.1.1:80", &in_two_lines), "198.51.100.7");
}

/// K20: neither by what a header says nor by making it unreadable does anybody become the machine itself.
#[test]
fn k20_what_a_header_says_is_never_the_machine_itself() {
    let (old, standard) = (ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded);
    for (header, name, text, is_clients) in [
        (old, "x-forwarded-for", "127.0.0.1", true),
        (old, "x-forwarded-for", "::1", true),
        (old, "x-forwarded-for", "[::1]:80", true),
        (old, "x-forwarded-for", "::ffff:127.0.0.1", true),
        (old, "x-forwarded-for", "0.0.0.0", true),
        (old, "x-forwarded-for", "::", true),
        (old, "x-forwarded-for", "\"", false),
        (old, "x-forwarded-for", "", false),
        (old, "x-forwarded-for", "\u{e9}", false),
        // No zone ids, no octal, no short forms: another reader may take them for another address.
        (old, "x-forwarded-for", "::1%lo", false),
        (old, "x-forwarded-for", "fe80::1%eth0", false),
        (old, "x-forwarded-for", "0177.0.0.1", false),
        (old, "x-forwarded-for", "127.1", false),
        (old, "x-forwarded-for", "2130706433", false),
        (standard, "forwarded", "for=127.0.0.1", true),
        (standard, "forwarded", r#"for="[::1]""#, true),
        (standard, "forwarded", r#"for=""#, false),
        (standard, "forwarded", r#"for=", for=127.0.0.1"#, false),
        (standard, "forwarded", "for=unknown", false),
        (standard, "forwarded", "proto=https", false),
    ] {
        let client = found(header, "127.0.0.1:80", &[(name, text)]);
        assert!(!client.is_own(), "{text}");
        assert_eq!(client.is_clients(), is_clients, "{text}");
    }
    assert!(found(old, "127.0.0.1:80", &[]).is_own(), "who asks without a proxy");
    assert!(found(old, "[::ffff:127.0.0.1]:80", &[]).is_own());
    let untrusted =
        TrustedProxies::default().client("[::1]:80".parse().unwrap(), &HeaderMap::new());
    assert!(untrusted.is_own());
}

#[test]
fn hidden_and_broken_elements_end_the_walk_at_the_last_known_address() {
    assert_eq!(client("10.1.1.1:80", &[("forwarded", "for=192.0.2.66, for=_hidden")]), "10.1.1.1");
    assert_eq!(
        client("10.1.1.1:80", &[("x-forwarded-for", "192.0.2.66, nonsense, 10.2.2.2")]),
        "10.2.2.2"
    );
    assert_eq!(client("10.1.1.1:80", &[("x-forwarded-for", "")]), "10.1.1.1");
}

#[test]
fn addresses_have_one_text_each() {
    let v6 = [("forwarded", r#"For="[2001:DB8:0:0:0:0:0:1]:4711""#)];
    assert_eq!(client("10.1.1.1:80", &v6), "2001:db8::1");
    assert_eq!(client("10.1.1.1:80", &[("x-forwarded-for", "198.51.100.7:99")]), "198.51.100.7");
    assert_eq!(
        client("10.1.1.1:80", &[("x-forwarded-for", "::ffff:198.51.100.7")]),
        "198.51.100.7"
    );
    assert_eq!(
        client("[::ffff:10.1.1.1]:80", &[("x-forwarded-for", "2001:db8::2")]),
        "2001:db8::2"
    );
    assert_eq!(client("[::ffff:203.0.113.9]:80", &[]), "203.0.113.9");
}
