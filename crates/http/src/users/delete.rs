//! `DELETE /v1/users/{id}`.

use actix_web::dev::Payload;
use actix_web::{HttpRequest, HttpResponse};
use user_domain::Violation;

use super::shown::mark_replay;
use crate::api::Api;
use crate::extract::{Call, Ignored, Part, Target, Write};
use crate::openapi::{DeletionErrors, EraseQuery, IdPath, IdempotencyKeyHeader, IfMatchHeader};
use crate::problem::Problem;
use crate::query::Query;

/// Whether the user is to be removed for good (`erase=true`).
pub(crate) struct Erase(bool);

/// Deletes the user, restorably or for good.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}",
    operation_id = "deleteUser",
    tag = "lifecycle",
    description = "The user is not found any more, but can be restored for a while; its username and email stay held. Repeating it is a 204 for services and administrators. For the user itself, services with `users:delete` and administrators.",
    params(IdPath, EraseQuery, IfMatchHeader, IdempotencyKeyHeader),
    responses((status = 204, description = "The user is deleted."), DeletionErrors)
)]
pub(crate) async fn delete(
    call: Call<(Target, Erase, Write<Ignored>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (target, erase, write)) = call.split();
    let (use_cases, caller) = (call.api.use_cases().clone(), call.caller.clone());
    let name = if erase.0 { "erase_user" } else { "delete_user" };
    let deletion = call
        .detached(name, async move {
            if erase.0 {
                use_cases
                    .erase_user
                    .run(&caller, target.0, write.conditions)
                    .await
            } else {
                use_cases
                    .delete_user
                    .run(&caller, target.0, write.conditions)
                    .await
            }
        })
        .await?;
    let mut response = HttpResponse::NoContent().finish();
    mark_replay(&mut response, deletion.replayed);
    Ok(response)
}

impl Part for Erase {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let mut query = Query::of(request);
        let erase = match query.take("erase").as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                query.refuse(
                    "erase",
                    &Violation::new("unknown", "Must be true or false."),
                );
                false
            }
        };
        query.check()?;
        Ok(Self(erase))
    }
}
