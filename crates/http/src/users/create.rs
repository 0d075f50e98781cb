//! `POST /v1/users`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};

use super::user_response::write_response;
use crate::bodies::NewUser;
use crate::extract::{AuthenticatedRequest, ConditionalWrite, JsonBody};
use crate::openapi::{Created, IdempotencyKeyHeader};
use crate::problem::Problem;

/// Creates a user.
#[utoipa::path(
    post,
    path = "/v1/users",
    operation_id = "createUser",
    tag = "users",
    description = "With a `password` or a `password_hash` the user can sign in with that password. For services with `users:write` and administrators.",
    params(IdempotencyKeyHeader),
    request_body = NewUser,
    responses(Created)
)]
pub(crate) async fn create(
    call: AuthenticatedRequest<ConditionalWrite<JsonBody<NewUser>>>,
) -> Result<HttpResponse, Problem> {
    let (call, write) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().create_user.clone(),
        call.caller.clone(),
    );
    let input = write.body.0;
    let created = call
        .write("create_user", async move {
            // Boxed: the future is large.
            Box::pin(use_case.run(&caller, &input, write.conditions)).await
        })
        .await?;
    let mut response = write_response(&call.api, StatusCode::CREATED, &created)?;
    let location = format!(
        "{}/v1/users/{}",
        call.api.settings().base_path,
        created.view.public().id
    );
    let location =
        HeaderValue::try_from(location).map_err(|error| Problem::internal(error.to_string()))?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}
