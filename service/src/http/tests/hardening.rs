//! What a client may send, how slowly and how often, and what browsers are told.

use std::sync::Mutex;

use axum::{extract::rejection::BytesRejection, http::HeaderValue};
use tokio::time::Instant;

use super::*;
use crate::{
    http::{
        access::{Audit, Sink},
        body::Room,
    },
    patterns::Pattern,
    rate_limits::{Class, RATE_LIMIT, RateLimits, Subject},
};

async fn started_with(front: Front) -> (SocketAddr, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    tokio::spawn(serve_behind(front, listener, app(), stop.clone()));
    (addr, stop)
}

/// Everything that the server says until it ends the connection.
async fn all_of(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8(text).unwrap()
}

async fn response_to(front: &Front, request: Request<Body>) -> Response {
    front.around(app()).oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_target_or_head_that_is_too_long_is_refused() {
    let (addr, _stop) = started_with(Front::default()).await;
    for (path, header, status) in [
        (format!("/who?x={}", "x".repeat(8_000)), String::new(), "200"),
        (format!("/who?x={}", "x".repeat(8_192)), String::new(), "414"),
        ("/who".to_owned(), "x".repeat(30_000), "200"),
        ("/who".to_owned(), "x".repeat(33_000), "431"),
        // Past the buffer, without a problem document.
        ("/who".to_owned(), "x".repeat(200_000), "431"),
    ] {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: a\r\nX: {header}\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(head.as_bytes()).await;
        let text = all_of(&mut stream).await;
        // What was cut off in the middle of sending may have lost the answer on the way.
        let answered = text.starts_with(&format!("HTTP/1.1 {status}"));
        assert!(answered || (header.len() > 65_536 && text.is_empty()), "{status}: {text}");
    }
}

/// A slow client on loopback: it neither holds its place for ever nor keeps others from theirs.
#[tokio::test]
async fn a_head_or_body_that_trickles_in_is_cut_off_and_others_are_served() {
    let limits = Limits {
        head: Duration::from_millis(400),
        body: Duration::from_millis(600),
        ..Limits::default()
    };
    let (addr, _stop) = started_with(Front::default().with_limits(limits)).await;
    let trickle = async |begin: &str| {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(begin.as_bytes()).await.unwrap();
        let begun = Instant::now();
        // A byte every 50 ms never pauses.
        while stream.write_all(b"a").await.is_ok() && begun.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let mut answer = [0; 1_024];
            if let Ok(bytes) = stream.try_read(&mut answer) {
                return (begun.elapsed(), String::from_utf8_lossy(&answer[..bytes]).into_owned());
            }
        }
        (begun.elapsed(), String::new())
    };
    let slow_head = trickle("GET /who HTTP/1.1\r\nX: ");
    let slow_body = trickle("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    let honest = async {
        for _ in 0..10 {
            assert!(raw(addr, "/who").await.ends_with("127.0.0.1"));
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    let ((head_took, _), (body_took, answer), ()) = tokio::join!(slow_head, slow_body, honest);
    assert!(head_took < Duration::from_secs(3), "{head_took:?}");
    assert!(body_took < Duration::from_secs(3), "{body_took:?}");
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

/// Bodies are read before it is known who sends them: together they take no more than there is room for,
/// and small ones get through all the same.
#[tokio::test]
async fn large_bodies_past_what_there_is_room_for_are_503_with_retry_after() {
    let (room, go_on) = (Room::of_bytes(64 << 10), Arc::new(tokio::sync::Notify::new()));
    let goes_on = Arc::clone(&go_on);
    let handler = move |wait: Query<Waits>, body: Result<Bytes, BytesRejection>| {
        let goes_on = Arc::clone(&goes_on);
        async move {
            if wait.0.wait {
                goes_on.notified().await;
            }
            match body {
                Ok(body) => body.len().to_string().into_response(),
                Err(rejection) => Problem::from(rejection).into_response(),
            }
        }
    };
    let front = Front::default().with_room(room.clone());
    let routes = front.around(Router::new().route("/take", post(handler)));
    let send = |kib: usize, wait: bool| {
        let chunks = (0..kib).map(|_| Ok::<_, io::Error>(Bytes::from_static(&[b'x'; 1_024])));
        let request = Request::post(format!("/take?wait={wait}"));
        let request = request.body(Body::from_stream(futures::stream::iter(chunks))).unwrap();
        routes.clone().oneshot(request)
    };
    let first = tokio::spawn(send(60, true));
    while room.free_bytes() > 20 << 10 {
        tokio::task::yield_now().await;
    }
    let refused = send(60, false).await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(room.free_bytes(), 20 << 10, "what is refused holds nothing");
    for kib in [1, 16, 36] {
        assert_eq!(send(kib, false).await.unwrap().status(), 200, "{kib}");
    }
    go_on.notify_one();
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
    assert_eq!(room.free_bytes(), 64 << 10);
    assert_eq!(send(60, false).await.unwrap().status(), 200);
}

#[derive(Deserialize)]
struct Waits {
    wait: bool,
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_503_with_retry_after() {
    let limits = Limits { request: Duration::from_millis(50), ..Limits::default() };
    let front = Front::default().with_limits(limits);
    let response = response_to(&front, Request::get("/slow").body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn past_the_number_of_connections_the_next_waits_for_a_place() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let (addr, _stop) = started_with(Front::default().with_limits(limits)).await;
    let held = (TcpStream::connect(addr).await.unwrap(), TcpStream::connect(addr).await.unwrap());
    let third = tokio::spawn(raw(addr, "/who"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!third.is_finished());
    drop(held);
    let answer = tokio::time::timeout(Duration::from_secs(5), third).await.unwrap().unwrap();
    assert!(answer.ends_with("127.0.0.1"));
}

#[tokio::test]
async fn browsers_are_told_to_load_frame_and_guess_nothing() {
    let tls = Front::default().with_limits(Limits { is_behind_tls: true, ..Limits::default() });
    for (front, path, is_told) in
        [(Front::default(), "/who", false), (tls.clone(), "/nowhere", true), (tls, "/boom", true)]
    {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = response_to(&front, request).await;
        let told = |name: &str| response.headers().get(name).map(|it| it.to_str().unwrap());
        assert_eq!(told("x-content-type-options"), Some("nosniff"));
        assert_eq!(told("referrer-policy"), Some("no-referrer"));
        assert!(told("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
        assert_eq!(told("strict-transport-security").is_some(), is_told);
    }
}

#[tokio::test]
async fn another_sites_page_is_told_nothing_unless_it_is_let_in() {
    let front = Front::default().with_cors(&["https://app.example"]);
    let allowed = async |front: &Front, origin: &'static str, method: Method| {
        let request = Request::builder()
            .method(method)
            .uri("/slow")
            .header("origin", HeaderValue::from_static(origin))
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,idempotency-key")
            .body(Body::empty())
            .unwrap();
        let response = response_to(front, request).await;
        let told = response.headers().get("access-control-allow-origin");
        assert!(!response.headers().contains_key("access-control-allow-credentials"));
        told.map(|it| it.to_str().unwrap().to_owned())
    };
    for method in [Method::OPTIONS, Method::GET] {
        let (ours, theirs) = ("https://app.example", "https://evil.example");
        assert_eq!(allowed(&front, ours, method.clone()).await.as_deref(), Some(ours));
        assert_eq!(allowed(&front, theirs, method.clone()).await, None);
        assert_eq!(allowed(&Front::default(), ours, method).await, None, "closed by default");
    }
}

/// Who asks by way of a trusted proxy, and what was noted.
fn guarded(per_minute: u32) -> (Front, Arc<Mutex<Vec<Notice>>>) {
    let limits = RateLimits::default();
    limits.set(|policy| if policy.subject == Subject::Address { per_minute } else { 2 });
    let noted = Arc::new(Mutex::new(Vec::new()));
    let watcher: Watcher = {
        let noted = Arc::clone(&noted);
        Arc::new(move |notice| noted.lock().unwrap().push(notice))
    };
    let exempt: Exempt = Arc::new(|address| address == IpAddr::from([192, 0, 2, 99]));
    let front = Front::default().limiting(limits, |_, _| Some(Class::Read), exempt, watcher);
    (front, noted)
}

async fn asked(front: &Front, address: &str, path: &str) -> Response {
    let client = ClientAddress::of(address.parse().unwrap());
    let request = Request::get(path).extension(client).body(Body::empty()).unwrap();
    response_to(front, request).await
}

/// A flood within a bound: so many get through, the others cost nothing and are counted.
#[tokio::test]
async fn inc_12_a_flood_gets_a_minutes_quota_and_429s_and_others_are_served() {
    let (front, noted) = guarded(20);
    let mut served = 0;
    for _ in 0..500 {
        let response = asked(&front, "203.0.113.9", "/who").await;
        let told =
            |name: &str| response.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
        assert!(told("ratelimit").unwrap().starts_with("\"address-read\";r="));
        assert_eq!(told("ratelimit-policy").as_deref(), Some("\"address-read\";q=20;w=60"));
        match response.status().as_u16() {
            200 => served += 1,
            429 => assert!(told("retry-after").unwrap().parse::<u32>().unwrap() <= 3),
            status => panic!("{status}"),
        }
    }
    assert!((20..=22).contains(&served), "{served}");
    let notice =
        Notice { address: "203.0.113.9".parse().unwrap(), what: What::TooMany, status: 429 };
    assert_eq!(*noted.lock().unwrap(), vec![notice; 500 - served]);
    assert_eq!(asked(&front, "203.0.113.10", "/who").await.status(), 200);
}

#[tokio::test]
async fn k20_ipr_10_the_machine_itself_and_the_whitelist_have_no_limits() {
    let (front, noted) = guarded(1);
    for address in ["127.0.0.1", "::1", "192.0.2.99"] {
        for _ in 0..5 {
            let response = asked(&front, address, "/who").await;
            assert_eq!(response.status(), 200, "{address}");
            assert!(!response.headers().contains_key(RATE_LIMIT));
        }
    }
    assert!(noted.lock().unwrap().is_empty());
}

#[tokio::test]
async fn inc_12_what_looks_like_an_attack_is_noted_and_answered_as_ever() {
    let (front, noted) = guarded(1_000);
    for (path, status) in [("/who?id=1%27%20or%20%271%27=%271", 200), ("/wp-login.php", 404)] {
        assert_eq!(asked(&front, "203.0.113.9", path).await.status(), status);
    }
    let what: Vec<_> = noted.lock().unwrap().iter().map(|it| (it.what, it.status)).collect();
    let suspicious = |pattern, status| (What::Suspicious(pattern), status);
    assert_eq!(what, [suspicious(Pattern::SqlInjection, 200), suspicious(Pattern::Scanner, 404)]);
}

#[tokio::test]
async fn inc_12_sal_05_the_log_of_accesses_is_told_what_looks_like_an_attack() {
    let (front, _) = guarded(1);
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink: Sink = {
        let told = Arc::clone(&told);
        Arc::new(move |access| told.lock().unwrap().push((access.status, access.known.indicators)))
    };
    let front = front.auditing(Some(Audit::new(&[7; 32], sink, Arc::new(|_| false))));
    for path in ["/who?id=1%27%20or%20%271%27=%271", "/wp-login.php", "/who"] {
        asked(&front, "203.0.113.9", path).await;
    }
    let expected = [(200, vec!["sql_injection"]), (429, vec!["scanner"]), (429, vec![])];
    assert_eq!(*told.lock().unwrap(), expected);
}

/// Any page can embed an image of any address: its visitors are not to be blocked for it.
#[tokio::test]
async fn inc_12_what_another_sites_page_asks_for_is_told_to_the_log_alone() {
    let (front, noted) = guarded(1_000);
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink: Sink = {
        let told = Arc::clone(&told);
        Arc::new(move |access| told.lock().unwrap().push(access.known.indicators))
    };
    let front = front.auditing(Some(Audit::new(&[7; 32], sink, Arc::new(|_| false))));
    for site in ["cross-site", "same-site", "same-origin"] {
        let request = Request::get("/who?id=1%27%20or%20%271%27=%271")
            .header("sec-fetch-site", site)
            .extension(ClientAddress::of(IpAddr::from([203, 0, 113, 9])));
        response_to(&front, request.body(Body::empty()).unwrap()).await;
    }
    assert_eq!(*told.lock().unwrap(), vec![vec!["sql_injection"]; 3]);
    assert_eq!(noted.lock().unwrap().len(), 1, "what our own pages ask for counts");
}

/// A handler counts whom it has found to ask; the client is told of both limits.
#[tokio::test]
async fn inc_12_principals_count_beside_their_addresses() {
    let (front, _) = guarded(1_000);
    let handler = async |counted: axum::Extension<Counted>| {
        let reading = counted.of_principal(7).unwrap();
        let mut response = match reading.permit() {
            Ok(()) => "done".into_response(),
            Err(problem) => problem.into_response(),
        };
        response.extensions_mut().insert(reading);
        response
    };
    let routes = front.around(Router::new().route("/mine", get(handler)));
    let mut statuses = Vec::new();
    for host in 1..=3 {
        // Another address each time: it is one principal.
        let client = ClientAddress::of(IpAddr::from([203, 0, 113, host]));
        let request = Request::get("/mine").extension(client).body(Body::empty()).unwrap();
        let response = routes.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers().get_all(RATE_LIMIT).iter().count(), 2);
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 429]);
}
