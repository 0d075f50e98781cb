//! `POST /v1/users/{id}/suspend`.

use actix_web::HttpResponse;
use user_domain::use_cases::StatusChange;

use super::shown::change_status;
use crate::extract::{Call, Ignored, Target, Write};
use crate::openapi::{IdPath, IdempotencyKeyHeader, IfMatchHeader, LifecycleErrors, Written};
use crate::problem::Problem;

/// Locks the user out.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/suspend",
    operation_id = "suspendUser",
    tag = "lifecycle",
    description = "The user's tokens are refused from now on. Repeating it changes nothing. For services with `users:write` and administrators.",
    params(IdPath, IfMatchHeader, IdempotencyKeyHeader),
    responses(Written, LifecycleErrors)
)]
pub(crate) async fn suspend(call: Call<(Target, Write<Ignored>)>) -> Result<HttpResponse, Problem> {
    change_status(call, StatusChange::Suspend).await
}
