//! `POST /v1/relationships/batch`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use user_domain::use_cases::FollowMany;

use crate::bodies::{FollowResults, decode_edges, document};
use crate::extract::{Call, JsonDocument};
use crate::openapi::{FollowBatch, FollowBatchAnswer, FollowBatchErrors};
use crate::problem::Problem;

/// Lets many users follow others at once.
#[utoipa::path(
    post,
    path = "/v1/relationships/batch",
    operation_id = "batchFollow",
    tag = "relationships",
    description = "Up to 1,000 follows, each answered in the order given as a call for it alone would be; those that can be done are done, all or none. A later one sees what an earlier one did. Repeating it changes nothing, so it needs no key. For services with `relationships:write`.",
    request_body = FollowBatch,
    responses(
        (status = 200, description = "What became of each follow.", body = FollowBatchAnswer),
        FollowBatchErrors
    )
)]
pub(crate) async fn batch(call: Call<JsonDocument>) -> Result<HttpResponse, Problem> {
    let (call, document_read) = call.split();
    FollowMany::permit(&call.caller)?;
    let edges = decode_edges(document_read.0)?;
    let use_case = call.api.use_cases().follow_many.clone();
    let caller = call.caller.clone();
    let results = call
        .detached(
            "follow_many",
            async move { use_case.run(&caller, &edges).await },
        )
        .await?;
    document(StatusCode::OK, &FollowResults::from(results))
}
