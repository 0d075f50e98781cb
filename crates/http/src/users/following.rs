//! `GET /v1/users/{id}/following`, `PUT` and `DELETE /v1/users/{id}/following/{target}`.

use actix_web::HttpResponse;
use user_domain::relationship::{FollowList, RelationshipChange};

use super::related;
use crate::extract::{
    AuthenticatedRequest, IdempotentWrite, NoBody, RequestedFreshness, TargetUser, UserPair,
};
use crate::openapi::{
    FieldsQuery, IdPath, IdempotencyKeyHeader, IncludeQuery, Listed, PairPath, RelatedPageQuery,
};
use crate::problem::Problem;

/// Lists the users that the user follows.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/following",
    operation_id = "listFollowing",
    tag = "relationships",
    description = "Newest first, each user in the public view. Suspended and deleted users are left out, and for users also those that a block hides. Pagination returns each user that stays in the list throughout exactly once. An unknown parameter is a 422. For users, and for services with `users:read`.",
    params(IdPath, RelatedPageQuery, FieldsQuery, IncludeQuery),
    responses(Listed)
)]
pub(crate) async fn list(
    call: AuthenticatedRequest<(TargetUser, RequestedFreshness)>,
) -> Result<HttpResponse, Problem> {
    related::list(call, FollowList::Following).await
}

/// Follows another user.
#[utoipa::path(
    put,
    path = "/v1/users/{id}/following/{target}",
    operation_id = "followUser",
    tag = "relationships",
    description = "Repeating the request changes nothing. 404 if either user is deleted or blocks the other. 422 if the target is the user itself. Relationships have no version: `If-Match` is ignored. For the user itself, and for services with `relationships:write`.",
    params(PairPath, IdempotencyKeyHeader),
    responses((status = 204, description = "The user follows the target."))
)]
pub(crate) async fn follow(
    call: AuthenticatedRequest<(UserPair, IdempotentWrite<NoBody>)>,
) -> Result<HttpResponse, Problem> {
    related::change(call, RelationshipChange::Follow).await
}

/// Unfollows another user.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}/following/{target}",
    operation_id = "unfollowUser",
    tag = "relationships",
    description = "Repeating the request changes nothing. 404 if either user is deleted, or if the target blocks the user. Relationships have no version: `If-Match` is ignored. For the user itself, and for services with `relationships:write`.",
    params(PairPath, IdempotencyKeyHeader),
    responses((status = 204, description = "The user does not follow the target."))
)]
pub(crate) async fn unfollow(
    call: AuthenticatedRequest<(UserPair, IdempotentWrite<NoBody>)>,
) -> Result<HttpResponse, Problem> {
    related::change(call, RelationshipChange::Unfollow).await
}
