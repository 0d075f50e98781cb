//! Responses to requests that the HTTP parser rejects before the app receives them.

use std::rc::Rc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use tracing::Span;

use super::problem_responses::{API_VARY, problem_response};
use super::request_telemetry::{DurationHistograms, RequestRecord, UNMATCHED, new_request_id};
use crate::api::Api;
use crate::problem::{Code, Problem};
use crate::request_context::RequestContext;

/// The method in logs and metrics of a request that could not be parsed.
const UNKNOWN_METHOD: &str = "OTHER";

/// Creates, counts and logs the responses to requests that the parser rejects. Each worker has one.
pub(crate) struct ParserRejections {
    api: Api,
    durations: Rc<DurationHistograms>,
}

impl ParserRejections {
    pub(crate) fn new(api: &Api) -> Self {
        Self {
            api: api.clone(),
            durations: Rc::default(),
        }
    }

    /// Creates the response to a request that the parser rejected with this status.
    pub(crate) fn response(&self, status: StatusCode) -> HttpResponse {
        let context = RequestContext::new(new_request_id(self.api.ids()));
        let response = problem_response(self.problem(status), &context, Some(API_VARY));
        let durations = self.durations.clone();
        RequestRecord::new(context, UNKNOWN_METHOD, Span::none(), durations)
            .write(UNMATCHED, response.status().as_u16());
        response
    }

    fn problem(&self, status: StatusCode) -> Problem {
        let code = Code::of_status(status);
        match code {
            Code::HeaderTooLarge => Problem::new(
                code,
                format!(
                    "A request may have at most 96 header fields, of at most {} bytes together.",
                    self.api.settings().header_limit
                ),
            ),
            Code::RequestTimeout => Problem::new(code, "The header fields did not arrive in time."),
            Code::Internal => Problem::internal("the HTTP parser failed"),
            _ => Problem::new(
                code,
                "The request is not HTTP/1.1 as RFC 9112 defines it. Its first line must be a method, a request target \
                 and HTTP/1.1. It must have exactly one Host, and not both Content-Length and Transfer-Encoding. Spaces, \
                 control characters and characters outside ASCII must be percent-encoded in the request target.",
            ),
        }
    }
}
