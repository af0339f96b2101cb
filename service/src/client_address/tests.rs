use axum::http::HeaderValue;

use super::*;

fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
    let trusted = TrustedProxies::new(vec![
        "10.0.0.0/8".parse().unwrap(),
        "fd00::/8".parse().unwrap(),
        "127.0.0.1/32".parse().unwrap(),
    ]);
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    trusted.client(peer.parse().unwrap(), &map).to_string()
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

#[test]
fn the_standard_header_wins_over_the_old_one() {
    let both = [("x-forwarded-for", "192.0.2.66"), ("forwarded", "for=198.51.100.7")];
    assert_eq!(client("127.0.0.1:80", &both), "198.51.100.7");
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
