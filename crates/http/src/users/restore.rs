//! `POST /v1/users/{id}/restore`.

use actix_web::HttpResponse;
use user_domain::use_cases::StatusChange;

use super::user_response::change_status;
use crate::extract::{AuthenticatedRequest, ConditionalWrite, NoBody, TargetUser};
use crate::openapi::{IdPath, IdempotencyKeyHeader, IfMatchHeader, Written};
use crate::problem::Problem;

/// Restores the deleted user, with its previous status.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/restore",
    operation_id = "restoreUser",
    tag = "lifecycle",
    description = "Possible until the user is purged or erased. Tokens that were issued before the restoration stay invalid. Repeating the request changes nothing. For services with `users:delete` and administrators.",
    params(IdPath, IfMatchHeader, IdempotencyKeyHeader),
    responses(Written)
)]
pub(crate) async fn restore(
    call: AuthenticatedRequest<(TargetUser, ConditionalWrite<NoBody>)>,
) -> Result<HttpResponse, Problem> {
    change_status(call, StatusChange::Restore).await
}
