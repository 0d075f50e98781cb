//! Answers most reads before the routes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue, ORIGIN};
use user_domain::caller::Caller;

use super::admit;
use super::conform::{VARIES, as_problem, dress};
use crate::api::Api;
use crate::frame::Frame;
use crate::trace;
use crate::users::{BY_ID, PlainRead};

/// The short way of the most frequent request: a person, whose token was verified before, reads somebody by id.
///
/// It answers what the routes and the middleware around them would, or leaves it to them: they alone refuse callers, find
/// nobody, trace, and serve other origins. A store that fails is told here, as there: nobody asks it twice. Tests compare the
/// two.
#[derive(Clone)]
pub(super) struct Shortcut {
    for_pages: Rc<Option<(HeaderName, HeaderValue)>>,
}

impl Shortcut {
    /// `for_pages` tells pages of other origins what they may read of an answer, where there may be such.
    pub(super) fn new(for_pages: Option<(HeaderName, HeaderValue)>) -> Self {
        let for_pages = Rc::new(for_pages);
        Self { for_pages }
    }

    /// Answers without waiting, if it can, and notes in the frame who asked.
    pub(super) fn recall(
        &self,
        api: &Api,
        request: &ServiceRequest,
        frame: &Frame,
    ) -> Option<HttpResponse> {
        let read = plain_read(api, request)?;
        // The long way knows what to answer when something panics.
        let recall = AssertUnwindSafe(|| read.recall(api, request.request()));
        let (caller, response) = catch_unwind(recall).ok()??;
        Some(self.dressed(response, frame, Some(&caller)))
    }

    /// Answers from what has to be read, if it can, and notes in the frame who asked.
    pub(super) async fn read(
        &self,
        api: &Api,
        request: &ServiceRequest,
        frame: &Frame,
    ) -> Option<HttpResponse> {
        let read = plain_read(api, request)?;
        // Known also of a request whose client leaves before it is answered.
        frame.route.set(Some(BY_ID));
        let deadline = frame.received + api.settings().deadlines.request;
        match read.read(api, request.request(), deadline).await {
            Ok(Some((caller, response))) => Some(self.dressed(response, frame, Some(&caller))),
            Ok(None) => None,
            Err(problem) => {
                let response = as_problem(HttpResponse::from_error(problem), &frame.id);
                Some(self.dressed(response, frame, None))
            }
        }
    }

    fn dressed(
        &self,
        mut response: HttpResponse,
        frame: &Frame,
        caller: Option<&Caller>,
    ) -> HttpResponse {
        frame.route.set(Some(BY_ID));
        if let Some(caller) = caller {
            frame.caller.set(caller.kind());
        }
        let headers = response.headers_mut();
        dress(headers, &frame.id, Some(VARIES));
        if let Some((name, value)) = &*self.for_pages {
            headers.insert(name.clone(), value.clone());
        }
        response
    }
}

/// Takes a request for the short way.
fn plain_read<'a>(api: &Api, request: &'a ServiceRequest) -> Option<PlainRead<'a>> {
    let id = request.path().strip_prefix("/v1/users/")?;
    let is_plain = request.method() == Method::GET
        && request.query_string().is_empty()
        && !request.headers().contains_key(ORIGIN);
    let is_served = is_plain
        && !trace::is_on()
        && !api.readiness().is_draining()
        && admit::admits(api, request);
    is_served
        .then(|| PlainRead::of(request.headers(), id))
        .flatten()
}
