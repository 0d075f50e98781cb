//! Answers most reads at once, before the routes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue, ORIGIN};

use super::admit;
use super::conform::{VARIES, dress};
use crate::api::Api;
use crate::frame::Frame;
use crate::trace;
use crate::users::{BY_ID, recalled};

/// The short way of the most frequent request: a person reads somebody by id, and both are at hand.
///
/// It answers what the routes and the middleware around them would, or leaves it to them: they alone wait, refuse, trace,
/// and serve other origins. A test compares the two.
#[derive(Clone)]
pub(super) struct Shortcut {
    for_pages: Option<(HeaderName, HeaderValue)>,
}

impl Shortcut {
    /// `for_pages` tells pages of other origins what they may read of an answer, where there may be such.
    pub(super) fn new(for_pages: Option<(HeaderName, HeaderValue)>) -> Self {
        Self { for_pages }
    }

    /// Answers, if it can, and notes in the frame who asked.
    pub(super) fn answer(
        &self,
        api: &Api,
        request: &ServiceRequest,
        frame: &Frame,
    ) -> Option<HttpResponse> {
        let id = request.path().strip_prefix("/v1/users/")?;
        let is_plain = request.method() == Method::GET
            && request.query_string().is_empty()
            && !request.headers().contains_key(ORIGIN);
        if !is_plain
            || trace::is_on()
            || api.readiness().is_draining()
            || !admit::admits(api, request)
        {
            return None;
        }
        // The long way knows what to answer when something panics.
        let recall = AssertUnwindSafe(|| recalled(api, request.request(), id));
        let (caller, mut response) = catch_unwind(recall).ok()??;
        frame.route.set(Some(BY_ID));
        frame.caller.set(caller.kind());
        let headers = response.headers_mut();
        dress(headers, &frame.id, Some(VARIES));
        if let Some((name, value)) = &self.for_pages {
            headers.insert(name.clone(), value.clone());
        }
        Some(response)
    }
}
