//! `PATCH /v1/users/{id}` and `/me`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use user_domain::caller::Caller;
use user_domain::permissions::Denied;
use user_domain::values::UserId;

use super::user_response::write_response;
use crate::bodies::UserPatch;
use crate::extract::{AuthenticatedRequest, ConditionalWrite, MergePatch, TargetUser};
use crate::openapi::{IdPath, IdempotencyKeyHeader, IfMatchHeader, Written};
use crate::problem::Problem;

/// Updates fields of the user.
#[utoipa::path(
    patch,
    path = "/v1/users/{id}",
    operation_id = "updateUser",
    tag = "users",
    description = "The body is a JSON merge patch (RFC 7396), as `application/json` or `application/merge-patch+json`. If nothing changes, the version stays the same. For the user itself, services with `users:write` and administrators.",
    params(IdPath, IfMatchHeader, IdempotencyKeyHeader),
    request_body = UserPatch,
    responses(Written)
)]
pub(crate) async fn by_id(
    call: AuthenticatedRequest<(TargetUser, ConditionalWrite<MergePatch<UserPatch>>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (target, write)) = call.split();
    update(call, target.0, write).await
}

/// Updates fields of the calling user.
#[utoipa::path(
    patch,
    path = "/v1/users/me",
    operation_id = "updateMe",
    tag = "users",
    description = "The body is a JSON merge patch (RFC 7396), as `application/json` or `application/merge-patch+json`. If nothing changes, the version stays the same. For users. A service gets a 403.",
    params(IfMatchHeader, IdempotencyKeyHeader),
    request_body = UserPatch,
    responses(Written)
)]
pub(crate) async fn me(
    call: AuthenticatedRequest<ConditionalWrite<MergePatch<UserPatch>>>,
) -> Result<HttpResponse, Problem> {
    let (call, write) = call.split();
    let id = match &call.caller {
        Caller::User(user) => user.id,
        Caller::Service(_) | Caller::Operator => return Err(Denied::Forbidden.into()),
    };
    update(call, id, write).await
}

async fn update(
    call: AuthenticatedRequest,
    id: UserId,
    write: ConditionalWrite<MergePatch<UserPatch>>,
) -> Result<HttpResponse, Problem> {
    let (use_case, caller) = (
        call.api.use_cases().update_user.clone(),
        call.caller.clone(),
    );
    let input = write.body.0;
    let updated = call
        .write("update_user", async move {
            use_case.run(&caller, id, &input, write.conditions).await
        })
        .await?;
    write_response(&call.api, StatusCode::OK, &updated)
}
