//! `GET /v1/tokens`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::bodies::{ServiceTokens, no_store_json_response};
use crate::extract::AuthenticatedRequest;
use crate::openapi::ListedTokens;
use crate::problem::Problem;

/// Lists the service tokens.
#[utoipa::path(
    get,
    path = "/v1/tokens",
    operation_id = "listTokens",
    tag = "tokens",
    description = "Newest first, including expired and revoked tokens; at most 1,000. Tokens from the settings of the service are not included. For services with `tokens:admin`.",
    responses(ListedTokens)
)]
pub(crate) async fn list(call: AuthenticatedRequest) -> Result<HttpResponse, Problem> {
    let use_case = &call.api.use_cases().list_service_tokens;
    let tokens = call
        .within_listing_deadline("list_service_tokens", use_case.run(&call.caller))
        .await?;
    no_store_json_response(StatusCode::OK, &ServiceTokens::from(tokens.as_slice()))
}
