//! `DELETE /v1/tokens/{id}`.

use actix_web::HttpResponse;

use crate::bodies::unkept;
use crate::extract::{Call, TargetToken};
use crate::openapi::{TokenIdPath, TokenRevocationErrors};
use crate::problem::Problem;

/// Revokes a token of a service, for good.
#[utoipa::path(
    delete,
    path = "/v1/tokens/{id}",
    operation_id = "revokeToken",
    tag = "tokens",
    description = "For services with `tokens:admin`. From the answer on this replica refuses the token, and every other within a second. Repeating it is a 204. The token stays in the list, and there alone.",
    params(TokenIdPath),
    responses((status = 204, description = "The token is worth nothing any more."), TokenRevocationErrors)
)]
pub(crate) async fn revoke(call: Call<TargetToken>) -> Result<HttpResponse, Problem> {
    let (call, target) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().revoke_service_token.clone(),
        call.caller.clone(),
    );
    call.detached("revoke_service_token", async move {
        use_case.run(&caller, target.0).await
    })
    .await?;
    Ok(unkept(HttpResponse::NoContent().finish()))
}
