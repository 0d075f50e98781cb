//! `DELETE /v1/users/{id}`.

use actix_web::dev::Payload;
use actix_web::{HttpRequest, HttpResponse};
use user_domain::Violation;

use crate::api::Api;
use crate::extract::{AuthenticatedRequest, ConditionalWrite, NoBody, RequestPart, TargetUser};
use crate::openapi::{EraseQuery, IdPath, IdempotencyKeyHeader, IfMatchHeader};
use crate::problem::Problem;
use crate::query::Query;
use crate::replay::add_replayed_header;

/// Whether to delete the user permanently (`erase=true`).
pub(crate) struct Erase(bool);

/// Deletes the user.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}",
    operation_id = "deleteUser",
    tag = "lifecycle",
    description = "The user is a 404 from now on, but can be restored until it is purged. Its username and email address stay reserved. Repeating the request is a 204 for services and administrators. For the user itself, services with `users:delete` and administrators.",
    params(IdPath, EraseQuery, IfMatchHeader, IdempotencyKeyHeader),
    responses((status = 204, description = "The user is deleted."))
)]
pub(crate) async fn delete(
    call: AuthenticatedRequest<(TargetUser, Erase, ConditionalWrite<NoBody>)>,
) -> Result<HttpResponse, Problem> {
    let (call, (target, erase, write)) = call.split();
    let (use_cases, caller) = (call.api.use_cases().clone(), call.caller.clone());
    let name = if erase.0 { "erase_user" } else { "delete_user" };
    let deletion = call
        .write(name, async move {
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
    add_replayed_header(&mut response, deletion.replayed);
    Ok(response)
}

impl RequestPart for Erase {
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
