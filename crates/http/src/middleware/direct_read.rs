//! Routes the most frequent request, `GET /v1/users/{id}`, directly to its handler.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpRequest, HttpResponse};

use super::request_limits::{header_excess, overload};
use crate::api::Api;
use crate::consistency::CONSISTENCY_TOKEN;
use crate::problem::Problem;
use crate::request_context::RequestContext;
use crate::users::PlainRead;

/// Returns the response to a plain read, before all other middleware, if everything that it needs is in memory.
///
/// The middleware in between would change nothing: no origins are allowed (CORS), the path has no prefix, there is no
/// consistency token, and the request is within the limits, which are asked here. Any other request takes the ordinary
/// way, which ends in [`direct_read`].
pub(super) fn direct_read_now(
    api: &Api,
    request: &HttpRequest,
    context: &RequestContext,
) -> Option<Result<HttpResponse, Problem>> {
    let has_cors = !api.settings().cors_allowed_origins.is_empty();
    let has_token =
        api.consistency().is_some() && request.headers().contains_key(CONSISTENCY_TOKEN);
    if has_cors
        || has_token
        || header_excess(api, request.headers()).is_some()
        || overload(api, request.path()).is_some()
    {
        return None;
    }
    PlainRead::of(request)?.respond_now(api, request, context)
}

/// Calls the handler of a plain read of one user without the router, which takes longer than the rest of such a read.
///
/// Not if callers have rate limits: it reads the caller and the user together, before the limit of the caller is known.
pub(crate) async fn direct_read(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let api = request.app_data::<Data<Api>>().cloned();
    let (Some(api), Some(read)) = (api, PlainRead::of(request.request())) else {
        return next.call(request).await;
    };
    if api.resource_limits().rates.exist() {
        return next.call(request).await;
    }
    Ok(match read.respond(&api, request.request()).await {
        Ok(response) => request.into_response(response),
        Err(problem) => request.error_response(problem),
    })
}
