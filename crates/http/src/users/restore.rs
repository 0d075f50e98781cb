//! `POST /v1/users/{id}/restore`.

use actix_web::HttpResponse;
use user_domain::use_cases::StatusChange;

use super::shown::change_status;
use crate::extract::{Call, Ignored, Target, Write};
use crate::openapi::{IdPath, IdempotencyKeyHeader, IfMatchHeader, LifecycleErrors, Written};
use crate::problem::Problem;

/// Brings the deleted user back, with the standing it had.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/restore",
    operation_id = "restoreUser",
    tag = "lifecycle",
    description = "Possible until the user is purged or erased. Repeating it changes nothing. For services with `users:delete` and administrators.",
    params(IdPath, IfMatchHeader, IdempotencyKeyHeader),
    responses(Written, LifecycleErrors)
)]
pub(crate) async fn restore(call: Call<(Target, Write<Ignored>)>) -> Result<HttpResponse, Problem> {
    change_status(call, StatusChange::Restore).await
}
