//! `GET /v1/users/{id}/followers`.

use actix_web::HttpResponse;
use user_domain::relationship::RelatedList;

use super::related;
use crate::extract::{Call, Fresh, Target};
use crate::openapi::{IdPath, Listed, ReadErrors, RelatedPageQuery};
use crate::problem::Problem;

/// Walks who follow the user.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/followers",
    operation_id = "listFollowers",
    tag = "relationships",
    description = "The newest first, each in its public view; suspended and deleted users are left out, and for people also those whom a block hides. A walk sees everybody who stays in the list through it exactly once. An unknown parameter is a 422. For people, and for services with `users:read`.",
    params(IdPath, RelatedPageQuery),
    responses(Listed, ReadErrors)
)]
pub(crate) async fn list(call: Call<(Target, Fresh)>) -> Result<HttpResponse, Problem> {
    related::list(call, RelatedList::Followers).await
}
