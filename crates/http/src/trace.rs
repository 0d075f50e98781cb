//! A request as a trace (OpenTelemetry): its own span, continued from the caller's, and one for each use case.
//!
//! Spans hold patterns, names and statuses: no path, no query, no header field, nobody's id.

use actix_web::http::header::HeaderMap;
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, TraceId, global};
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::metrics::CLIENT_GONE;

/// The target of all spans that make a trace; no line of the log has it.
const TRACE: &str = "traces";

/// Begins the span of a request, under the span that `traceparent` names (W3C Trace Context) if there is one.
pub(crate) fn request(method: &'static str, headers: &HeaderMap) -> Span {
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
        // Without a layer that exports it, the span has no context to be given.
        let _ = span.set_parent(parent);
    }
    span
}

/// Notes on a request's span how it was answered.
pub(crate) fn answered(
    span: &Span,
    method: &'static str,
    route: &'static str,
    status: u16,
    request_id: &str,
) {
    if span.is_disabled() {
        return;
    }
    // Only now it is known by its route; a field cannot rename a span that has begun.
    let context = span.context();
    context.span().update_name(format!("{method} {route}"));
    span.record("http.route", route);
    span.record("http.response.status_code", status);
    span.record("request_id", request_id);
    if status >= CLIENT_GONE {
        span.record("otel.status_code", "ERROR");
    }
}

/// The id of the trace that a span belongs to, if it is exported.
pub(crate) fn id(span: &Span) -> Option<TraceId> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    (context.is_valid() && context.is_sampled()).then(|| context.trace_id())
}

/// Begins the span of a use case, in the request's.
pub(crate) fn use_case(name: &'static str) -> Span {
    tracing::info_span!(target: TRACE, "use case", otel.name = name, otel.kind = "internal")
}

/// Whether traces are made.
pub(crate) fn is_on() -> bool {
    tracing::enabled!(target: TRACE, tracing::Level::INFO)
}

/// The header fields that carry a trace from its caller.
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
