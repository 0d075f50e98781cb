//! `PUT /v1/users/{id}`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::user_response::write_response;
use crate::bodies::UserReplacement;
use crate::extract::{AuthenticatedRequest, ConditionalWrite, JsonBody, TargetUser};
use crate::openapi::{IdPath, IdempotencyKeyHeader, RequiredIfMatchHeader, Written};
use crate::problem::Problem;

/// Replaces all fields of the user that the caller may write.
#[utoipa::path(
    put,
    path = "/v1/users/{id}",
    operation_id = "replaceUser",
    tag = "users",
    description = "A field that the caller may write and does not send becomes `null` or its default, except `roles`, `external_id` and `status`. For the user itself, services with `users:write` and administrators.",
    params(IdPath, RequiredIfMatchHeader, IdempotencyKeyHeader),
    request_body = UserReplacement,
    responses(Written)
)]
pub(crate) async fn replace(
    call: AuthenticatedRequest<(TargetUser, ConditionalWrite<JsonBody<UserReplacement>>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (target, write)) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().replace_user.clone(),
        call.caller.clone(),
    );
    let input = write.body.0;
    let replaced = call
        .write("replace_user", async move {
            use_case
                .run(&caller, target.0, &input, write.conditions)
                .await
        })
        .await?;
    write_response(&call.api, StatusCode::OK, &replaced)
}
