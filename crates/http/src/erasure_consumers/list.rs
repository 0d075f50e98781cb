//! `GET /v1/erasure-consumers`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::bodies::{ErasureConsumersBody, no_store_json_response};
use crate::extract::AuthenticatedRequest;
use crate::openapi::ListedConsumers;
use crate::problem::Problem;

/// Lists the consumers of erasures.
#[utoipa::path(
    get,
    path = "/v1/erasure-consumers",
    operation_id = "listErasureConsumers",
    tag = "erasures",
    description = "By name; at most 64. For services with `events:admin`.",
    responses(ListedConsumers)
)]
pub(crate) async fn list(call: AuthenticatedRequest) -> Result<HttpResponse, Problem> {
    let use_case = &call.api.use_cases().manage_erasure_consumers;
    let consumers = use_case.list(&call.caller);
    let consumers = call
        .within_deadline("list_erasure_consumers", consumers)
        .await?;
    let body = ErasureConsumersBody::from(consumers.as_slice());
    no_store_json_response(StatusCode::OK, &body)
}
