//! `/metrics` for Prometheus, and the metrics of the API under their OpenTelemetry names.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Bytes, Data, ServiceConfig};
use metrics::Unit;
use metrics_exporter_prometheus::PrometheusHandle;
use utoipa::OpenApi;

use crate::api::Api;
use crate::bodies::tracked_bytes;
use crate::openapi::ReadinessErrors;
use crate::problem::{Code, Problem};
use crate::resource::read_only;
use crate::server::register_close_counters;

/// A histogram of seconds by `method`, `route` (the pattern, never the path) and `status`.
pub const REQUEST_DURATION: &str = "http_server_request_duration_seconds";

/// The status in logs and metrics of a request whose client disconnected before the response, as in nginx. It is never
/// sent.
pub(crate) const CLIENT_CLOSED_REQUEST: u16 = 499;

/// A counter of problem responses, by `code`.
pub(crate) const PROBLEMS: &str = "http_server_problems_total";

/// A counter of the connections that the service closed or rejected, by `reason`.
pub(crate) const CONNECTIONS_CLOSED: &str = "http_server_connections_closed_total";

/// A gauge of active requests; requests that wait for their bodies are not counted.
pub const ACTIVE_REQUESTS: &str = "http_server_active_requests";

/// A gauge of held bodies: bodies that are being received, and large bodies until they are parsed.
pub(crate) const HELD_BODIES: &str = "http_server_held_bodies";

/// A gauge of the bytes of held bodies.
pub(crate) const HELD_BODY_BYTES: &str = "http_server_held_body_bytes";

/// A counter of bodies that were ended because they were the slowest when a limit was reached.
pub(crate) const ENDED_BODIES: &str = "http_server_ended_bodies_total";

/// The upper bounds, in seconds, of the buckets of [`REQUEST_DURATION`].
pub const REQUEST_DURATION_BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The content of `/metrics`: recorded metrics, and gauges that are measured at the time of the scrape.
#[derive(Clone)]
pub struct Exposition {
    recorder: PrometheusHandle,
    measure: Arc<dyn Fn() + Send + Sync>,
}

impl Exposition {
    /// Creates the exposition of this recorder. `measure` updates gauges before each scrape.
    pub fn new(recorder: PrometheusHandle, measure: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            recorder,
            measure: Arc::new(measure),
        }
    }

    fn render(&self) -> String {
        (self.measure)();
        self.recorder.render()
    }
}

/// Registers the descriptions of the API's metrics. Call it after the recorder is installed.
pub fn describe_metrics() {
    metrics::describe_histogram!(REQUEST_DURATION, Unit::Seconds, "Time to answer a request");
    metrics::describe_gauge!(ACTIVE_REQUESTS, Unit::Count, "Active requests");
    metrics::describe_gauge!(
        HELD_BODIES,
        Unit::Count,
        "Bodies being received or waiting to be parsed"
    );
    metrics::describe_gauge!(HELD_BODY_BYTES, Unit::Bytes, "Bytes of held bodies");
    metrics::describe_counter!(ENDED_BODIES, Unit::Count, "Slow bodies ended at a limit");
    // Counters are exposed from the start, so that the first count is visible as an increase.
    metrics::counter!(ENDED_BODIES).increment(0);
    metrics::describe_counter!(PROBLEMS, Unit::Count, "Problem responses, by code");
    metrics::describe_counter!(
        CONNECTIONS_CLOSED,
        Unit::Count,
        "Connections that the service closed or rejected, by reason"
    );
    register_close_counters();
    for code in Code::ALL {
        metrics::counter!(PROBLEMS, "code" => code.as_str()).increment(0);
    }
}

/// The OpenAPI description of the resource.
#[derive(OpenApi)]
#[openapi(paths(scrape))]
pub(crate) struct Description;

/// Registers the resource.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config.service(read_only("/metrics", scrape));
}

/// Returns all metrics as text.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "getMetrics",
    tag = "operations",
    description = "In the text format of Prometheus. Metrics contain no personal data.",
    security(()),
    responses(
        (status = 200, description = "The metrics.", body = String, content_type = "text/plain"),
        ReadinessErrors
    )
)]
pub(crate) async fn scrape(api: Data<Api>) -> Result<HttpResponse, Problem> {
    api.resource_limits().record();
    let text = api.metrics().render().into_bytes();
    let text = if api.settings().has_management {
        Bytes::from(text)
    } else {
        // Any client of the API may request the metrics and not read the response, so the total bytes are limited.
        let held = api
            .resource_limits()
            .large_documents
            .try_hold(text.capacity());
        let cause = "too many bytes of large documents are held";
        tracked_bytes(
            text,
            held.ok_or_else(|| Problem::overloaded().with_cause(cause))?,
        )
    };
    Ok(HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text))
}
