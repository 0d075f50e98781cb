//! What every resource does besides its own methods.

use std::future::ready;

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, web};

use crate::problem::{Code, Problem};

/// The pattern of the resource that a request reached, for logs and metrics: it holds no personal data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pattern(pub(crate) &'static str);

/// Makes a resource that answers OPTIONS, and refuses the methods that are not added to it.
///
/// `allow` is the `Allow` field (RFC 9110) and names every method, OPTIONS included.
pub(crate) fn resource(pattern: &'static str, allow: &'static str) -> Resource {
    let allow = HeaderValue::from_static(allow);
    let refused = allow.clone();
    web::resource(pattern)
        .app_data(Pattern(pattern))
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

/// Makes a resource that can only be read.
pub(crate) fn read_only<F, Args>(pattern: &'static str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    read(resource(pattern, "GET, HEAD, OPTIONS"), handler)
}

/// Adds a handler for GET and HEAD.
pub(crate) fn read<F, Args>(resource: Resource, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    resource
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
}
