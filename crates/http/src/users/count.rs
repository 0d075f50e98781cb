//! `GET /v1/users/count`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use user_domain::use_cases::ListUsers;

use super::list::{check, filter};
use crate::bodies::json_response;
use crate::extract::AuthenticatedRequest;
use crate::openapi::{Count, FilterQuery};
use crate::problem::Problem;
use crate::query::Query;

#[derive(Serialize)]
struct CountBody {
    count: u64,
}

/// Counts the users that match a filter.
#[utoipa::path(
    get,
    path = "/v1/users/count",
    operation_id = "countUsers",
    tag = "users",
    description = "`metadata.public.<key>` and `metadata.private.<key>` filter as in the list. For services with `users:read` and administrators. The filters `email`, `role`, `updated_since` and `updated_until` also require `users:read_private`.",
    params(FilterQuery),
    responses((status = 200, description = "The number of users.", body = Count))
)]
pub(crate) async fn count(call: AuthenticatedRequest) -> Result<HttpResponse, Problem> {
    ListUsers::permit(&call.caller)?;
    let mut query = Query::of(&call.request);
    let parameters = filter(&mut query, &call)?;
    let checked = check(query, &parameters)?;
    let use_case = &call.api.use_cases().count_users;
    let count = call
        .within_listing_deadline("count_users", use_case.run(&call.caller, &checked.filter))
        .await?;
    json_response(StatusCode::OK, &CountBody { count })
}
