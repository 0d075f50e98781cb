//! Makes every answer what the contract says of every answer.

use std::future::{Ready, ready};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, HttpResponse};
use futures_util::future::LocalBoxFuture;

use crate::api::Api;
use crate::frame::{Frame, RequestId};
use crate::problem::{Code, PROBLEM_JSON, Problem, answer};
use crate::resource::Pattern;

/// The fields of a request that each answer of the API depends on.
pub(super) const VARIES: &str = "Authorization, X-API-Token, Origin";

/// Words every error as a problem, the framework's too, and adds the header fields that every answer has.
pub(crate) struct Conform {
    has_cors: bool,
}

impl Conform {
    pub(crate) fn new(api: &Api) -> Self {
        Self {
            has_cors: !api.settings().cors_allowed_origins.is_empty(),
        }
    }
}

pub(crate) struct ConformService<S> {
    service: S,
    has_cors: bool,
}

impl<S, B> Transform<S, ServiceRequest> for Conform
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type InitError = ();
    type Transform = ConformService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(ConformService {
            service,
            has_cors: self.has_cors,
        }))
    }
}

impl<S, B> Service<ServiceRequest> for ConformService<S>
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
        let id = Frame::of(&request).map_or_else(
            || RequestId::new(HeaderValue::from_static("-")),
            |frame| frame.id.clone(),
        );
        let has_cors = self.has_cors;
        let answer = self.service.call(request);
        Box::pin(async move {
            let (request, response) = answer.await?.map_into_boxed_body().into_parts();
            let mut response = ServiceResponse::new(request, as_problem(response, &id));
            if response.request().method() == Method::OPTIONS && response.status() == StatusCode::OK
            {
                *response.response_mut().status_mut() = StatusCode::NO_CONTENT;
            }
            let varies_by = varies_by(&response, has_cors);
            dress(response.headers_mut(), &id, varies_by);
            Ok(response)
        })
    }
}

/// Makes the whole answer to a request whose handler panicked.
pub(super) fn after_panic(message: &str, id: &RequestId) -> HttpResponse {
    let problem = Problem::internal(format!("a handler panicked: {message}"));
    let mut response = HttpResponse::InternalServerError()
        .content_type(PROBLEM_JSON)
        .body(answer(&problem, id.as_str()));
    dress(response.headers_mut(), id, None);
    response
}

/// Words an error as a problem; any other answer stays as it is.
pub(super) fn as_problem(response: HttpResponse, id: &RequestId) -> HttpResponse {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let worded = match response
        .error()
        .and_then(|error| error.as_error::<Problem>())
    {
        Some(problem) => (status, answer(problem, id.as_str())),
        None if is_problem(response.headers()) => return response,
        None => {
            let problem = Problem::new(Code::of_status(status), "The request was refused.");
            (
                actix_web::ResponseError::status_code(&problem),
                answer(&problem, id.as_str()),
            )
        }
    };
    let (status, body) = worded;
    let mut response = response.set_body(BoxBody::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.remove(CONTENT_ENCODING);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    response
}

fn is_problem(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|line| line.as_bytes().starts_with(PROBLEM_JSON.as_bytes()))
}

/// Tells which fields of a request an answer depends on.
fn varies_by(response: &ServiceResponse, has_cors: bool) -> Option<&'static str> {
    let request = response.request();
    let is_api = request.app_data::<Pattern>().map_or_else(
        || request.path().starts_with("/v1/"),
        |pattern| pattern.0.starts_with("/v1/"),
    );
    if is_api {
        return Some(VARIES);
    }
    has_cors.then_some("Origin")
}

/// Adds the header fields that every answer has.
pub(super) fn dress(headers: &mut HeaderMap, id: &RequestId, varies_by: Option<&'static str>) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("x-request-id"), id.to_header());
    if let Some(fields) = varies_by {
        headers.insert(VARY, HeaderValue::from_static(fields));
    }
}
