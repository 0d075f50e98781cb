//! `GET /v1/users/{id}/export`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::bodies::{ExportBody, document};
use crate::extract::{Call, Target};
use crate::problem::Problem;

/// Gives all that is kept about the user.
pub(crate) async fn export(call: Call<Target>) -> Result<HttpResponse, Problem> {
    let use_case = &call.api.use_cases().export_user;
    let export = call
        .within_listing_deadline(use_case.run(&call.caller, call.parts.0))
        .await?;
    document(StatusCode::OK, &ExportBody::from(&export))
}
