//! The state of one request, shared by the middleware, the extractors and the handler.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpMessage, HttpRequest};
use tokio::time::Instant;
use user_domain::Rejection;
use user_domain::caller::Caller;
use user_domain::ports::VerifiedToken;

use crate::resource_limits::{CallerKey, HeldBytes, RateLimitState};

/// The header field of the id of a request.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, in its response and in the log: at most 64 letters, digits, `_`, `.` and `-`.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(HeaderValue);

/// The route pattern of a request, for logs and metrics: unlike the path, it contains no personal data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoutePattern(pub(crate) &'static str);

/// The state of one request.
pub(crate) struct RequestContext {
    pub(crate) id: RequestId,
    /// When the request arrived.
    pub(crate) received: Instant,
    /// The pattern of the route, once a handler was selected. It is also set if the client disconnects early.
    pub(crate) route: Cell<Option<&'static str>>,
    /// The kind of caller, for the log: neither name nor id.
    pub(crate) caller: Cell<&'static str>,
    /// The token of the caller, if it was verified before the request reached its handler.
    pub(crate) verified: Cell<Option<VerifiedToken>>,
    /// The caller that a body of the request is counted for.
    pub(crate) caller_key: OnceCell<CallerKey>,
    /// The counted memory of the parsed values of the body, if there are many; shared with the write that it starts.
    pub(crate) value_memory: OnceCell<Arc<HeldBytes>>,
    /// Whether the request completed a write.
    pub(crate) has_written: Cell<bool>,
    /// The state of the caller's rate limit, if it has one.
    pub(crate) rate_limit: Cell<Option<RateLimitState>>,
    /// Why the credential was rejected, for the log.
    pub(crate) rejection: Cell<Option<Rejection>>,
    /// Why the request was not served, for the log.
    pub(crate) failure: RefCell<Option<Failure>>,
}

/// Why a request was not served.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The code of the problem in the response.
    pub(crate) code: &'static str,
    /// The cause, which is logged and not sent to the client.
    pub(crate) cause: String,
}

impl RequestId {
    /// Creates an id from the value of a header field.
    pub(crate) fn new(value: HeaderValue) -> Self {
        Self(value)
    }

    /// Returns the id for the log.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Returns the id for a header field.
    pub(crate) fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl RequestContext {
    /// Creates the context of a request that has just arrived.
    pub(crate) fn new(id: RequestId) -> Rc<Self> {
        Rc::new(Self {
            id,
            received: Instant::now(),
            route: Cell::new(None),
            caller: Cell::new("none"),
            verified: Cell::new(None),
            caller_key: OnceCell::new(),
            value_memory: OnceCell::new(),
            has_written: Cell::new(false),
            rate_limit: Cell::new(None),
            rejection: Cell::new(None),
            failure: RefCell::new(None),
        })
    }

    /// Records the route of the request.
    pub(crate) fn record_route(&self, request: &HttpRequest) {
        let pattern = request.app_data::<RoutePattern>();
        self.route.set(pattern.map(|pattern| pattern.0));
    }

    /// Returns the pattern of the route of a request that has been answered, if it matched one.
    pub(crate) fn route_of(&self, request: &HttpRequest) -> Option<&'static str> {
        let matched = || request.app_data::<RoutePattern>().map(|pattern| pattern.0);
        self.route.get().or_else(matched)
    }

    /// Records the kind of caller, or why its credential was rejected.
    pub(crate) fn record_caller(&self, authenticated: Result<&Caller, Option<Rejection>>) {
        match authenticated {
            Ok(caller) => self.caller.set(caller.kind()),
            Err(rejection) => self.rejection.set(rejection),
        }
    }

    /// Records the caller that a body of the request is counted for.
    pub(crate) fn set_caller_key(&self, caller: &Caller) {
        // A request has one caller.
        let _ = self.caller_key.set(caller.into());
    }

    /// Returns the context of a request, if the middleware has created one.
    pub(crate) fn of(request: &impl HttpMessage) -> Option<Rc<Self>> {
        request.extensions().get::<Rc<Self>>().cloned()
    }
}
