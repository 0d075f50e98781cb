//! `POST /v1/users/{id}/suspend`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::user_response::write_response;
use crate::bodies::NewSuspension;
use crate::extract::{AuthenticatedRequest, ConditionalWrite, OptionalBody, TargetUser};
use crate::openapi::{IdPath, IdempotencyKeyHeader, IfMatchHeader, Suspended};
use crate::problem::Problem;

/// Suspends the user.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/suspend",
    operation_id = "suspendUser",
    tag = "lifecycle",
    description = "The tokens of the user are rejected from now on. Without `until` the suspension lasts until the user is activated. `reason`, `until` and the whole body are optional. Repeating the request, also without a body, changes nothing; a different `reason` or `until` replaces both. For services with `users:write` and administrators.",
    params(IdPath, IfMatchHeader, IdempotencyKeyHeader),
    request_body = Option<NewSuspension>,
    responses(Suspended)
)]
pub(crate) async fn suspend(
    call: AuthenticatedRequest<(TargetUser, ConditionalWrite<OptionalBody<NewSuspension>>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (target, write)) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().suspend_user.clone(),
        call.caller.clone(),
    );
    let input = write.body.0;
    let suspended = call
        .write("suspend_user", async move {
            use_case
                .run(&caller, target.0, &input, write.conditions)
                .await
        })
        .await?;
    write_response(&call.api, StatusCode::OK, &suspended)
}
