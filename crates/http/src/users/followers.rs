//! `GET /v1/users/{id}/followers`.

use actix_web::HttpResponse;
use user_domain::relationship::FollowList;

use super::related;
use crate::extract::{AuthenticatedRequest, RequestedFreshness, TargetUser};
use crate::openapi::{FieldsQuery, IdPath, IncludeQuery, Listed, RelatedPageQuery};
use crate::problem::Problem;

/// Lists the followers of the user.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/followers",
    operation_id = "listFollowers",
    tag = "relationships",
    description = "Newest first, each user in the public view. Suspended and deleted users are left out, and for users also those that a block hides. Pagination returns each user that stays in the list throughout exactly once. An unknown parameter is a 422. For users, and for services with `users:read`.",
    params(IdPath, RelatedPageQuery, FieldsQuery, IncludeQuery),
    responses(Listed)
)]
pub(crate) async fn list(
    call: AuthenticatedRequest<(TargetUser, RequestedFreshness)>,
) -> Result<HttpResponse, Problem> {
    related::list(call, FollowList::Followers).await
}
