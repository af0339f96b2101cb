//! Traces to an OpenTelemetry collector, where `OTEL_EXPORTER_OTLP_ENDPOINT` names one: OTLP over
//! plain HTTP with protobuf bodies, in batches. TLS is for a collector beside the service to add.

use std::{sync::OnceLock, time::Duration};

use axum::http::HeaderMap;
use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator},
    trace::TracerProvider,
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response, hyper::HyperClient};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracerProvider, Tracer},
};
use tokio::runtime::Handle;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// The tracer, if the environment asks for traces.
pub(super) fn tracer(service: &'static str) -> Result<Option<Tracer>, String> {
    let asked = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
    if asked.iter().all(|name| std::env::var(name).unwrap_or_default().is_empty()) {
        return Ok(None);
    }
    let client = HyperClient::with_default_connector(Duration::from_secs(10), None);
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(OnRuntime { client, runtime: Handle::current() })
        .build()
        .map_err(|error| error.to_string())?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name(format!("agora-{service}")).build())
        .build();
    let tracer = provider.tracer("agora");
    PROVIDER.set(provider).map_err(|_| "traces were set up twice".to_owned())?;
    Ok(Some(tracer))
}

/// Sends what is still in memory; called once, when a service has drained.
pub(crate) async fn flush() {
    if let Some(provider) = PROVIDER.get() {
        // It waits for the exporter, which needs this runtime: so not on one of its workers.
        let flushed = tokio::task::spawn_blocking(|| provider.shutdown());
        if let Ok(Err(error)) = flushed.await {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Makes the span a child of the caller's (W3C trace context), where the caller sent one.
pub(crate) fn continue_trace(span: &Span, headers: &HeaderMap) {
    if PROVIDER.get().is_none() || !headers.contains_key("traceparent") {
        return;
    }
    let parent =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    // It fails only for a span that no tracer sees, which then has no parent to miss.
    let _ = span.set_parent(parent);
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}

/// The batches are sent from a thread of the SDK's own; hyper needs the tokio runtime.
#[derive(Debug)]
struct OnRuntime {
    client: HyperClient,
    runtime: Handle,
}

#[async_trait::async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}
