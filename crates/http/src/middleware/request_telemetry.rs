//! Assigns request ids, records metrics, traces and log lines of requests, catches panics of handlers, and completes
//! responses.

use std::any::Any;
use std::cell::RefCell;
use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderMap, HeaderValue};
use actix_web::http::{ConnectionType, Method};
use actix_web::{Error, HttpMessage as _};
use futures_util::FutureExt as _;
use futures_util::future::{Either, LocalBoxFuture};
use metrics::{Gauge, Histogram};
use tracing::{Instrument, Span};
use user_domain::ports::IdGenerator;
use uuid::fmt::Hyphenated;

use super::direct_read::direct_read_now;
use super::problem_responses::{complete, problem_response, vary_of_path};
use crate::api::Api;
use crate::metric_names::{ACTIVE_REQUESTS, CLIENT_CLOSED_REQUEST, REQUEST_DURATION};
use crate::problem::Problem;
use crate::readiness::Readiness;
use crate::request_context::{RequestContext, RequestId, X_REQUEST_ID};
use crate::resource_limits::ActiveRequest;
use crate::trace;
use crate::write_tasks::panic_message;

/// The route in logs and metrics of a request that matches no route.
pub(super) const UNMATCHED: &str = "unmatched";

/// Assigns request ids, records metrics, traces and log lines of requests, catches panics of handlers, and completes
/// responses.
pub(crate) struct RequestTelemetry {
    api: Api,
    /// Whether these are the requests of the API, which have traces and direct reads, or those of the management port.
    serves_users: bool,
}

impl RequestTelemetry {
    /// Creates the middleware of the API.
    pub(crate) fn new(api: &Api) -> Self {
        Self {
            api: api.clone(),
            serves_users: true,
        }
    }

    /// Creates the middleware of the management port, without traces: probes arrive every few seconds.
    pub(crate) fn of_management(api: &Api) -> Self {
        Self {
            api: api.clone(),
            serves_users: false,
        }
    }
}

pub(crate) struct RequestTelemetryService<S> {
    service: Rc<S>,
    api: Api,
    serves_users: bool,
    active: Arc<Gauge>,
    durations: Rc<DurationHistograms>,
    has_cors: bool,
}

impl<S, B> Transform<S, ServiceRequest> for RequestTelemetry
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type InitError = ();
    type Transform = RequestTelemetryService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let active = Arc::new(metrics::gauge!(ACTIVE_REQUESTS));
        ready(Ok(RequestTelemetryService {
            service: Rc::new(service),
            api: self.api.clone(),
            serves_users: self.serves_users,
            active,
            durations: Rc::default(),
            has_cors: !self.api.settings().cors_allowed_origins.is_empty(),
        }))
    }
}

impl<S, B> Service<ServiceRequest> for RequestTelemetryService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Either<
        Ready<Result<Self::Response, Error>>,
        LocalBoxFuture<'static, Result<Self::Response, Error>>,
    >;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let active = ActiveRequest::begin(
            self.api.resource_limits().active.clone(),
            self.active.clone(),
        );
        let context = RequestContext::new(request_id(request.headers(), self.api.ids()));
        let method = method_name(request.method());
        request.extensions_mut().insert(context.clone());
        let span = if self.serves_users {
            trace::request_span(method, request.headers())
        } else {
            Span::none()
        };
        let durations = self.durations.clone();
        let mut record = RequestRecord::new(context.clone(), method, span.clone(), durations);
        let has_cors = self.has_cors;
        let now = || span.in_scope(|| direct_read_now(&self.api, request.request(), &context));
        let now = catch_unwind(AssertUnwindSafe(|| self.serves_users.then(now).flatten()));
        match now {
            Ok(None) => {}
            Ok(Some(read)) => {
                let response = match read {
                    Ok(response) => request.into_response(response),
                    Err(problem) => request.error_response(problem),
                };
                let response = complete(response, &context, has_cors);
                let response = record.write_response(response, self.api.readiness());
                return Either::Left(ready(Ok(response)));
            }
            Err(panic) => return Either::Left(ready(Err(record.write_panic(&*panic)))),
        }
        let service = self.service.clone();
        let readiness = self.api.readiness().clone();
        let response = async move {
            let response = service.call(request).await?;
            Ok(complete(response, &context, has_cors))
        };
        let response = response.instrument(span);
        Either::Right(Box::pin(async move {
            let _active = active;
            match AssertUnwindSafe(response).catch_unwind().await {
                Ok(Ok(response)) => Ok(record.write_response(response, &readiness)),
                // No middleware of this service returns an error. If one ever does, its error becomes a problem.
                Ok(Err(error)) => Err(record.write_failure(error)),
                Err(panic) => Err(record.write_panic(&*panic)),
            }
        }))
    }
}

/// The duration histograms of one worker. They are kept, because looking one up takes longer than recording a value.
#[derive(Default)]
pub(super) struct DurationHistograms(
    RefCell<foldhash::HashMap<(&'static str, &'static str, u16), Histogram>>,
);

impl DurationHistograms {
    fn record(&self, method: &'static str, route: &'static str, status: u16, duration: Duration) {
        self.0
            .borrow_mut()
            .entry((method, route, status))
            .or_insert_with(|| {
                metrics::histogram!(
                    REQUEST_DURATION,
                    "method" => method,
                    "route" => route,
                    "status" => status.to_string()
                )
            })
            .record(duration);
    }
}

/// The metrics, log line and span of a request, written after its response.
pub(super) struct RequestRecord {
    context: Rc<RequestContext>,
    method: &'static str,
    span: Span,
    durations: Rc<DurationHistograms>,
    is_written: bool,
}

impl Drop for RequestRecord {
    /// Records a request whose client disconnected before the response.
    fn drop(&mut self) {
        if !self.is_written {
            let route = self.context.route.get().unwrap_or(UNMATCHED);
            self.write(route, CLIENT_CLOSED_REQUEST);
        }
    }
}

impl RequestRecord {
    pub(super) fn new(
        context: Rc<RequestContext>,
        method: &'static str,
        span: Span,
        durations: Rc<DurationHistograms>,
    ) -> Self {
        Self {
            context,
            method,
            span,
            durations,
            is_written: false,
        }
    }

    /// Records a request with its response, and returns the response.
    fn write_response(
        &mut self,
        mut response: ServiceResponse<BoxBody>,
        readiness: &Readiness,
    ) -> ServiceResponse<BoxBody> {
        if readiness.is_draining() {
            // Closes the connection after this response, so that the client's next request does not fail.
            let head = response.response_mut().head_mut();
            head.set_connection_type(ConnectionType::Close);
        }
        let route = self.context.route_of(response.request());
        self.write(route.unwrap_or(UNMATCHED), response.status().as_u16());
        response
    }

    /// Records a request whose handler failed, and returns its response.
    fn write_failure(&mut self, error: Error) -> Error {
        let route = self.context.route.get().unwrap_or(UNMATCHED);
        let response = problem_response(error, &self.context, vary_of_path(route));
        self.write(route, response.status().as_u16());
        InternalError::from_response("request handler failed", response).into()
    }

    /// Records a request whose handler panicked, and returns its response.
    fn write_panic(&mut self, panic: &(dyn Any + Send)) -> Error {
        let cause = format!("a handler panicked: {}", panic_message(panic));
        self.write_failure(Problem::internal(cause).into())
    }

    /// Records the response in metrics, log and trace, without any user input.
    pub(super) fn write(&mut self, route: &'static str, status: u16) {
        self.is_written = true;
        let Self {
            context,
            method,
            span,
            durations,
            ..
        } = self;
        let duration = context.received.elapsed();
        durations.record(method, route, status, duration);
        let id = context.id.as_str();
        trace::record_response(span, method, route, status, id);
        let failure = context.failure.take();
        let code = failure.as_ref().map(|failure| failure.code);
        let failure = failure.as_ref().map(|failure| failure.cause.as_str());
        let rejection = context.rejection.get();
        // The level of a tracing event must be a constant.
        macro_rules! log {
            ($level:ident, $cause:expr) => {
                tracing::$level!(
                    request_id = id,
                    trace_id = trace::trace_id(span).map(tracing::field::display),
                    method,
                    route,
                    status,
                    duration_ms = duration.as_secs_f64() * 1000.0,
                    caller = context.caller.get(),
                    code,
                    cause = $cause,
                    "request"
                )
            };
        }
        match failure {
            None => log!(info, rejection.map(tracing::field::display)),
            Some(cause) if status == 500 => log!(error, cause),
            Some(cause) => log!(warn, cause),
        }
    }
}

/// Returns the client's request id if it is valid, else a new one.
fn request_id(headers: &HeaderMap, ids: &dyn IdGenerator) -> RequestId {
    let mut lines = headers.get_all(X_REQUEST_ID);
    if let (Some(line), None) = (lines.next(), lines.next())
        && is_valid_id(line.as_bytes())
    {
        return RequestId::new(line.clone());
    }
    new_request_id(ids)
}

/// Creates a request id.
pub(super) fn new_request_id(ids: &dyn IdGenerator) -> RequestId {
    let mut text = [0; Hyphenated::LENGTH];
    let made = ids.event_id().hyphenated().encode_lower(&mut text);
    // Never fails for hexadecimal digits and hyphens.
    RequestId::new(HeaderValue::from_str(made).unwrap_or(HeaderValue::from_static("-")))
}

fn is_valid_id(id: &[u8]) -> bool {
    (1..=64).contains(&id.len())
        && id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// Returns the label of a method. The number of labels is bounded.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_words_are_request_ids() {
        for id in [
            "a",
            "0199b8f2-7c1e-7000-8000-000000000000",
            "A_b.c-1",
            &"x".repeat(64),
        ] {
            assert!(is_valid_id(id.as_bytes()), "{id}");
        }
        for id in ["", "a b", "é", "a\"", "a/b", &"x".repeat(65)] {
            assert!(!is_valid_id(id.as_bytes()), "{id}");
        }
    }
}
