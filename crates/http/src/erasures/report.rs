//! `GET /v1/erasures/{id}`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::bodies::{ErasureReportBody, no_store_json_response};
use crate::extract::{AuthenticatedRequest, TargetErasure};
use crate::openapi::{FoundErasure, IdPath};
use crate::problem::Problem;

/// Returns which consumers have confirmed the erasure of a user.
#[utoipa::path(
    get,
    path = "/v1/erasures/{id}",
    operation_id = "getErasure",
    tag = "erasures",
    description = "`state` is `complete` when every consumer has confirmed the erasure, also if none had to. The report is kept for 90 days after that. A user that was not erased, and one whose report has expired, is a 404 `erasure_not_found`. For services with `events:read`.",
    params(IdPath),
    responses(FoundErasure)
)]
pub(crate) async fn report(
    call: AuthenticatedRequest<TargetErasure>,
) -> Result<HttpResponse, Problem> {
    let use_case = &call.api.use_cases().confirm_erasures;
    let report = use_case.report(&call.caller, call.parts.0);
    let report = call.within_deadline("report_erasure", report).await?;
    no_store_json_response(StatusCode::OK, &ErasureReportBody::from(&report))
}
