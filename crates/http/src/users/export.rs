//! `GET /v1/users/{id}/export`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::bodies::{ExportBody, document};
use crate::cursor;
use crate::extract::{Call, Target};
use crate::openapi::{Exported, IdPath, ReadErrors};
use crate::problem::Problem;

/// Gives all that is kept about the user.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/export",
    operation_id = "exportUser",
    tag = "users",
    description = "For the user itself, in its own view; for services with `users:read_private` and administrators, in the full view.",
    params(IdPath),
    responses(Exported, ReadErrors)
)]
pub(crate) async fn export(call: Call<Target>) -> Result<HttpResponse, Problem> {
    let use_case = &call.api.use_cases().export_user;
    let export = call
        .within_listing_deadline("export_user", use_case.run(&call.caller, call.parts.0))
        .await?;
    let (seal, user) = (call.api.seal(), call.parts.0);
    let body = ExportBody::new(&export, |list, place| {
        cursor::write_related(seal, (user, list), place)
    });
    document(StatusCode::OK, &body)
}
