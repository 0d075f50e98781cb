//! `GET /v1/tokens/{id}`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::bodies::{ServiceTokenRecord, unkept_document};
use crate::extract::{Call, TargetToken};
use crate::openapi::{FoundToken, TokenErrors, TokenIdPath};
use crate::problem::Problem;

/// Shows a token of a service.
#[utoipa::path(
    get,
    path = "/v1/tokens/{id}",
    operation_id = "getToken",
    tag = "tokens",
    description = "For services with `tokens:admin`. A token that has ended is shown as such; a revoked one is found in the list alone.",
    params(TokenIdPath),
    responses(FoundToken, TokenErrors)
)]
pub(crate) async fn find(call: Call<TargetToken>) -> Result<HttpResponse, Problem> {
    let use_case = &call.api.use_cases().find_service_token;
    let token = call
        .within_deadline(
            "find_service_token",
            use_case.run(&call.caller, call.parts.0),
        )
        .await?;
    unkept_document(StatusCode::OK, &ServiceTokenRecord::from(&token))
}
