//! `GET` and `DELETE /v1/users/{id}/lockout`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::bodies::{LockoutBody, unkept, unkept_document};
use crate::extract::{Call, Target};
use crate::openapi::{IdPath, Lockout, LockoutErrors};
use crate::problem::Problem;

/// Shows whether the user is kept out by failed tries.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/lockout",
    operation_id = "getLockout",
    tag = "credentials",
    description = "For services with `credentials:write` and administrators.",
    params(IdPath),
    responses((status = 200, description = "What is remembered of failed tries.", body = Lockout), LockoutErrors)
)]
pub(crate) async fn show(call: Call<Target>) -> Result<HttpResponse, Problem> {
    let (call, target) = call.split();
    let show = call
        .api
        .use_cases()
        .show_lockout
        .run(&call.caller, target.0);
    let report = call.within_deadline("show_lockout", show).await?;
    unkept_document(StatusCode::OK, &LockoutBody::from(report))
}

/// Forgets failed tries.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}/lockout",
    operation_id = "clearLockout",
    tag = "credentials",
    description = "The user can be let in at once, from everywhere. Repeating it changes nothing. For services with `credentials:write` and administrators.",
    params(IdPath),
    responses((status = 204, description = "No failure is remembered."), LockoutErrors)
)]
pub(crate) async fn clear(call: Call<Target>) -> Result<HttpResponse, Problem> {
    let (call, target) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().clear_lockout.clone(),
        call.caller.clone(),
    );
    call.counted("clear_lockout", async move {
        use_case.run(&caller, target.0).await
    })
    .await?;
    Ok(unkept(HttpResponse::NoContent().finish()))
}
