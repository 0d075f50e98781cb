//! `GET` and `DELETE /v1/users/{id}/lockout`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::bodies::{LockoutBody, no_store_json_response, with_no_store};
use crate::extract::{AuthenticatedRequest, NoBody, TargetUser};
use crate::openapi::{IdPath, Lockout};
use crate::problem::Problem;

/// Returns the lockout of the user.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/lockout",
    operation_id = "getLockout",
    tag = "credentials",
    description = "For services with `credentials:write` and administrators.",
    params(IdPath),
    responses((status = 200, description = "The stored failed logins.", body = Lockout))
)]
pub(crate) async fn show(call: AuthenticatedRequest<TargetUser>) -> Result<HttpResponse, Problem> {
    let (call, target) = call.split();
    let show = call
        .api
        .use_cases()
        .show_lockout
        .run(&call.caller, target.0);
    let report = call.within_deadline("show_lockout", show).await?;
    no_store_json_response(StatusCode::OK, &LockoutBody::from(report))
}

/// Clears the lockout of the user.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}/lockout",
    operation_id = "clearLockout",
    tag = "credentials",
    description = "Deletes the stored failed logins, so the user can sign in immediately from every source. Repeating the request changes nothing. For services with `credentials:write` and administrators.",
    params(IdPath),
    responses((status = 204, description = "No failed logins are stored."))
)]
pub(crate) async fn clear(
    call: AuthenticatedRequest<(TargetUser, NoBody)>,
) -> Result<HttpResponse, Problem> {
    let (call, (target, _)) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().clear_lockout.clone(),
        call.caller.clone(),
    );
    call.run_counted("clear_lockout", async move {
        use_case.run(&caller, target.0).await
    })
    .await?;
    Ok(with_no_store(HttpResponse::NoContent().finish()))
}
