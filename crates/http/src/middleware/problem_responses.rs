//! Turns all errors into problems (RFC 9457), and adds the header fields of all responses.

use std::future::{Ready, ready};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, HttpResponse};
use futures_util::future::LocalBoxFuture;

use crate::api::Api;
use crate::problem::{Code, PROBLEM_JSON, Problem, record_and_render};
use crate::request_context::{RequestContext, RequestId};
use crate::resource::RoutePattern;

/// The `Vary` of all API responses.
pub(super) const API_VARY: &str = "Authorization, X-API-Token, Origin";

/// Turns all errors into problems, those of the framework included, and adds the header fields of all responses.
pub(crate) struct ProblemResponses {
    has_cors: bool,
}

impl ProblemResponses {
    pub(crate) fn new(api: &Api) -> Self {
        Self {
            has_cors: !api.settings().cors_allowed_origins.is_empty(),
        }
    }
}

pub(crate) struct ProblemResponsesService<S> {
    service: S,
    has_cors: bool,
}

impl<S, B> Transform<S, ServiceRequest> for ProblemResponses
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type InitError = ();
    type Transform = ProblemResponsesService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(ProblemResponsesService {
            service,
            has_cors: self.has_cors,
        }))
    }
}

impl<S, B> Service<ServiceRequest> for ProblemResponsesService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let context = RequestContext::of(&request)
            .unwrap_or_else(|| RequestContext::new(RequestId::new(HeaderValue::from_static("-"))));
        let has_cors = self.has_cors;
        let response = self.service.call(request);
        Box::pin(async move {
            let (request, response) = response.await?.map_into_boxed_body().into_parts();
            let mut response = ServiceResponse::new(request, as_problem(response, &context));
            if response.request().method() == Method::OPTIONS && response.status() == StatusCode::OK
            {
                *response.response_mut().status_mut() = StatusCode::NO_CONTENT;
            }
            let vary = vary(&response, has_cors);
            add_common_headers(response.headers_mut(), &context.id, vary);
            Ok(response)
        })
    }
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
fn vary(response: &ServiceResponse, has_cors: bool) -> Option<&'static str> {
    let request = response.request();
    let path = request
        .app_data::<RoutePattern>()
        .map_or(request.path(), |pattern| pattern.0);
    vary_of_path(path).or(has_cors.then_some("Origin"))
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
    headers.insert(HeaderName::from_static("x-request-id"), id.to_header());
    if let Some(fields) = vary {
        headers.append(VARY, HeaderValue::from_static(fields));
    }
}
