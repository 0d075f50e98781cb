//! `GET /v1/users/{id}/blocks`, `PUT` and `DELETE /v1/users/{id}/blocks/{target}`.

use actix_web::HttpResponse;
use user_domain::relationship::RelationshipChange;

use super::related;
use crate::extract::{
    AuthenticatedRequest, IdempotentWrite, NoBody, RequestedFreshness, TargetUser, UserPair,
};
use crate::openapi::{Blocked, IdPath, IdempotencyKeyHeader, PairPath, RelatedPageQuery};
use crate::problem::Problem;

/// Lists the users that the user blocks.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/blocks",
    operation_id = "listBlocks",
    tag = "relationships",
    description = "Newest first. Each entry has the id, the username at the time of the block, and that time; later changes of the blocked user are not visible. `username` is `null` if the other user was not visible at the time of the block, or is erased. An unknown parameter is a 422. For the user itself, administrators, and services with `users:read_private`.",
    params(IdPath, RelatedPageQuery),
    responses(Blocked)
)]
pub(crate) async fn list(
    call: AuthenticatedRequest<(TargetUser, RequestedFreshness)>,
) -> Result<HttpResponse, Problem> {
    related::blocks(call).await
}

/// Blocks another user.
#[utoipa::path(
    put,
    path = "/v1/users/{id}/blocks/{target}",
    operation_id = "blockUser",
    tag = "relationships",
    description = "Ends the follows between both users and prevents new ones. Each becomes invisible to the other: a 404, absent from lists, and `null` in a batch. Services and administrators still see both. Repeating the request changes nothing. The target may be any id, also of a user that blocks the user, is deleted, or does not exist; the response is the same. 422 if the target is the user itself, or if the user already blocks 10,000 others. Relationships have no version: `If-Match` is ignored. For the user itself, and for services with `relationships:write`.",
    params(PairPath, IdempotencyKeyHeader),
    responses((status = 204, description = "The user blocks the target."))
)]
pub(crate) async fn block(
    call: AuthenticatedRequest<(UserPair, IdempotentWrite<NoBody>)>,
) -> Result<HttpResponse, Problem> {
    related::change(call, RelationshipChange::Block).await
}

/// Unblocks another user.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}/blocks/{target}",
    operation_id = "unblockUser",
    tag = "relationships",
    description = "The follows that the block ended are not restored. Repeating the request changes nothing, for any target. Relationships have no version: `If-Match` is ignored. For the user itself, and for services with `relationships:write`.",
    params(PairPath, IdempotencyKeyHeader),
    responses((status = 204, description = "The user does not block the target."))
)]
pub(crate) async fn unblock(
    call: AuthenticatedRequest<(UserPair, IdempotentWrite<NoBody>)>,
) -> Result<HttpResponse, Problem> {
    related::change(call, RelationshipChange::Unblock).await
}
