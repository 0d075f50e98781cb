//! `POST /v1/users/batch`.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_STATUS;
use user_domain::permissions::viewer;
use user_domain::use_cases::{BatchUsersError, MAX_BATCH};
use user_domain::{Fault, Violation};

use super::user_response::counts_by_user;
use crate::bodies::{BatchGetRequest, BatchRequest, BatchUsersBody, UserSelection};
use crate::cache_status;
use crate::extract::{AuthenticatedRequest, BatchBody, Include, RequestedFreshness};
use crate::gzip::large_json_response;
use crate::openapi::{BatchGetResponse, CacheControlHeader, IncludeQuery};
use crate::problem::Problem;
use crate::response_cache::ResponseCache;

/// Returns up to 500 users.
#[utoipa::path(
    post,
    path = "/v1/users/batch",
    operation_id = "batchGetUsers",
    tag = "users",
    description = "Looks up to 500 users up by one kind of key and returns them in request order. The request changes nothing. The body may have at most 1 MiB. `ids` and `usernames`: users, and services with `users:read`. `external_ids`: administrators, and services with `users:read`. `emails`: administrators, and services with `users:read_private`.",
    params(IncludeQuery, CacheControlHeader),
    request_body = BatchGetRequest,
    responses(
        (status = 200, description = "The users in request order, each in the caller's view.", body = BatchGetResponse)
    )
)]
pub(crate) async fn batch(
    call: AuthenticatedRequest<(RequestedFreshness, Include, BatchBody<BatchGetRequest>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (fresh, include, body)) = call.split();
    let BatchRequest {
        keys,
        key_kind,
        fields,
    } = body.0;
    let use_case = &call.api.use_cases().batch_users;
    let lookup = async { Ok::<_, Problem>(use_case.run(&call.caller, &keys, fresh.0).await) };
    let found = match call.within_deadline("batch_users", lookup).await? {
        Ok(found) => found,
        Err(BatchUsersError::TooMany) => return Err(too_many(key_kind)),
        Err(error @ (BatchUsersError::Denied(_) | BatchUsersError::Store(_))) => {
            return Err(error.into());
        }
    };
    let counts = if include.counts {
        Some(counts_by_user(&call, found.views.iter().flatten()).await?)
    } else {
        None
    };
    let users = BatchUsersBody {
        views: &found.views,
        selection: UserSelection {
            fields: fields.as_ref(),
            counts: counts.as_ref(),
        },
    };
    let budget = &call.api.resource_limits().large_documents;
    let body = users
        .write(ResponseCache::of(&call.request)?, budget)
        .await?;
    let mut response = large_json_response(&call.request, budget, body).await?;
    // A username without a user is never cached. For a user, the source of a `null` would therefore reveal that a block
    // hides an existing user.
    let may_show_source = found.views.iter().all(|view| match view {
        Some(view) => view.shows_source(),
        None => viewer(&call.caller).is_none(),
    });
    if let Some(status) = cache_status::of_many(&found.sources).filter(|_| may_show_source) {
        response.headers_mut().insert(CACHE_STATUS, status);
    }
    Ok(response)
}

fn too_many(key_kind: &str) -> Problem {
    Problem::invalid(&[Fault::new(
        key_kind,
        &Violation::new("too_many", format!("Must be at most {MAX_BATCH} keys.")),
    )])
}
