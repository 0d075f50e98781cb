//! Sends traces to a collector by OTLP over HTTP.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use secrecy::ExposeSecret as _;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use crate::http_client;
use crate::settings::TraceSettings;

/// The target of all traced spans, in every crate of the service.
const TRACE: &str = "traces";
/// How long the collector may take for a batch. A slow collector causes lost spans and nothing else.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);
/// The maximum size of a response of the collector, in bytes.
const MAX_RESPONSE_BYTES: u64 = 64 * 1024;
/// How long the last batch may take when the service stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The exporter of traces cannot be created.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent: {0}")]
pub struct TraceError(String);

/// The trace exporter of this process, if traces are enabled.
///
/// [`Traces::stop`] sends the last spans. A process that ends without it does not wait for the collector.
pub struct Traces {
    provider: Option<SdkTracerProvider>,
}

impl Traces {
    /// Starts to send traces if the settings name a collector and the sample ratio is not 0.
    ///
    /// With a ratio of 0, a `traceparent` of a client does not enable tracing, since every client can send one.
    pub(super) fn start(settings: &TraceSettings) -> Result<Self, TraceError> {
        let is_sampled = settings.sample_ratio > 0.0;
        let Some(endpoint) = settings.endpoint.as_ref().filter(|_| is_sampled) else {
            return Ok(Self::none());
        };
        let headers: HashMap<String, String> = settings
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.expose_secret().to_owned()))
            .collect();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new())
            .with_headers(headers)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{endpoint}/v1/traces"))
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(|error| TraceError(error.to_string()))?;
        let resource = Resource::builder()
            .with_service_name(settings.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let root_sampler = Sampler::TraceIdRatioBased(settings.sample_ratio);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            // A request that its caller traces is always traced.
            .with_sampler(Sampler::ParentBased(Box::new(root_sampler)))
            .with_resource(resource)
            .build();
        global::set_text_map_propagator(TraceContextPropagator::new());
        Ok(Self {
            provider: Some(provider),
        })
    }

    /// Creates an exporter that sends nothing.
    pub(super) fn none() -> Self {
        Self { provider: None }
    }

    /// Returns the layer that exports spans.
    pub(super) fn layer<S>(&self) -> Option<impl Layer<S> + Send + Sync + use<S>>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let provider = self.provider.as_ref()?;
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("user-service"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        Some(layer.with_filter(Targets::new().with_target(TRACE, LevelFilter::INFO)))
    }

    /// Sends the remaining spans, for at most 2 s.
    pub async fn stop(self) {
        let Some(provider) = self.provider else {
            return;
        };
        let flushed = move || provider.shutdown_with_timeout(FLUSH_TIMEOUT);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(flushed).await {
            tracing::warn!(%error, "trace exporter could not send the last spans");
        }
    }
}

/// The HTTP client of the exporter. It blocks, since the exporter has its own thread.
#[derive(Debug)]
struct Client(ureq::Agent);

impl Client {
    fn new() -> Self {
        let agent = http_client::configure()
            .timeout_global(Some(EXPORT_TIMEOUT))
            .build();
        Self(agent.new_agent())
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let response = self.0.run(Request::from_parts(parts, body.to_vec()))?;
        let (parts, mut body) = response.into_parts();
        let body = body.with_config().limit(MAX_RESPONSE_BYTES).read_to_vec()?;
        Ok(Response::from_parts(parts, body.into()))
    }
}
