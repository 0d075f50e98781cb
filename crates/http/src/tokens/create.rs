//! `POST /v1/tokens`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};

use crate::bodies::{ServiceTokenRecord, decode_token, unkept_document};
use crate::extract::{Call, JsonDocument, Write};
use crate::openapi::{IssuedToken, NewToken, TokenCreationErrors};
use crate::problem::Problem;

/// Makes a token of a service.
#[utoipa::path(
    post,
    path = "/v1/tokens",
    operation_id = "createToken",
    tag = "tokens",
    description = "For services with `tokens:admin`, which give only scopes that they have themselves. The answer is the only one that shows the `token`; what is kept is a digest. Therefore `Idempotency-Key` is refused: a repetition could not show it again. After a 504 the token may have been made: list and revoke it.",
    request_body = NewToken,
    responses(IssuedToken, TokenCreationErrors)
)]
pub(crate) async fn create(call: Call<Write<JsonDocument>>) -> Result<HttpResponse, Problem> {
    let (call, write) = call.split();
    if write.conditions.idempotency.is_some() {
        return Err(Problem::invalid_header(
            "Idempotency-Key",
            "is not taken here: a repetition could not show the token again",
        ));
    }
    let (use_case, caller) = (
        call.api.use_cases().issue_service_token.clone(),
        call.caller.clone(),
    );
    let input = decode_token(write.body.0);
    let issued = call
        .detached("issue_service_token", async move {
            use_case.run(&caller, &input).await
        })
        .await?;
    let mut response = unkept_document(StatusCode::CREATED, &ServiceTokenRecord::from(&issued))?;
    let base_path = &call.api.settings().base_path;
    let location = format!("{base_path}/v1/tokens/{}", issued.token.id);
    let location =
        HeaderValue::try_from(location).map_err(|error| Problem::internal(error.to_string()))?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}
