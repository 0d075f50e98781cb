//! `DELETE /v1/erasure-consumers/{name}`.

use actix_web::HttpResponse;
use user_domain::ports::ErasureWrite;

use crate::bodies::with_no_store;
use crate::extract::{AuthenticatedRequest, IdempotentWrite, NoBody, TargetConsumer};
use crate::openapi::{ConsumerNamePath, IdempotencyKeyHeader};
use crate::problem::Problem;
use crate::replay::add_replayed_header;

/// Removes a consumer of erasures.
#[utoipa::path(
    delete,
    path = "/v1/erasure-consumers/{name}",
    operation_id = "deleteErasureConsumer",
    tag = "erasures",
    description = "The erasures that the consumer has not confirmed are no longer pending for it, and are complete without it. Those that it has confirmed stay in the reports. An unknown consumer is a 404 `erasure_consumer_not_found`. For services with `events:admin`.",
    params(ConsumerNamePath, IdempotencyKeyHeader),
    responses((status = 204, description = "The consumer is removed."))
)]
pub(crate) async fn remove(
    call: AuthenticatedRequest<(TargetConsumer, IdempotentWrite<NoBody>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (TargetConsumer(name), write)) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().manage_erasure_consumers.clone(),
        call.caller.clone(),
    );
    let removed = call
        .write("remove_erasure_consumer", async move {
            use_case.remove(&caller, &name, write.idempotency).await
        })
        .await?;
    let mut response = with_no_store(HttpResponse::NoContent().finish());
    add_replayed_header(&mut response, removed == ErasureWrite::Replayed);
    Ok(response)
}
