//! `POST /v1/users/{id}/sign-out`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use tokio::time::sleep;

use super::user_response::write_response;
use crate::extract::{AuthenticatedRequest, ConditionalWrite, NoBody, TargetUser};
use crate::openapi::{IdPath, IdempotencyKeyHeader, IfMatchHeader, Written};
use crate::problem::Problem;

/// Signs the user out of all sessions.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/sign-out",
    operation_id = "signOut",
    tag = "lifecycle",
    description = "Invalidates every token that was issued until now. The response is delayed until the next full second, because tokens state their time of issue in whole seconds: a token issued after the response is valid. For the user itself, services with `users:write` and administrators.",
    params(IdPath, IfMatchHeader, IdempotencyKeyHeader),
    responses(Written)
)]
pub(crate) async fn sign_out(
    call: AuthenticatedRequest<(TargetUser, ConditionalWrite<NoBody>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (target, write)) = call.split();
    let (use_case, caller) = (call.api.use_cases().sign_out.clone(), call.caller.clone());
    let signed_out = call
        .write("sign_out", async move {
            use_case.run(&caller, target.0, write.conditions).await
        })
        .await?;
    // At most slightly more than one second; zero for a replay.
    sleep(signed_out.wait).await;
    write_response(&call.api, StatusCode::OK, &signed_out.written)
}
