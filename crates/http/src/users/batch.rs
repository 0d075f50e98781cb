//! `POST /v1/users/batch`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_STATUS;
use serde::Serialize;
use user_domain::permissions::viewer;
use user_domain::use_cases::{BatchUsersError, MAX_BATCH};
use user_domain::{Fault, Violation};

use super::shown::counted;
use crate::bodies::{BatchRequest, Users, document, document_of, whole_users};
use crate::cache_status;
use crate::extract::{Call, Fresh, Include, JsonDocument};
use crate::openapi::{BatchAnswer, BatchErrors, BatchQuestion, CacheControlHeader, IncludeQuery};
use crate::problem::Problem;
use crate::ready::ReadyUsers;

#[derive(Serialize)]
struct Answer<'a> {
    users: Users<'a>,
}

/// Shows many users at once.
#[utoipa::path(
    post,
    path = "/v1/users/batch",
    operation_id = "batchGetUsers",
    tag = "users",
    description = "Up to 500 users by one kind of key, answered in the order asked; it changes nothing. People, and services with `users:read`, may ask by `ids` and `usernames`; administrators, and services with `users:read`, by `external_ids`; administrators, and services with `users:read_private`, by `emails`.",
    params(IncludeQuery, CacheControlHeader),
    request_body = BatchQuestion,
    responses(
        (status = 200, description = "The users, each in the caller's view of it.", body = BatchAnswer),
        BatchErrors
    )
)]
pub(crate) async fn batch(
    call: Call<(Fresh, Include, JsonDocument)>,
) -> Result<HttpResponse, Problem> {
    let (call, (fresh, include, body)) = call.split();
    let BatchRequest { keys, kind, fields } = BatchRequest::decode(body.0)?;
    let use_case = &call.api.use_cases().batch_users;
    let shown = async { Ok::<_, Problem>(use_case.run(&call.caller, &keys, fresh.0).await) };
    let found = match call.within_deadline("batch_users", shown).await? {
        Ok(found) => found,
        Err(BatchUsersError::TooMany) => return Err(too_many(kind)),
        Err(error @ (BatchUsersError::Denied(_) | BatchUsersError::Store(_))) => {
            return Err(error.into());
        }
    };
    let counts = if include.counts {
        Some(counted(&call, found.views.iter().flatten()).await?)
    } else {
        None
    };
    let mut response = if fields.is_none() && counts.is_none() {
        let ready = ReadyUsers::of(&call.request)?;
        document_of(StatusCode::OK, whole_users(&found.views, ready)?.into())
    } else {
        let users = Users {
            views: &found.views,
            fields: fields.as_ref(),
            counts: counts.as_ref(),
        };
        document(StatusCode::OK, &Answer { users })?
    };
    // Nobody's name is never cached: from where a person did not get somebody would tell who hides from it.
    let may_tell = viewer(&call.caller).is_none() || found.views.iter().all(Option::is_some);
    if let Some(status) = cache_status::of_many(&found.sources).filter(|_| may_tell) {
        response.headers_mut().insert(CACHE_STATUS, status);
    }
    Ok(response)
}

fn too_many(kind: &str) -> Problem {
    Problem::invalid(&[Fault::new(
        kind,
        &Violation::new("too_many", format!("Must be at most {MAX_BATCH} keys.")),
    )])
}
