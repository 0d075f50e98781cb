//! `/v1/credentials`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use tracing::Instrument;
use utoipa::OpenApi;

use crate::bodies::{Login, UserBody, no_store_json_response};
use crate::extract::{AuthenticatedRequest, JsonBody};
use crate::openapi::User;
use crate::problem::Problem;
use crate::resource::resource;
use crate::trace;

/// The OpenAPI description of the resources.
#[derive(OpenApi)]
#[openapi(paths(verify))]
pub(crate) struct Description;

/// Registers the resources.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .service(resource("/v1/credentials/verify", "POST, OPTIONS").route(web::post().to(verify)));
}

/// Verifies the password of a user.
#[utoipa::path(
    post,
    path = "/v1/credentials/verify",
    operation_id = "verifyCredentials",
    tag = "credentials",
    description = "An unknown identifier, a wrong password, a suspended user and a user that is locked out after failed attempts all receive the same 401, in the same time. From the sixth consecutive failure on, each failure is followed by a delay that doubles from 5 seconds to 15 minutes. Attempts during a delay are refused and not counted. With `source`, the delay applies to the account from that source, and a source with an earlier successful login is not delayed by the failures of other sources. For services with `credentials:verify`.",
    request_body = Login,
    responses((status = 200, description = "The user, as the caller may see it.", body = User))
)]
async fn verify(call: AuthenticatedRequest<JsonBody<Login>>) -> Result<HttpResponse, Problem> {
    let (call, body) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().verify_credentials.clone(),
        call.caller.clone(),
    );
    let input = body.0;
    let verify = use_case.clone();
    let verified = call
        .run_counted("verify_credentials", async move {
            verify.run(&caller, &input).await
        })
        .await?;
    if let Some(pending) = verified.pending_rehash {
        let renew = async move { use_case.rehash(pending).await };
        call.api
            .write_tasks()
            .spawn(renew.instrument(trace::use_case_span("renew_password")));
    }
    no_store_json_response(StatusCode::OK, &UserBody::from(&verified.view))
}
