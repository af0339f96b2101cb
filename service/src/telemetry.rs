//! Logs, traces and metrics.

mod traces;

use std::{io::IsTerminal, panic::PanicHookInfo, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::{error, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

pub(crate) use traces::{continue_trace, flush};

/// Upper bounds, in seconds, of the buckets of every histogram whose name ends in `_seconds`.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Upper bounds of the buckets of histograms that count things: units a batch, events a load.
const COUNTS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// What `/metrics` shows.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// The Prometheus text format.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Metrics that nothing records to, for tests of routes.
    pub fn detached() -> Self {
        Self(PrometheusBuilder::new().build_recorder().handle())
    }
}

/// What telemetry could not be set up for.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("AGORA_LOG (or RUST_LOG) is no filter such as `info,agora=debug`: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    #[error("metrics cannot be set up: {0}")]
    Metrics(String),
    #[error("traces cannot be set up; see the OTEL_EXPORTER_OTLP_* variables: {0}")]
    Traces(String),
    #[error("telemetry was set up twice: {0}")]
    Twice(String),
}

/// Sets up logs to standard error, metrics and, where a collector is named, traces; once per
/// process, inside the tokio runtime.
///
/// `AGORA_LOG`, else `RUST_LOG`, filters (default `info`); `AGORA_LOG_FORMAT` is `json` or `text`
/// (default: text on a terminal, JSON elsewhere).
///
/// # Errors
/// Where the filter cannot be read, or it was called before.
pub fn init(service: &'static str) -> Result<Metrics, TelemetryError> {
    let filter = match std::env::var("AGORA_LOG").or_else(|_| std::env::var("RUST_LOG")) {
        Ok(text) => EnvFilter::builder().parse(text)?,
        Err(_) => EnvFilter::builder()
            .parse("info,async_nats=warn,batch_aint_one=warn,sqlx::postgres::notice=warn")?,
    };
    let json = match std::env::var("AGORA_LOG_FORMAT").as_deref() {
        Ok("json") => true,
        Ok("text") => false,
        _ => !std::io::stderr().is_terminal(),
    };
    let logs = if json {
        fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed()
    } else {
        fmt::layer().with_writer(std::io::stderr).boxed()
    };
    let spans = traces::tracer(service).map_err(TelemetryError::Traces)?.map(|tracer| {
        let ours = Targets::new().with_target("agora", LevelFilter::DEBUG);
        tracing_opentelemetry::layer().with_tracer(tracer).with_filter(ours)
    });
    tracing_subscriber::registry()
        .with(logs.with_filter(filter))
        .with(spans)
        .try_init()
        .map_err(|error| TelemetryError::Twice(error.to_string()))?;
    std::panic::set_hook(Box::new(log_panic));

    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| builder.set_buckets(&COUNTS))
        .map_err(|error| TelemetryError::Metrics(error.to_string()))?
        .add_global_label("service", service)
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)
        .map_err(|error| TelemetryError::Twice(error.to_string()))?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        // Histograms keep raw samples until somebody renders them; this bounds what they keep.
        let mut tick = tokio::time::interval(Duration::from_secs(5));
        loop {
            tick.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(Metrics(handle))
}

/// A panic is a defect: it is logged where it happened. A message that was put together at run
/// time may quote a value, which may be personal, so only literal ones are logged.
fn log_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload().downcast_ref::<&'static str>().copied();
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    error!(place, message = message.unwrap_or("(withheld: it may quote data)"), "panic");
    metrics::counter!("agora_panics_total").increment(1);
}
