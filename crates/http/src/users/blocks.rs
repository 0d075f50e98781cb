//! `GET /v1/users/{id}/blocks`, `PUT` and `DELETE /v1/users/{id}/blocks/{target}`.

use actix_web::HttpResponse;
use user_domain::relationship::{RelatedList, RelationshipChange};

use super::related;
use crate::extract::{Call, Fresh, Ignored, Keyed, Pair, Target};
use crate::openapi::{
    IdPath, IdempotencyKeyHeader, Listed, PairPath, ReadErrors, RelatedPageQuery,
    RelationshipErrors,
};
use crate::problem::Problem;

/// Walks whom the user blocks.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/blocks",
    operation_id = "listBlocks",
    tag = "relationships",
    description = "The newest first, each in its public view; deleted users are left out. An unknown parameter is a 422. For the user itself, administrators, and services with `users:read_private`.",
    params(IdPath, RelatedPageQuery),
    responses(Listed, ReadErrors)
)]
pub(crate) async fn list(call: Call<(Target, Fresh)>) -> Result<HttpResponse, Problem> {
    related::list(call, RelatedList::Blocks).await
}

/// Lets the user block another.
#[utoipa::path(
    put,
    path = "/v1/users/{id}/blocks/{target}",
    operation_id = "blockUser",
    tag = "relationships",
    description = "Neither follows the other any more, nor may begin to; and neither finds the other, which is a 404, left out of lists, and `null` in a batch. Services and administrators see everybody. Repeating it changes nothing. Whoever is deleted, or blocks the user, is not there: 404. The user itself as the target is a 422. A relationship has no version: `If-Match` is not looked at. For the user itself, and for services with `relationships:write`.",
    params(PairPath, IdempotencyKeyHeader),
    responses((status = 204, description = "The user blocks the target."), RelationshipErrors)
)]
pub(crate) async fn block(call: Call<(Pair, Keyed<Ignored>)>) -> Result<HttpResponse, Problem> {
    related::change(call, RelationshipChange::Block).await
}

/// Lets the user block another no more.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}/blocks/{target}",
    operation_id = "unblockUser",
    tag = "relationships",
    description = "What follows the block ended stay ended. Repeating it changes nothing. A relationship has no version: `If-Match` is not looked at. For the user itself, and for services with `relationships:write`.",
    params(PairPath, IdempotencyKeyHeader),
    responses((status = 204, description = "The user does not block the target."), RelationshipErrors)
)]
pub(crate) async fn unblock(call: Call<(Pair, Keyed<Ignored>)>) -> Result<HttpResponse, Problem> {
    related::change(call, RelationshipChange::Unblock).await
}
