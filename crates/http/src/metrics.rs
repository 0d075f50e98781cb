//! `/metrics` for Prometheus, and the descriptions of the metrics of the API.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Bytes, Data, ServiceConfig};
use metrics::Unit;
use utoipa::OpenApi;

use crate::api::Api;
use crate::bodies::tracked_bytes;
use crate::metric_names::{
    ACTIVE_REQUESTS, CONNECTIONS_CLOSED, ENDED_BODIES, EVENT_WAITS, HELD_BODIES, HELD_BODY_BYTES,
    PROBLEMS, REQUEST_DURATION,
};
use crate::openapi::DocumentText;
use crate::problem::{Code, Problem};
use crate::resource::read_only;
use crate::server::register_close_counters;

/// Registers the descriptions of the API's metrics. Call it after the recorder is installed.
pub fn describe_metrics() {
    metrics::describe_histogram!(REQUEST_DURATION, Unit::Seconds, "Time to answer a request");
    metrics::describe_gauge!(ACTIVE_REQUESTS, Unit::Count, "Active requests");
    metrics::describe_gauge!(EVENT_WAITS, Unit::Count, "Requests waiting for events");
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
        (status = 200, description = "The metrics.", content((DocumentText = "text/plain", example = json!("# TYPE http_server_active_requests gauge\nhttp_server_active_requests 1\n"))))
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
