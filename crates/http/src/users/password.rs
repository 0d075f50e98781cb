//! `PUT` and `DELETE /v1/users/{id}/password`.

use actix_web::HttpResponse;
use user_domain::use_cases::PasswordChanged;

use super::shown::mark_replay;
use crate::bodies::{decode_password, unkept};
use crate::extract::{Call, Ignored, JsonDocument, Target, Write};
use crate::openapi::{
    IdPath, IdempotencyKeyHeader, IfMatchHeader, LifecycleErrors, NewPassword, PasswordErrors,
};
use crate::problem::Problem;

/// Sets the user's password.
#[utoipa::path(
    put,
    path = "/v1/users/{id}/password",
    operation_id = "setPassword",
    tag = "credentials",
    description = "Either the password, which is hashed here, or a hash of it from elsewhere. Failed tries to be let in are forgotten. For services with `credentials:write`.",
    params(IdPath, IfMatchHeader, IdempotencyKeyHeader),
    request_body = NewPassword,
    responses((status = 204, description = "The password is set."), PasswordErrors)
)]
pub(crate) async fn set(
    call: Call<(Target, Write<JsonDocument>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (target, write)) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().set_password.clone(),
        call.caller.clone(),
    );
    let input = decode_password(write.body.0);
    let changed = call
        .detached("set_password", async move {
            use_case
                .run(&caller, target.0, &input, write.conditions)
                .await
        })
        .await?;
    Ok(done(changed))
}

/// Removes the user's password.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}/password",
    operation_id = "removePassword",
    tag = "credentials",
    description = "Nobody is let in by a password any more. Repeating it changes nothing. For services with `credentials:write`.",
    params(IdPath, IfMatchHeader, IdempotencyKeyHeader),
    responses((status = 204, description = "The user has no password."), LifecycleErrors)
)]
pub(crate) async fn remove(call: Call<(Target, Write<Ignored>)>) -> Result<HttpResponse, Problem> {
    let (call, (target, write)) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().remove_password.clone(),
        call.caller.clone(),
    );
    let changed = call
        .detached("remove_password", async move {
            use_case.run(&caller, target.0, write.conditions).await
        })
        .await?;
    Ok(done(changed))
}

fn done(changed: PasswordChanged) -> HttpResponse {
    let mut response = unkept(HttpResponse::NoContent().finish());
    mark_replay(&mut response, changed.replayed);
    response
}
