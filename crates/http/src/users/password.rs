//! `PUT` and `DELETE /v1/users/{id}/password`.

use actix_web::HttpResponse;
use user_domain::use_cases::PasswordChanged;

use crate::bodies::{NewPassword, with_no_store};
use crate::extract::{AuthenticatedRequest, ConditionalWrite, JsonBody, NoBody, TargetUser};
use crate::openapi::{IdPath, IdempotencyKeyHeader, IfMatchHeader};
use crate::problem::Problem;
use crate::replay::add_replayed_header;

/// Sets the password of the user.
#[utoipa::path(
    put,
    path = "/v1/users/{id}/password",
    operation_id = "setPassword",
    tag = "credentials",
    description = "The body has either the password, which the service hashes, or a hash from another system. Stored failed logins are deleted. For services with `credentials:write`.",
    params(IdPath, IfMatchHeader, IdempotencyKeyHeader),
    request_body = NewPassword,
    responses((status = 204, description = "The password is set."))
)]
pub(crate) async fn set(
    call: AuthenticatedRequest<(TargetUser, ConditionalWrite<JsonBody<NewPassword>>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (target, write)) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().set_password.clone(),
        call.caller.clone(),
    );
    let input = write.body.0;
    let changed = call
        .write("set_password", async move {
            use_case
                .run(&caller, target.0, &input, write.conditions)
                .await
        })
        .await?;
    Ok(no_content(changed))
}

/// Removes the password of the user.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}/password",
    operation_id = "removePassword",
    tag = "credentials",
    description = "The user can no longer sign in with a password. Repeating the request changes nothing. For services with `credentials:write`.",
    params(IdPath, IfMatchHeader, IdempotencyKeyHeader),
    responses((status = 204, description = "The user has no password."))
)]
pub(crate) async fn remove(
    call: AuthenticatedRequest<(TargetUser, ConditionalWrite<NoBody>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (target, write)) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().remove_password.clone(),
        call.caller.clone(),
    );
    let changed = call
        .write("remove_password", async move {
            use_case.run(&caller, target.0, write.conditions).await
        })
        .await?;
    Ok(no_content(changed))
}

fn no_content(changed: PasswordChanged) -> HttpResponse {
    let mut response = with_no_store(HttpResponse::NoContent().finish());
    add_replayed_header(&mut response, changed.replayed);
    response
}
