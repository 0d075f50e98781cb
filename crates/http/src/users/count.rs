//! `GET /v1/users/count`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use user_domain::use_cases::ListUsers;

use super::list::{check, filter};
use crate::bodies::document;
use crate::extract::Call;
use crate::openapi::{Count, FilterQuery, ListErrors};
use crate::problem::Problem;
use crate::query::Query;

#[derive(Serialize)]
struct Answer {
    count: u64,
}

/// Counts the users that pass a filter.
#[utoipa::path(
    get,
    path = "/v1/users/count",
    operation_id = "countUsers",
    tag = "users",
    description = "For services with `users:read` and administrators; filters by `email` and `role` need `users:read_private` as well.",
    params(FilterQuery),
    responses((status = 200, description = "The number of users.", body = Count), ListErrors)
)]
pub(crate) async fn count(call: Call) -> Result<HttpResponse, Problem> {
    ListUsers::permit(&call.caller)?;
    let mut query = Query::of(&call.request);
    let wanted = filter(&mut query);
    let checked = check(query, &wanted)?;
    let use_case = &call.api.use_cases().count_users;
    let count = call
        .within_listing_deadline("count_users", use_case.run(&call.caller, &checked.filter))
        .await?;
    document(StatusCode::OK, &Answer { count })
}
