//! `PUT /v1/erasure-consumers/{name}`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::bodies::{ErasureConsumerBody, no_store_json_response};
use crate::extract::{AuthenticatedRequest, IdempotentWrite, NoBody, TargetConsumer};
use crate::openapi::{ConsumerNamePath, IdempotencyKeyHeader, RegisteredConsumer};
use crate::problem::Problem;
use crate::replay::add_replayed_header;

/// Registers a service that must confirm erasures.
#[utoipa::path(
    put,
    path = "/v1/erasure-consumers/{name}",
    operation_id = "putErasureConsumer",
    tag = "erasures",
    description = "Each user that is erased after the response is pending for the consumer until it confirms the erasure. Register a consumer a minute before it reads its first user, since a cached user may be read for that long: then no user that it has read is missing. Repeating the request is a 200. At most 64 consumers can be registered. For services with `events:admin`.",
    params(ConsumerNamePath, IdempotencyKeyHeader),
    responses(RegisteredConsumer)
)]
pub(crate) async fn register(
    call: AuthenticatedRequest<(TargetConsumer, IdempotentWrite<NoBody>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (TargetConsumer(name), write)) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().manage_erasure_consumers.clone(),
        call.caller.clone(),
    );
    let registered = call
        .write("register_erasure_consumer", async move {
            use_case.register(&caller, &name, write.idempotency).await
        })
        .await?;
    let status = if registered.is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let body = ErasureConsumerBody::from(&registered.consumer);
    let mut response = no_store_json_response(status, &body)?;
    add_replayed_header(&mut response, registered.replayed);
    Ok(response)
}
