//! Traces and logs of a real process: what a collector gets, and what neither may hold.

use std::process::Stdio;

use agora_service::{client_address::TrustedProxies, http, telemetry};
use axum::{
    Router,
    body::Bytes,
    routing::{get, post},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

const TRACE_ID: [u8; 16] = *b"\x4b\xf9\x2f\x35\x77\xb3\x4d\xa6\xa3\xce\x92\x9d\x0e\x0e\x47\x36";
const SECRET: &str = "ada-lovelace-example-org";

#[tokio::test(flavor = "multi_thread")]
async fn a_request_continues_the_callers_trace_and_leaves_its_address_out() {
    let (got, mut spans) = mpsc::channel(8);
    let collector = Router::new().route(
        "/v1/traces",
        post(move |body: Bytes| async move { got.send(body).await.expect("the test listens") }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let stop = CancellationToken::new();
    tokio::spawn(http::serve_on(listener, collector, TrustedProxies::default(), stop.clone()));

    let this = std::env::current_exe().expect("a path");
    let child = tokio::process::Command::new(this)
        .args(["--ignored", "--exact", "a_service_that_is_traced", "--nocapture"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("AGORA_LOG", "debug")
        .env("AGORA_LOG_FORMAT", "json")
        .stderr(Stdio::piped())
        .output()
        .await
        .expect("the test binary runs");
    let log = String::from_utf8_lossy(&child.stderr).into_owned();
    assert!(child.status.success(), "{log}");

    let body = spans.recv().await.expect("a batch of spans");
    let holds = |wanted: &[u8]| body.windows(wanted.len()).any(|window| window == wanted);
    assert!(holds(&TRACE_ID), "the caller's trace goes on");
    assert!(holds(b"/hello/{name}"), "spans carry the route's template");
    assert!(!holds(SECRET.as_bytes()) && !log.contains(SECRET), "nothing carries the URI");
    stop.cancel();
}

#[tokio::test]
async fn without_a_filter_a_service_logs_what_an_operator_needs() {
    let child = tokio::process::Command::new(std::env::current_exe().expect("a path"))
        .args(["--ignored", "--exact", "a_service_that_is_traced", "--nocapture"])
        .env_remove("AGORA_LOG")
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped())
        .output()
        .await
        .expect("the test binary runs");
    let log = String::from_utf8_lossy(&child.stderr).into_owned();
    assert!(log.contains(r#""message":"serving""#), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the process that the test above starts"]
async fn a_service_that_is_traced() {
    telemetry::init("test").expect("telemetry starts");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let routes = Router::new().route("/hello/{name}", get(|| async { "hello" }));
    let served =
        tokio::spawn(http::serve_on(listener, routes, TrustedProxies::default(), stop.clone()));
    let mut stream = TcpStream::connect(addr).await.expect("connected");
    let request = format!(
        "GET /hello/{SECRET} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
         traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.ends_with("hello"));
    stop.cancel();
    served.await.expect("no panic").expect("served");
}
