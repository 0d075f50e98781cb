//! `GET /v1/tokens/{id}`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::bodies::{ServiceTokenRecord, no_store_json_response};
use crate::extract::{AuthenticatedRequest, TargetToken};
use crate::openapi::{FoundToken, TokenIdPath};
use crate::problem::Problem;

/// Returns a service token.
#[utoipa::path(
    get,
    path = "/v1/tokens/{id}",
    operation_id = "getToken",
    tag = "tokens",
    description = "Expired tokens are included; a revoked token is a 404 and appears only in the list. For services with `tokens:admin`.",
    params(TokenIdPath),
    responses(FoundToken)
)]
pub(crate) async fn find(call: AuthenticatedRequest<TargetToken>) -> Result<HttpResponse, Problem> {
    let use_case = &call.api.use_cases().find_service_token;
    let token = call
        .within_deadline(
            "find_service_token",
            use_case.run(&call.caller, call.parts.0),
        )
        .await?;
    no_store_json_response(StatusCode::OK, &ServiceTokenRecord::from(&token))
}
