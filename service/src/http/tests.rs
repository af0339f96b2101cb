use std::io;

use axum::{
    Json,
    body::{Body, Bytes, to_bytes},
    extract::Query,
    http::{Method, Request},
    response::Response,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;

use super::*;
use crate::client_address::ClientAddress;

#[derive(Deserialize)]
struct Page {
    limit: u32,
}

fn app() -> Router {
    Router::new()
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/json", post(|Json(value): Json<Value>| async move { Json(value) }))
        .route("/list", get(|Query(page): Query<Page>| async move { page.limit.to_string() }))
        .route("/boom", get(|| async { panic!("a defect") as Response }))
        .route("/who", get(|client: ClientAddress| async move { client.to_string() }))
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                "done"
            }),
        )
}

async fn answer(method: Method, path: &str, body: Body) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path).body(body).unwrap();
    let response = complete(app()).oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    if response.headers().get("content-type").is_some_and(|kind| kind == problem::CONTENT_TYPE) {
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        return (status, serde_json::from_slice(&bytes).unwrap());
    }
    (status, Value::Null)
}

#[tokio::test]
async fn esx_05_whatever_fails_outside_of_a_handler_is_a_problem_document() {
    let cases = [
        (Method::GET, "/nowhere", Body::empty(), 404, "not-found"),
        (Method::PUT, "/length", Body::empty(), 405, "method-not-allowed"),
        (Method::GET, "/list?limit=x", Body::empty(), 400, "malformed"),
        (Method::POST, "/json", Body::from("{}"), 415, "unsupported-media-type"),
        (Method::GET, "/boom", Body::empty(), 500, "internal"),
    ];
    for (method, path, body, status, slug) in cases {
        let (got, problem) = answer(method, path, body).await;
        assert_eq!(
            (got, problem["type"].as_str()),
            (status, Some(format!("/problems/{slug}").as_str()))
        );
    }
}

#[tokio::test]
async fn a_body_over_one_mebibyte_is_413_whether_it_says_so_or_not() {
    let fits = Body::from(vec![b'x'; BODY_BYTES_MAX]);
    assert_eq!(answer(Method::POST, "/length", fits).await.0, 200);
    let chunks = (0..17).map(|_| Ok::<_, io::Error>(Bytes::from(vec![b'x'; 1 << 16])));
    let unannounced = Body::from_stream(futures::stream::iter(chunks));
    let (status, problem) = answer(Method::POST, "/length", unannounced).await;
    assert_eq!((status, problem["status"].as_u64()), (413, Some(413)));
    let request = Request::post("/length").header("content-length", BODY_BYTES_MAX + 1);
    let response = complete(app()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 413);
}

async fn started() -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let served = serve_on(listener, app(), TrustedProxies::default(), stop.clone());
    (addr, stop, tokio::spawn(served))
}

async fn raw(addr: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn handlers_learn_the_clients_address() {
    let (addr, stop, server) = started().await;
    assert!(raw(addr, "/who").await.ends_with("127.0.0.1"));
    stop.cancel();
    server.await.unwrap().unwrap();
}

/// The address counts that the trusted proxy tells, and nothing that anybody else does.
#[tokio::test]
async fn ipr_08_a_refused_address_gets_nothing_but_a_403() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let gate: Gate = Arc::new(|address| address == IpAddr::from([203, 0, 113, 9]));
    let proxies = TrustedProxies::new(vec!["127.0.0.1/32".parse().unwrap()]);
    tokio::spawn(serve_within(
        WRITE_LIMIT,
        Door { gate, audit: None },
        listener,
        app(),
        proxies,
        stop.clone(),
    ));
    let ask = async |path: &str, from: &str| {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {from}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    for (path, from) in [
        ("/who", "203.0.113.9"),
        ("/who", "::ffff:203.0.113.9"),
        ("/who", "192.0.2.1, 203.0.113.9"),
        ("/nowhere", "203.0.113.9"),
    ] {
        let text = ask(path, from).await;
        assert!(text.starts_with("HTTP/1.1 403") && text.contains("IPR-08"), "{from}: {text}");
    }
    // What a client writes before what the proxy adds is nobody's word.
    assert!(ask("/who", "203.0.113.9, 192.0.2.1").await.ends_with("192.0.2.1"));
    stop.cancel();
}

#[tokio::test]
async fn shutdown_lets_requests_in_flight_end() {
    let (addr, stop, server) = started().await;
    let in_flight = tokio::spawn(raw(addr, "/slow"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.cancel();
    server.await.unwrap().unwrap();
    assert!(in_flight.await.unwrap().ends_with("done"));
    assert!(TcpStream::connect(addr).await.is_err());
}

/// A client that takes nothing of an endless reply does not hold its place for ever.
#[tokio::test]
async fn a_reply_that_nobody_takes_ends() {
    let place = std::sync::Arc::new(());
    let held = std::sync::Arc::downgrade(&place);
    let endless = futures::stream::repeat_with(move || {
        let _held = &place;
        Ok::<_, io::Error>(Bytes::from_static(&[b'x'; 65_536]))
    });
    let body = std::sync::Arc::new(std::sync::Mutex::new(Some(Body::from_stream(endless))));
    let routes = Router::new().route(
        "/endless",
        get(move || std::future::ready(body.lock().unwrap().take().unwrap_or_default())),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let limit = Duration::from_millis(200);
    let proxies = TrustedProxies::default();
    let stop = CancellationToken::new();
    tokio::spawn(serve_within(limit, Door::default(), listener, routes, proxies, stop));
    let mut client = TcpStream::connect(addr).await.unwrap();
    client.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while held.strong_count() > 0 {
        assert!(tokio::time::Instant::now() < deadline, "the reply is still held");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(client);
}
