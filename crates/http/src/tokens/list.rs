//! `GET /v1/tokens`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::bodies::{ServiceTokens, unkept_document};
use crate::extract::Call;
use crate::openapi::{ListedTokens, TokenListErrors};
use crate::problem::Problem;

/// Lists the tokens of services.
#[utoipa::path(
    get,
    path = "/v1/tokens",
    operation_id = "listTokens",
    tag = "tokens",
    description = "For services with `tokens:admin`. The newest first, ended and revoked ones included; at most 1000. Those of the settings are not among them.",
    responses(ListedTokens, TokenListErrors)
)]
pub(crate) async fn list(call: Call) -> Result<HttpResponse, Problem> {
    let use_case = &call.api.use_cases().list_service_tokens;
    let tokens = call
        .within_listing_deadline("list_service_tokens", use_case.run(&call.caller))
        .await?;
    unkept_document(StatusCode::OK, &ServiceTokens::from(tokens.as_slice()))
}
