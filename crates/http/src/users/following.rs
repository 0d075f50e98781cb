//! `GET /v1/users/{id}/following`, `PUT` and `DELETE /v1/users/{id}/following/{target}`.

use actix_web::HttpResponse;
use user_domain::relationship::{RelatedList, RelationshipChange};

use super::related;
use crate::extract::{Call, Fresh, Ignored, Keyed, Pair, Target};
use crate::openapi::{
    IdPath, IdempotencyKeyHeader, Listed, PairPath, ReadErrors, RelatedPageQuery,
    RelationshipErrors,
};
use crate::problem::Problem;

/// Walks whom the user follows.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/following",
    operation_id = "listFollowing",
    tag = "relationships",
    description = "The newest first, each in its public view; suspended and deleted users are left out, and for people also those whom a block hides. A walk sees everybody who stays in the list through it exactly once. An unknown parameter is a 422. For people, and for services with `users:read`.",
    params(IdPath, RelatedPageQuery),
    responses(Listed, ReadErrors)
)]
pub(crate) async fn list(call: Call<(Target, Fresh)>) -> Result<HttpResponse, Problem> {
    related::list(call, RelatedList::Following).await
}

/// Lets the user follow another.
#[utoipa::path(
    put,
    path = "/v1/users/{id}/following/{target}",
    operation_id = "followUser",
    tag = "relationships",
    description = "Repeating it changes nothing. Whoever is deleted, or blocks the other, is not there: 404. The user itself as the target is a 422. A relationship has no version: `If-Match` is not looked at. For the user itself, and for services with `relationships:write`.",
    params(PairPath, IdempotencyKeyHeader),
    responses((status = 204, description = "The user follows the target."), RelationshipErrors)
)]
pub(crate) async fn follow(call: Call<(Pair, Keyed<Ignored>)>) -> Result<HttpResponse, Problem> {
    related::change(call, RelationshipChange::Follow).await
}

/// Lets the user follow another no more.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}/following/{target}",
    operation_id = "unfollowUser",
    tag = "relationships",
    description = "Repeating it changes nothing. Whoever is deleted, or blocks the user, is not there: 404. A relationship has no version: `If-Match` is not looked at. For the user itself, and for services with `relationships:write`.",
    params(PairPath, IdempotencyKeyHeader),
    responses((status = 204, description = "The user does not follow the target."), RelationshipErrors)
)]
pub(crate) async fn unfollow(call: Call<(Pair, Keyed<Ignored>)>) -> Result<HttpResponse, Problem> {
    related::change(call, RelationshipChange::Unfollow).await
}
