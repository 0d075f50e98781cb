//! `/v1/credentials`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use tracing::Instrument;
use utoipa::OpenApi;

use crate::bodies::{UserBody, decode_login, unkept_document};
use crate::extract::{Call, JsonDocument};
use crate::openapi::{Login, User, VerificationErrors};
use crate::problem::Problem;
use crate::resource::resource;
use crate::trace;

/// The description of the resources.
#[derive(OpenApi)]
#[openapi(paths(verify))]
pub(crate) struct Description;

/// Adds the resources.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .service(resource("/v1/credentials/verify", "POST, OPTIONS").route(web::post().to(verify)));
}

/// Tells whether a password is a user's.
#[utoipa::path(
    post,
    path = "/v1/credentials/verify",
    operation_id = "verifyCredentials",
    tag = "credentials",
    description = "An unknown identifier, a wrong password, a suspended user and one that is kept out by failed tries are the same 401, in the same time. From the sixth failure in a row on, each is followed by a delay that doubles from 5 seconds to 15 minutes; what is tried meanwhile is refused and counts for nothing. With `source`, delays are those of the account from there, and sources that were let in before are not held by the failures of others. For services with `credentials:verify`.",
    request_body = Login,
    responses((status = 200, description = "The user, as the caller may see it.", body = User), VerificationErrors)
)]
async fn verify(call: Call<JsonDocument>) -> Result<HttpResponse, Problem> {
    let (call, body) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().verify_credentials.clone(),
        call.caller.clone(),
    );
    let input = decode_login(body.0);
    let verify = use_case.clone();
    let let_in = call
        .counted("verify_credentials", async move {
            verify.run(&caller, &input).await
        })
        .await?;
    if let Some(renewal) = let_in.renewal {
        let renew = async move { use_case.renew(renewal).await };
        call.api
            .writes()
            .start(renew.instrument(trace::use_case("renew_password")));
    }
    unkept_document(StatusCode::OK, &UserBody::from(&let_in.view))
}
