//! `/metrics`: what Prometheus scrapes; and what the API counts, by OpenTelemetry's names.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use metrics::Unit;
use metrics_exporter_prometheus::PrometheusHandle;
use utoipa::OpenApi;

use crate::api::Api;
use crate::openapi::OpenErrors;
use crate::problem::Code;
use crate::resource::read_only;

/// A histogram of seconds by `method`, `route` (the pattern, never the path) and `status`.
pub const REQUEST_DURATION: &str = "http_server_request_duration_seconds";

/// What stands for the status of a request that its client gave up, as others write it; it is never sent.
pub(crate) const CLIENT_GONE: u16 = 499;

/// A counter of the problems that were answered, by `code`.
pub(crate) const PROBLEMS: &str = "http_server_problems_total";

/// A gauge of requests that are being answered.
pub const ACTIVE_REQUESTS: &str = "http_server_active_requests";

/// The upper bounds, in seconds, that [`REQUEST_DURATION`] is to be recorded with.
pub const REQUEST_DURATION_BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// What a scrape is given: what was recorded, and what is measured when it is asked for.
#[derive(Clone)]
pub struct Exposition {
    recorder: PrometheusHandle,
    measure: Arc<dyn Fn() + Send + Sync>,
}

impl Exposition {
    /// Shows what this recorder has, after `measure` has recorded what is true now.
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

/// Tells the recorder what the API's metrics mean; to be called once it is installed.
pub fn describe_metrics() {
    metrics::describe_histogram!(REQUEST_DURATION, Unit::Seconds, "Time to answer a request");
    metrics::describe_gauge!(ACTIVE_REQUESTS, Unit::Count, "Requests being answered");
    metrics::describe_counter!(PROBLEMS, Unit::Count, "Problems answered, by their code");
    // From the start, so that the first ones are an increase.
    for code in Code::ALL {
        metrics::counter!(PROBLEMS, "code" => code.as_str()).increment(0);
    }
}

/// The description of the resource.
#[derive(OpenApi)]
#[openapi(paths(scrape))]
pub(crate) struct Description;

/// Adds the resource.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config.service(read_only("/metrics", scrape));
}

/// Gives all metrics as text.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "getMetrics",
    tag = "operations",
    description = "In the text format of Prometheus. No metric names a person.",
    security(()),
    responses(
        (status = 200, description = "The metrics.", body = String, content_type = "text/plain"),
        OpenErrors
    )
)]
pub(crate) async fn scrape(api: Data<Api>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(api.metrics().render())
}
