//! `POST /v1/tokens`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};

use crate::bodies::{NewToken, ServiceTokenRecord, no_store_json_response};
use crate::extract::{AuthenticatedRequest, ConditionalWrite, JsonBody};
use crate::openapi::IssuedToken;
use crate::problem::Problem;

/// Creates a service token.
#[utoipa::path(
    post,
    path = "/v1/tokens",
    operation_id = "createToken",
    tag = "tokens",
    description = "Only this response contains the `token`; the service stores a digest. `Idempotency-Key` is rejected, because a retry could not return the token again. After a 504 the token may have been created: list the tokens and revoke it. For services with `tokens:admin`, which can grant only scopes that they have themselves.",
    request_body = NewToken,
    responses(IssuedToken)
)]
pub(crate) async fn create(
    call: AuthenticatedRequest<ConditionalWrite<JsonBody<NewToken>>>,
) -> Result<HttpResponse, Problem> {
    let (call, write) = call.split();
    if write.conditions.idempotency.is_some() {
        return Err(Problem::invalid_header(
            "Idempotency-Key",
            "is not supported here, because a retry could not return the token again",
        ));
    }
    let (use_case, caller) = (
        call.api.use_cases().issue_service_token.clone(),
        call.caller.clone(),
    );
    let input = write.body.0;
    let issued = call
        .run_detached("issue_service_token", async move {
            use_case.run(&caller, &input).await
        })
        .await?;
    let mut response =
        no_store_json_response(StatusCode::CREATED, &ServiceTokenRecord::from(&issued))?;
    let base_path = &call.api.settings().base_path;
    let location = format!("{base_path}/v1/tokens/{}", issued.token.id);
    let location =
        HeaderValue::try_from(location).map_err(|error| Problem::internal(error.to_string()))?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}
