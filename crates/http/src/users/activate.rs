//! `POST /v1/users/{id}/activate`.

use actix_web::HttpResponse;
use user_domain::use_cases::StatusChange;

use super::shown::change_status;
use crate::extract::{Call, Ignored, Target, Write};
use crate::openapi::{IdPath, IdempotencyKeyHeader, IfMatchHeader, LifecycleErrors, Written};
use crate::problem::Problem;

/// Lets the user in again.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/activate",
    operation_id = "activateUser",
    tag = "lifecycle",
    description = "Undoes a suspension. Repeating it changes nothing. For services with `users:write` and administrators.",
    params(IdPath, IfMatchHeader, IdempotencyKeyHeader),
    responses(Written, LifecycleErrors)
)]
pub(crate) async fn activate(
    call: Call<(Target, Write<Ignored>)>,
) -> Result<HttpResponse, Problem> {
    change_status(call, StatusChange::Activate).await
}
