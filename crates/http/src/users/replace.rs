//! `PUT /v1/users/{id}`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::shown::written;
use crate::bodies::decode;
use crate::extract::{Call, JsonDocument, Target, Write};
use crate::openapi::{
    EditErrors, IdPath, IdempotencyKeyHeader, RequiredIfMatchHeader, UserReplacement, Written,
};
use crate::problem::Problem;

/// Replaces all that the caller may write of the user.
#[utoipa::path(
    put,
    path = "/v1/users/{id}",
    operation_id = "replaceUser",
    tag = "users",
    description = "What the caller may write and does not send becomes null or its default; `roles`, `external_id` and `status` stay. For the user itself, services with `users:write` and administrators.",
    params(IdPath, RequiredIfMatchHeader, IdempotencyKeyHeader),
    request_body = UserReplacement,
    responses(Written, EditErrors)
)]
pub(crate) async fn replace(
    call: Call<(Target, Write<JsonDocument>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (target, write)) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().replace_user.clone(),
        call.caller.clone(),
    );
    let input = decode(write.body.0);
    let replaced = call
        .detached("replace_user", async move {
            use_case
                .run(&caller, target.0, &input, write.conditions)
                .await
        })
        .await?;
    written(StatusCode::OK, &replaced)
}
