//! Gives requests ids, counts and times them, writes their line in the log, and survives their panics.

use std::future::{Ready, ready};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, HttpMessage as _};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use metrics::Gauge;
use tokio::time::Instant;
use user_domain::ports::IdGenerator;

use super::RequestId;
use super::conform::after_panic;
use crate::api::Api;
use crate::detach::panic_message;
use crate::extract::{CallerKind, Received};
use crate::metrics::{ACTIVE_REQUESTS, REQUEST_DURATION};
use crate::resource::Pattern;

/// Gives requests ids, counts and times them, writes their line in the log, and survives their panics.
pub(crate) struct Observe {
    api: Api,
}

impl Observe {
    pub(crate) fn new(api: &Api) -> Self {
        Self { api: api.clone() }
    }
}

pub(crate) struct ObserveService<S> {
    service: S,
    api: Api,
    active: Arc<Gauge>,
}

impl<S> Transform<S, ServiceRequest> for Observe
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
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
            service,
            api: self.api.clone(),
            active,
        }))
    }
}

impl<S> Service<ServiceRequest> for ObserveService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let received = Instant::now();
        let active = Active::begin(self.active.clone());
        let id = request_id(request.headers(), self.api.ids());
        let method = method_name(request.method());
        request.extensions_mut().insert(Received(received));
        request.extensions_mut().insert(id.clone());
        let answer = self.service.call(request);
        Box::pin(async move {
            let _active = active;
            match AssertUnwindSafe(answer).catch_unwind().await {
                Ok(Ok(response)) => {
                    let request = response.request();
                    let pattern = request
                        .app_data::<Pattern>()
                        .map_or("unmatched", |pattern| pattern.0);
                    let caller = request
                        .extensions()
                        .get::<CallerKind>()
                        .map_or("none", |kind| kind.0);
                    Line {
                        id: &id,
                        method,
                        pattern,
                        caller,
                        status: response.status(),
                        received,
                    }
                    .write();
                    Ok(response)
                }
                Ok(Err(error)) => {
                    let status = error.as_response_error().status_code();
                    Line {
                        id: &id,
                        method,
                        pattern: "unmatched",
                        caller: "none",
                        status,
                        received,
                    }
                    .write();
                    Err(error)
                }
                Err(panic) => {
                    let status = StatusCode::INTERNAL_SERVER_ERROR;
                    Line {
                        id: &id,
                        method,
                        pattern: "unmatched",
                        caller: "none",
                        status,
                        received,
                    }
                    .write();
                    let response = after_panic(&panic_message(&*panic), &id);
                    Err(InternalError::from_response("a handler panicked", response).into())
                }
            }
        })
    }
}

/// A request that is being answered; also when its client goes away, it ends.
struct Active {
    gauge: Arc<Gauge>,
}

impl Active {
    fn begin(gauge: Arc<Gauge>) -> Self {
        gauge.increment(1.0);
        Self { gauge }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.gauge.decrement(1.0);
    }
}

struct Line<'a> {
    id: &'a RequestId,
    method: &'static str,
    pattern: &'static str,
    caller: &'static str,
    status: StatusCode,
    received: Instant,
}

impl Line<'_> {
    /// Counts the answer and logs it, without anything that a person typed.
    fn write(&self) {
        let duration = self.received.elapsed();
        let status = self.status.as_u16();
        metrics::histogram!(
            REQUEST_DURATION,
            "method" => self.method,
            "route" => self.pattern,
            "status" => status.to_string()
        )
        .record(duration);
        tracing::info!(
            request_id = &*self.id.0,
            method = self.method,
            route = self.pattern,
            status,
            duration_ms = duration.as_secs_f64() * 1000.0,
            caller = self.caller,
            "request"
        );
    }
}

/// Keeps a client's id if it is one short plain word, else makes one.
fn request_id(headers: &HeaderMap, ids: &dyn IdGenerator) -> RequestId {
    let mut lines = headers.get_all("x-request-id");
    let given = match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().ok().filter(|id| is_plain(id)),
        _ => None,
    };
    RequestId(match given {
        Some(id) => id.into(),
        None => ids.event_id().to_string().into(),
    })
}

fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
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
            assert!(is_plain(id), "{id}");
        }
        for id in ["", "a b", "é", "a\"", "a/b", &"x".repeat(65)] {
            assert!(!is_plain(id), "{id}");
        }
    }
}
