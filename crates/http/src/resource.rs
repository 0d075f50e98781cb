//! The behaviour that all resources share: `OPTIONS`, `Allow` and 405.

use std::future::ready;

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, web};

use crate::problem::{Code, Problem};
use crate::request_context::RoutePattern;

/// Creates a resource that answers OPTIONS, and answers methods without a handler with a 405.
///
/// `allow` is the `Allow` field (RFC 9110). It names every method, OPTIONS included.
pub(crate) fn resource(pattern: &'static str, allow: &'static str) -> Resource {
    with_options(web::resource(pattern), pattern, allow)
}

/// Creates a resource with GET and HEAD. They are first, because methods are matched in order.
pub(crate) fn readable<F, Args>(pattern: &'static str, allow: &'static str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let resource = web::resource(pattern)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler));
    with_options(resource, pattern, allow)
}

/// Creates a resource with GET and HEAD only.
pub(crate) fn read_only<F, Args>(pattern: &'static str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    readable(pattern, "GET, HEAD, OPTIONS", handler)
}

fn with_options(resource: Resource, pattern: &'static str, allow: &'static str) -> Resource {
    let allow = HeaderValue::from_static(allow);
    let refused = allow.clone();
    resource
        .app_data(RoutePattern(pattern))
        .route(web::method(Method::OPTIONS).to(move || {
            ready(
                HttpResponse::NoContent()
                    .insert_header((ALLOW, allow.clone()))
                    .finish(),
            )
        }))
        .default_service(web::to(move || {
            let problem = Problem::new(
                Code::MethodNotAllowed,
                "This resource does not have this method.",
            );
            ready(Err::<HttpResponse, _>(
                problem.with_header(ALLOW, refused.clone()),
            ))
        }))
}
