//! Turns all errors into problems (RFC 9457), and adds the header fields of all responses.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, HttpResponse};

use crate::problem::{Code, PROBLEM_JSON, Problem, record_and_render};
use crate::request_context::{RequestContext, RequestId, X_REQUEST_ID};

/// The `Vary` of all API responses.
pub(super) const API_VARY: &str = "Authorization, X-API-Token, Origin";

/// Completes the response to a request: turns an error, those of the framework included, into a problem, and adds the
/// header fields of all responses.
pub(super) fn complete<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    context: &RequestContext,
    has_cors: bool,
) -> ServiceResponse<BoxBody> {
    let (request, response) = response.map_into_boxed_body().into_parts();
    let mut response = ServiceResponse::new(request, as_problem(response, context));
    if response.request().method() == Method::OPTIONS && response.status() == StatusCode::OK {
        *response.response_mut().status_mut() = StatusCode::NO_CONTENT;
    }
    let vary = vary(&response, context, has_cors);
    add_common_headers(response.headers_mut(), &context.id, vary);
    if let Some(state) = context.rate_limit.get() {
        state.add_to(response.headers_mut());
    }
    response
}

/// Returns the complete response to a request that did not reach the routes or whose handler failed.
pub(super) fn problem_response(
    error: impl Into<Error>,
    context: &RequestContext,
    vary: Option<&'static str>,
) -> HttpResponse {
    let mut response = as_problem(HttpResponse::from_error(error), context);
    add_common_headers(response.headers_mut(), &context.id, vary);
    response
}

/// Turns an error response into a problem that no cache may store. Other responses are unchanged.
pub(super) fn as_problem(response: HttpResponse, context: &RequestContext) -> HttpResponse {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let known = response
        .error()
        .and_then(|error| error.as_error::<Problem>());
    let (status, body) = if let Some(problem) = known {
        (status, record_and_render(problem, context))
    } else {
        let problem = Problem::new(Code::of_status(status), "The request was refused.");
        let status = actix_web::ResponseError::status_code(&problem);
        (status, record_and_render(&problem, context))
    };
    let mut response = response.set_body(BoxBody::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.remove(CONTENT_ENCODING);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns the `Vary` of a response.
fn vary(
    response: &ServiceResponse,
    context: &RequestContext,
    has_cors: bool,
) -> Option<&'static str> {
    let request = response.request();
    let pattern = context.route_of(request).unwrap_or(request.path());
    vary_of_path(pattern).or(has_cors.then_some("Origin"))
}

/// Returns the `Vary` of all responses at this path or route pattern.
pub(super) fn vary_of_path(path: &str) -> Option<&'static str> {
    path.starts_with("/v1/").then_some(API_VARY)
}

/// Adds the header fields of all responses.
pub(super) fn add_common_headers(
    headers: &mut HeaderMap,
    id: &RequestId,
    vary: Option<&'static str>,
) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_REQUEST_ID, id.to_header());
    if let Some(fields) = vary {
        headers.append(VARY, HeaderValue::from_static(fields));
    }
}
