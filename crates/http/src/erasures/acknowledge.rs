//! `PUT /v1/erasures/{id}/acknowledgements/{consumer}`.

use actix_web::HttpResponse;
use user_domain::ports::ErasureWrite;

use crate::bodies::with_no_store;
use crate::extract::{AcknowledgementPath, AuthenticatedRequest, IdempotentWrite, NoBody};
use crate::openapi::{self, IdempotencyKeyHeader};
use crate::problem::Problem;
use crate::replay::add_replayed_header;

/// Confirms that a consumer has removed its copy of an erased user.
#[utoipa::path(
    put,
    path = "/v1/erasures/{id}/acknowledgements/{consumer}",
    operation_id = "acknowledgeErasure",
    tag = "erasures",
    description = "Repeating the request is a 204; the time of the first one is kept. The service stores who confirmed. An unknown consumer is a 404 `erasure_consumer_not_found`, a user that was not erased a 404 `erasure_not_found`. For services with `events:read`.",
    params(openapi::AcknowledgementPath, IdempotencyKeyHeader),
    responses((status = 204, description = "The acknowledgement is stored."))
)]
pub(crate) async fn acknowledge(
    call: AuthenticatedRequest<(AcknowledgementPath, IdempotentWrite<NoBody>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (AcknowledgementPath { user, consumer }, write)) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().confirm_erasures.clone(),
        call.caller.clone(),
    );
    let confirmed = call
        .write("acknowledge_erasure", async move {
            use_case
                .acknowledge(&caller, user, &consumer, write.idempotency)
                .await
        })
        .await?;
    let mut response = with_no_store(HttpResponse::NoContent().finish());
    add_replayed_header(&mut response, confirmed == ErasureWrite::Replayed);
    Ok(response)
}
