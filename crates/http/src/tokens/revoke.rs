//! `DELETE /v1/tokens/{id}`.

use actix_web::HttpResponse;
use user_domain::ports::TokenRevocation;

use crate::bodies::with_no_store;
use crate::extract::{AuthenticatedRequest, IdempotentWrite, NoBody, TargetToken};
use crate::openapi::{IdempotencyKeyHeader, TokenIdPath};
use crate::problem::Problem;
use crate::replay::add_replayed_header;

/// Revokes a service token permanently.
#[utoipa::path(
    delete,
    path = "/v1/tokens/{id}",
    operation_id = "revokeToken",
    tag = "tokens",
    description = "After the response, this replica rejects the token; every other replica rejects it within 1 second. Repeating the request is a 204. The token stays visible in the list only. For services with `tokens:admin`.",
    params(TokenIdPath, IdempotencyKeyHeader),
    responses((status = 204, description = "The token is revoked."))
)]
pub(crate) async fn revoke(
    call: AuthenticatedRequest<(TargetToken, IdempotentWrite<NoBody>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (target, write)) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().revoke_service_token.clone(),
        call.caller.clone(),
    );
    let revoked = call
        .write("revoke_service_token", async move {
            use_case.run(&caller, target.0, write.idempotency).await
        })
        .await?;
    let mut response = with_no_store(HttpResponse::NoContent().finish());
    add_replayed_header(&mut response, revoked == TokenRevocation::Replayed);
    Ok(response)
}
