//! `PUT /v1/users/{id}`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::shown::written;
use crate::bodies::decode;
use crate::extract::{Call, JsonDocument, Target, Write};
use crate::problem::Problem;

/// Replaces all that the caller may write of the user.
pub(crate) async fn replace(
    call: Call<(Target, Write<JsonDocument>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (target, write)) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().replace_user.clone(),
        call.caller.clone(),
    );
    let input = decode(write.body.0);
    let replaced = call
        .detached(async move {
            use_case
                .run(&caller, target.0, &input, write.conditions)
                .await
        })
        .await?;
    written(StatusCode::OK, &replaced)
}
