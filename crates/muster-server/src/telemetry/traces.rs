//! Traces: what a delivery, a turn of work and each call to Okta took, sent to a collector when the configuration names one
//! (OTLP over HTTP, binary).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::runtime::Tokio;
use opentelemetry_sdk::trace::span_processor_with_async_runtime::BatchSpanProcessor;
use opentelemetry_sdk::trace::{self as sdk, SdkTracerProvider, SpanData};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;
use url::Url;

/// How long the collector may take for a batch.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a program that ends waits for its last batch.
const LAST: Duration = Duration::from_secs(3);
/// Where collectors take traces, by the OTLP specification.
const PATH: &str = "/v1/traces";

/// The way to a collector. What is not sent when it is dropped is lost; [`Traces::finish`] sends it.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent: {0}")]
pub struct NoTraces(String);

impl Traces {
    /// Prepares to send to `address`; nothing is sent yet. An address without a path gets the usual one, `/v1/traces`.
    ///
    /// Must be called within a Tokio runtime of several threads.
    pub fn to(address: &SecretString) -> Result<Self, NoTraces> {
        let failed = |error: &dyn std::error::Error| NoTraces(error.to_string());
        let mut url = Url::parse(address.expose_secret()).map_err(|error| failed(&error))?;
        if matches!(url.path(), "" | "/") {
            url.set_path(PATH);
        }
        let headers = take_credentials(&mut url);
        let collector = format!(
            "{}:{}",
            url.host_str().unwrap_or_default(),
            url.port_or_known_default().unwrap_or_default()
        );
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url)
            .with_headers(headers)
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|error| failed(&error))?;
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.name", "muster"),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ])
            .build();
        let exporter = Discreet { exporter, collector, silent: AtomicBool::new(false) };
        let batches = BatchSpanProcessor::builder(exporter, Tokio).build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_span_processor(batches)
            .build();
        Ok(Self(provider))
    }

    /// Hears of every span of ours.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let ours = Targets::new()
            .with_target("muster_server", LevelFilter::DEBUG)
            .with_target("muster_okta", LevelFilter::DEBUG);
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("muster"))
            .with_location(false)
            .with_threads(false)
            .with_filter(ours)
    }

    /// Sends what is left, for some seconds at most.
    pub async fn finish(self) {
        let done = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(LAST));
        // Whoever ends tells of nothing more: that the collector is away was said before.
        drop(tokio::time::timeout(LAST, done).await);
    }
}

/// Takes name and password out of an address, as the header that says the same (RFC 7617).
fn take_credentials(url: &mut Url) -> HashMap<String, String> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (name, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    if name.is_empty() && password.is_empty() {
        return HashMap::new();
    }
    // Both fail only where an address has no host, and then there were none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let proof = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")));
    HashMap::from([("authorization".to_owned(), proof)])
}

/// Sends, and tells of failures without their text: it holds the whole address, which may carry a key.
#[derive(Debug)]
struct Discreet {
    exporter: SpanExporter,
    /// Host and port of the collector.
    collector: String,
    /// The last batch did not arrive.
    silent: AtomicBool,
}

impl sdk::SpanExporter for Discreet {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        let was_silent = self.silent.swap(sent.is_err(), Ordering::Relaxed);
        if sent.is_err() && !was_silent {
            let collector = &self.collector;
            tracing::warn!(collector, "traces do not arrive; they are dropped until they do");
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
