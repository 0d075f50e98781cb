//! `POST /v1/users/{id}/activate`.

use actix_web::HttpResponse;
use user_domain::use_cases::StatusChange;

use super::user_response::change_status;
use crate::extract::{AuthenticatedRequest, ConditionalWrite, NoBody, TargetUser};
use crate::openapi::{IdPath, IdempotencyKeyHeader, IfMatchHeader, Written};
use crate::problem::Problem;

/// Ends the suspension of the user.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/activate",
    operation_id = "activateUser",
    tag = "lifecycle",
    description = "Tokens that were issued before the activation stay invalid. Repeating the request changes nothing. For services with `users:write` and administrators.",
    params(IdPath, IfMatchHeader, IdempotencyKeyHeader),
    responses(Written)
)]
pub(crate) async fn activate(
    call: AuthenticatedRequest<(TargetUser, ConditionalWrite<NoBody>)>,
) -> Result<HttpResponse, Problem> {
    change_status(call, StatusChange::Activate).await
}
