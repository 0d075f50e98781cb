//! OpenTelemetry spans: one for each request, as a child of the caller's span, and one for each use case.
//!
//! Spans contain route patterns, names and statuses. They contain no path, query, header field or user id.

use actix_web::http::header::HeaderMap;
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, TraceId, global};
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::metric_names::CLIENT_CLOSED_REQUEST;

/// The target of all exported spans. No log line has it.
const TRACE: &str = "traces";

/// Starts the span of a request. Its parent is the span in `traceparent` (W3C Trace Context), if there is one.
pub(crate) fn request_span(method: &'static str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        target: TRACE,
        "server",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = Empty,
        http.response.status_code = Empty,
        request_id = Empty,
    );
    if !span.is_disabled() {
        let parent = global::get_text_map_propagator(|propagator| {
            propagator.extract_with_context(&Context::new(), &Fields(headers))
        });
        // Fails only without a layer that exports spans.
        let _ = span.set_parent(parent);
    }
    span
}

/// Records the response on the span of a request.
pub(crate) fn record_response(
    span: &Span,
    method: &'static str,
    route: &'static str,
    status: u16,
    request_id: &str,
) {
    if span.is_disabled() {
        return;
    }
    // The route is known only now. A field cannot rename a span that has started.
    let context = span.context();
    context.span().update_name(format!("{method} {route}"));
    span.record("http.route", route);
    span.record("http.response.status_code", status);
    span.record("request_id", request_id);
    if status >= CLIENT_CLOSED_REQUEST {
        span.record("otel.status_code", "ERROR");
    }
}

/// Returns the trace id of a span, if the span is exported.
pub(crate) fn trace_id(span: &Span) -> Option<TraceId> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    (context.is_valid() && context.is_sampled()).then(|| context.trace_id())
}

/// Starts the span of a use case, as a child of the current span.
pub(crate) fn use_case_span(name: &'static str) -> Span {
    tracing::info_span!(target: TRACE, "use case", otel.name = name, otel.kind = "internal")
}

/// The header fields of a request, as a carrier of the trace context.
struct Fields<'a>(&'a HeaderMap);

impl Extractor for Fields<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0
            .keys()
            .map(actix_web::http::header::HeaderName::as_str)
            .collect()
    }
}
