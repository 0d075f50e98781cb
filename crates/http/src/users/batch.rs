//! `POST /v1/users/batch`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use user_domain::use_cases::{BatchUsersError, MAX_BATCH};
use user_domain::{Fault, Violation};

use crate::bodies::{BatchRequest, Users, document};
use crate::extract::{Call, JsonDocument};
use crate::openapi::{BatchAnswer, BatchErrors, BatchQuestion};
use crate::problem::Problem;

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
    description = "Up to 500 users by one kind of key, answered in the order asked; it changes nothing. Any caller may ask by `ids` and `usernames`.",
    request_body = BatchQuestion,
    responses(
        (status = 200, description = "The users, each in the caller's view of it.", body = BatchAnswer),
        BatchErrors
    )
)]
pub(crate) async fn batch(call: Call<JsonDocument>) -> Result<HttpResponse, Problem> {
    let (call, body) = call.split();
    let BatchRequest { keys, kind, fields } = BatchRequest::decode(body.0)?;
    let use_case = &call.api.use_cases().batch_users;
    let shown = async { Ok::<_, Problem>(use_case.run(&call.caller, &keys).await) };
    let users = match call.within_deadline(shown).await? {
        Ok(users) => users,
        Err(BatchUsersError::TooMany) => return Err(too_many(kind)),
        Err(error @ (BatchUsersError::Denied(_) | BatchUsersError::Store(_))) => {
            return Err(error.into());
        }
    };
    document(
        StatusCode::OK,
        &Answer {
            users: Users {
                users: &users,
                fields: fields.as_ref(),
            },
        },
    )
}

fn too_many(kind: &str) -> Problem {
    Problem::invalid(&[Fault::new(
        kind,
        &Violation::new("too_many", format!("Must be at most {MAX_BATCH} keys.")),
    )])
}
