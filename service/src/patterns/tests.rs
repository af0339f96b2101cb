use std::time::Instant;

use axum::http::HeaderValue;

use super::*;

fn of_uri(uri: &str) -> Option<Pattern> {
    of_request(&uri.parse().unwrap(), &HeaderMap::new())
}

#[test]
fn inc_12_what_attackers_send_is_known() {
    for (uri, pattern) in [
        ("/v1/posts?community_id=1%27%20OR%20%271%27=%271", Pattern::SqlInjection),
        ("/v1/posts?sort=1+or+1=1", Pattern::SqlInjection),
        ("/v1/posts?sort=1+union+select+password+from+credentials", Pattern::SqlInjection),
        ("/v1/posts?sort=1/**/UNION/**/ALL/**/SELECT/**/1", Pattern::SqlInjection),
        ("/v1/posts?sort=new%27;drop%20table%20posts--", Pattern::SqlInjection),
        ("/v1/posts?sort=pg_sleep(10)", Pattern::SqlInjection),
        ("/v1/posts?sort=%2527%2520or%25201%253D1", Pattern::SqlInjection),
        ("/v1/posts?cursor=%3Cscript%3Ealert(1)%3C/script%3E", Pattern::Scripting),
        ("/v1/posts/%3Cimg%20src=x%20onerror=alert(1)%3E", Pattern::Scripting),
        ("/v1/posts?next=javascript:alert(1)", Pattern::Scripting),
        ("/v1/../../etc/passwd", Pattern::PathTraversal),
        ("/v1/%2e%2e%2f%2e%2e%2fetc/shadow", Pattern::PathTraversal),
        ("/v1/posts?file=..%2F..%2Fsecret", Pattern::PathTraversal),
        ("/v1/posts?id=1;cat%20/x", Pattern::CommandInjection),
        ("/v1/posts?id=$%7Bjndi:ldap://x/y%7D", Pattern::CommandInjection),
        ("/wp-login.php", Pattern::Scanner),
        ("/.env", Pattern::Scanner),
        ("/wp-admin/", Pattern::Scanner),
        ("/phpmyadmin", Pattern::Scanner),
    ] {
        assert_eq!(of_uri(uri), Some(pattern), "{uri}");
    }
}

#[test]
fn inc_12_what_honest_clients_send_is_none() {
    for uri in [
        "/v1/posts/01970000-0000-7000-8000-000000000001/score?min_position=7",
        "/v1/posts?limit=20&cursor=eyJhIjoxfQ.c29tZXRoaW5nLWxvbmc_-",
        "/v1/posts?from=2026-01-01T00:00:00%2B01:00&sort=top",
        "/v1/search?q=select+*+from+users+where+1=1",
        "/v1/search?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "/v1/ip-reputation/2001:db8::%2F64",
        "/v1/consents/check?user=1&type=ANALYTICS&purpose=O%27Brien",
        "/docs/swagger-ui.css",
        "/openapi.json",
    ] {
        assert_eq!(of_uri(uri), None, "{uri}");
    }
    for agent in [
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)",
        "curl/8.5.0",
    ] {
        let headers = HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::from_static(agent))]);
        assert_eq!(of_request(&"/v1/posts".parse().unwrap(), &headers), None, "{agent}");
    }
}

#[test]
fn inc_12_tools_say_who_they_are() {
    for (agent, pattern) in [
        ("sqlmap/1.8 (https://sqlmap.org)", Pattern::Scanner),
        ("${jndi:ldap://x}", Pattern::CommandInjection),
        ("() { :; }; echo", Pattern::CommandInjection),
        ("<script>alert(1)</script>", Pattern::Scripting),
    ] {
        let headers = HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::from_static(agent))]);
        assert_eq!(of_request(&"/v1/posts".parse().unwrap(), &headers), Some(pattern), "{agent}");
    }
}

/// What people write is no attack on us, whatever it quotes.
#[test]
fn inc_12_a_post_that_quotes_sql_is_a_post() {
    let quoted = "' OR '1'='1'; DROP TABLE posts; -- <script>alert(1)</script> ../../etc/passwd";
    for field in ["title", "body", "content", "reason", "description", "display_name", "password"] {
        let body = serde_json::json!({ field: quoted, "community_id": "not an id" });
        assert_eq!(of_body(body.to_string().as_bytes()), None, "{field}");
    }
    let body = serde_json::json!({ "email": "admin' or '1'='1' --", "password": "x" });
    assert_eq!(of_body(body.to_string().as_bytes()), Some(Pattern::SqlInjection));
    let body = serde_json::json!({ "target": { "kind": "post", "id": "1 union select 1" } });
    assert_eq!(of_body(body.to_string().as_bytes()), Some(Pattern::SqlInjection));
    for unreadable in [&b"{"[..], b"[1]", b"\xff", &[b'x'; 5_000]] {
        assert_eq!(of_body(unreadable), None);
    }
}

/// What is hostile must not be slow either: no pattern backtracks, and each part is bounded.
#[test]
fn inc_12_scanning_is_bounded() {
    let long = format!("/v1/posts?sort={}", "'or(".repeat(15_000));
    let (uri, headers) = (long.parse().unwrap(), HeaderMap::new());
    let begun = Instant::now();
    for _ in 0..10 {
        of_request(&uri, &headers);
    }
    assert!(begun.elapsed().as_millis() < 2_000, "{:?}", begun.elapsed());
}

#[test]
fn inc_12_what_a_page_of_another_site_has_a_browser_ask_for_is_known() {
    let is_foreign = |headers: &[(&'static str, &'static str)]| {
        let named = headers.iter().map(|(name, value)| {
            (header::HeaderName::from_static(name), HeaderValue::from_static(value))
        });
        is_of_another_site(&named.collect())
    };
    let foreign = ("referer", "https://evil.example/page");
    let host = ("host", "agora.example");
    assert!(is_foreign(&[("sec-fetch-site", "cross-site")]));
    assert!(is_foreign(&[("sec-fetch-site", "same-site")]));
    assert!(is_foreign(&[("sec-fetch-dest", "image"), foreign, host]));
    assert!(!is_foreign(&[("sec-fetch-site", "same-origin"), foreign, host]));
    assert!(!is_foreign(&[("sec-fetch-site", "none")]));
    assert!(!is_foreign(&[
        ("sec-fetch-dest", "image"),
        ("referer", "https://agora.example/a"),
        host
    ]));
    assert!(!is_foreign(&[("sec-fetch-dest", "image"), host]));
    // No browser of today: a tool can write any referrer.
    assert!(!is_foreign(&[foreign, host]));
    assert!(!is_foreign(&[]));
}
