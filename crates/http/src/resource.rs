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
    described(web::resource(pattern), pattern, allow)
}

/// Makes a resource that can also be read, by GET and HEAD. They come first: methods are tried in their order.
pub(crate) fn readable<F, Args>(pattern: &'static str, allow: &'static str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let resource = web::resource(pattern)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler));
    described(resource, pattern, allow)
}

/// Makes a resource that can only be read.
pub(crate) fn read_only<F, Args>(pattern: &'static str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    readable(pattern, "GET, HEAD, OPTIONS", handler)
}

fn described(resource: Resource, pattern: &'static str, allow: &'static str) -> Resource {
    let allow = HeaderValue::from_static(allow);
    let refused = allow.clone();
    resource
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
