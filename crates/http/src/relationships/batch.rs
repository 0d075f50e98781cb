//! `POST /v1/relationships/batch`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use user_domain::use_cases::FollowMany;

use crate::bodies::{FollowBatchRequest, FollowResults, json_response};
use crate::extract::{AuthenticatedRequest, BatchBody};
use crate::openapi::FollowBatchResponse;
use crate::problem::Problem;

/// Creates up to 1,000 follows.
#[utoipa::path(
    post,
    path = "/v1/relationships/batch",
    operation_id = "batchFollow",
    tag = "relationships",
    description = "Each follow has a result, in request order, that equals the response to a single request. All follows that are possible are applied together, or none of them. A later follow sees the effects of earlier ones. Repeating the request changes nothing, so it needs no `Idempotency-Key`. The body may have at most 1 MiB. For services with `relationships:write`.",
    request_body = FollowBatchRequest,
    responses(
        (status = 200, description = "The result of each follow.", body = FollowBatchResponse)
    )
)]
pub(crate) async fn batch(
    call: AuthenticatedRequest<BatchBody<FollowBatchRequest>>,
) -> Result<HttpResponse, Problem> {
    let (call, body) = call.split();
    FollowMany::permit(&call.caller)?;
    let edges = body.0?;
    let use_case = call.api.use_cases().follow_many.clone();
    let caller = call.caller.clone();
    let results = call
        .run_detached(
            "follow_many",
            async move { use_case.run(&caller, &edges).await },
        )
        .await?;
    json_response(StatusCode::OK, &FollowResults::from(results))
}
