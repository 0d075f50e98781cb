//! `POST /v1/users/{id}/sign-out`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use tokio::time::sleep;

use super::shown::written;
use crate::extract::{Call, Ignored, Target, Write};
use crate::openapi::{IdPath, IdempotencyKeyHeader, IfMatchHeader, LifecycleErrors, Written};
use crate::problem::Problem;

/// Signs the user out everywhere.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/sign-out",
    operation_id = "signOut",
    tag = "lifecycle",
    description = "Every token that was issued until now is void. The answer comes with the next whole second, so that tokens issued after it are valid: they count whole seconds. For the user itself, services with `users:write` and administrators.",
    params(IdPath, IfMatchHeader, IdempotencyKeyHeader),
    responses(Written, LifecycleErrors)
)]
pub(crate) async fn sign_out(
    call: Call<(Target, Write<Ignored>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (target, write)) = call.split();
    let (use_case, caller) = (call.api.use_cases().sign_out.clone(), call.caller.clone());
    let signed_out = call
        .detached("sign_out", async move {
            use_case.run(&caller, target.0, write.conditions).await
        })
        .await?;
    // Little more than a second at most, and nothing if it was done before under the same key.
    sleep(signed_out.wait).await;
    written(StatusCode::OK, &signed_out.written)
}
