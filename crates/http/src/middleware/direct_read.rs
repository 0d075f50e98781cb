//! Routes the most frequent request, `GET /v1/users/{id}`, directly to its handler.

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;

use crate::api::Api;
use crate::users::PlainRead;

/// Calls the handler of a plain read of one user without the router, which takes longer than the rest of such a read.
pub(crate) async fn direct_read(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let api = request.app_data::<Data<Api>>().cloned();
    let (Some(api), Some(read)) = (api, PlainRead::of(request.request())) else {
        return next.call(request).await;
    };
    Ok(match read.respond(&api, request.request()).await {
        Ok(response) => request.into_response(response),
        Err(problem) => request.error_response(problem),
    })
}
