//! Gives requests ids, counts, times and traces them, writes their line in the log, and survives their panics.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Ready, ready};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method};
use actix_web::{Error, HttpMessage as _};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use metrics::{Gauge, Histogram};
use tracing::{Instrument, Span};
use user_domain::ports::IdGenerator;
use uuid::fmt::Hyphenated;

use super::conform::after_panic;
use super::shortcut::Shortcut;
use crate::api::Api;
use crate::detach::panic_message;
use crate::frame::{Frame, RequestId};
use crate::metrics::{ACTIVE_REQUESTS, CLIENT_GONE, REQUEST_DURATION};
use crate::resource::Pattern;
use crate::trace;

/// The route of a request for which there is none.
const UNMATCHED: &str = "unmatched";

/// Gives requests ids, counts and times them, writes their line in the log, and survives their panics.
pub(crate) struct Observe {
    api: Api,
    has_traces: bool,
    shortcut: Option<Shortcut>,
}

impl Observe {
    /// `for_pages` tells pages of other origins what they may read of an answer, where there may be such.
    pub(crate) fn new(api: &Api, for_pages: Option<(HeaderName, HeaderValue)>) -> Self {
        Self {
            api: api.clone(),
            has_traces: true,
            shortcut: Some(Shortcut::new(for_pages)),
        }
    }

    /// For what operators ask: a probe every few seconds is not worth a trace.
    pub(crate) fn untraced(api: &Api) -> Self {
        Self {
            api: api.clone(),
            has_traces: false,
            shortcut: None,
        }
    }
}

pub(crate) struct ObserveService<S> {
    service: Rc<S>,
    api: Api,
    has_traces: bool,
    active: Arc<Gauge>,
    durations: Rc<Durations>,
    shortcut: Option<Shortcut>,
}

impl<S> Transform<S, ServiceRequest> for Observe
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type InitError = ();
    type Transform = ObserveService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let active = Arc::new(metrics::gauge!(ACTIVE_REQUESTS));
        ready(Ok(ObserveService {
            service: Rc::new(service),
            api: self.api.clone(),
            has_traces: self.has_traces,
            active,
            durations: Rc::default(),
            shortcut: self.shortcut.clone(),
        }))
    }
}

impl<S> Service<ServiceRequest> for ObserveService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let active = Active::begin(self.api.clone(), self.active.clone());
        let frame = Frame::begin(request_id(request.headers(), self.api.ids()));
        let method = method_name(request.method());
        let shortcut = self.shortcut.as_ref();
        if let Some(response) = shortcut.and_then(|way| way.recall(&self.api, &request, &frame)) {
            let route = frame.route.get().unwrap_or(UNMATCHED);
            let span = Span::none();
            let durations = self.durations.clone();
            Line::new(frame, method, span, durations).write(route, response.status().as_u16());
            drop(active);
            return Box::pin(ready(Ok(request.into_response(response))));
        }
        request.extensions_mut().insert(frame.clone());
        let span = if self.has_traces {
            trace::request(method, request.headers())
        } else {
            Span::none()
        };
        let durations = self.durations.clone();
        let mut line = Line::new(frame.clone(), method, span.clone(), durations);
        let (api, service) = (self.api.clone(), self.service.clone());
        let (readiness, shortcut) = (api.readiness().clone(), self.shortcut.clone());
        let answer = async move {
            if let Some(way) = shortcut
                && let Some(response) = way.read(&api, &request, &frame).await
            {
                return Ok(request.into_response(response));
            }
            service.call(request).await
        };
        let answer = answer.instrument(span);
        Box::pin(async move {
            let _active = active;
            match AssertUnwindSafe(answer).catch_unwind().await {
                Ok(Ok(mut response)) => {
                    if readiness.is_draining() {
                        // The connection ends with an answer, rather than under the client's next request.
                        let head = response.response_mut().head_mut();
                        head.set_connection_type(ConnectionType::Close);
                    }
                    let request = response.request();
                    let pattern = request.app_data::<Pattern>().map(|pattern| pattern.0);
                    let route = pattern.or(line.frame.route.get()).unwrap_or(UNMATCHED);
                    line.write(route, response.status().as_u16());
                    Ok(response)
                }
                Ok(Err(error)) => {
                    let status = error.as_response_error().status_code();
                    line.write(UNMATCHED, status.as_u16());
                    Err(error)
                }
                Err(panic) => {
                    let route = line.frame.route.get().unwrap_or(UNMATCHED);
                    line.write(route, 500);
                    let response = after_panic(&panic_message(&*panic), &line.frame.id);
                    Err(InternalError::from_response("a handler panicked", response).into())
                }
            }
        })
    }
}

/// A request that is being answered; also when its client goes away, it ends.
struct Active {
    api: Api,
    gauge: Arc<Gauge>,
}

impl Active {
    fn begin(api: Api, gauge: Arc<Gauge>) -> Self {
        api.active().fetch_add(1, Ordering::Relaxed);
        gauge.increment(1.0);
        Self { api, gauge }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.api.active().fetch_sub(1, Ordering::Relaxed);
        self.gauge.decrement(1.0);
    }
}

/// The histograms of answers. Each is named once by a worker: to name one takes longer than to record into it.
#[derive(Default)]
struct Durations(RefCell<HashMap<(&'static str, &'static str, u16), Histogram>>);

impl Durations {
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

/// What is told of a request once it is answered.
struct Line {
    frame: Rc<Frame>,
    method: &'static str,
    span: Span,
    durations: Rc<Durations>,
    is_written: bool,
}

impl Drop for Line {
    /// Tells of a request that its client gave up before it was answered.
    fn drop(&mut self) {
        if !self.is_written {
            let route = self.frame.route.get().unwrap_or(UNMATCHED);
            self.write(route, CLIENT_GONE);
        }
    }
}

impl Line {
    fn new(frame: Rc<Frame>, method: &'static str, span: Span, durations: Rc<Durations>) -> Self {
        Self {
            frame,
            method,
            span,
            durations,
            is_written: false,
        }
    }

    /// Counts the answer, logs it and ends its trace, without anything that a person typed.
    fn write(&mut self, route: &'static str, status: u16) {
        self.is_written = true;
        let Self {
            frame,
            method,
            span,
            durations,
            ..
        } = self;
        let duration = frame.received.elapsed();
        durations.record(method, route, status, duration);
        let id = frame.id.as_str();
        trace::answered(span, method, route, status, id);
        tracing::info!(
            request_id = id,
            trace_id = trace::id(span).map(tracing::field::display),
            method,
            route,
            status,
            duration_ms = duration.as_secs_f64() * 1000.0,
            caller = frame.caller.get(),
            "request"
        );
    }
}

/// Keeps a client's id if it is one short plain word, else makes one.
fn request_id(headers: &HeaderMap, ids: &dyn IdGenerator) -> RequestId {
    let mut lines = headers.get_all("x-request-id");
    if let (Some(line), None) = (lines.next(), lines.next())
        && is_plain(line.as_bytes())
    {
        return RequestId::new(line.clone());
    }
    let mut text = [0; Hyphenated::LENGTH];
    let made = ids.event_id().hyphenated().encode_lower(&mut text);
    // Never fails for hexadecimal digits and hyphens.
    RequestId::new(HeaderValue::from_str(made).unwrap_or(HeaderValue::from_static("-")))
}

fn is_plain(id: &[u8]) -> bool {
    (1..=64).contains(&id.len())
        && id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// The method's name, of which there are only so many.
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
            assert!(is_plain(id.as_bytes()), "{id}");
        }
        for id in ["", "a b", "é", "a\"", "a/b", &"x".repeat(65)] {
            assert!(!is_plain(id.as_bytes()), "{id}");
        }
    }
}
