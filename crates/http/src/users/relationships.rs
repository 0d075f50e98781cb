//! `GET /v1/users/{id}/relationships`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use user_domain::Violation;
use user_domain::use_cases::ShowRelationships;

use crate::bodies::{Relationships, json_response};
use crate::extract::{AuthenticatedRequest, RequestedFreshness, TargetUser};
use crate::openapi::{IdPath, RelationshipList, WithQuery};
use crate::problem::Problem;
use crate::query::Query;

/// Returns the relationships of the user to other users.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/relationships",
    operation_id = "getRelationships",
    tag = "relationships",
    description = "Up to 200 other users per request, in request order. For the user itself, administrators, and services with `users:read_private`.",
    params(IdPath, WithQuery),
    responses(
        (status = 200, description = "The relationships in request order.", body = RelationshipList)
    )
)]
pub(crate) async fn show(
    call: AuthenticatedRequest<(TargetUser, RequestedFreshness)>,
) -> Result<HttpResponse, Problem> {
    let (call, (target, fresh)) = call.split();
    ShowRelationships::permit(&call.caller, target.0)?;
    let others = others(Query::of(&call.request))?;
    let use_case = &call.api.use_cases().show_relationships;
    let relationships = use_case.run(&call.caller, target.0, &others, fresh.0);
    let relationships = call
        .within_deadline("show_relationships", relationships)
        .await?;
    json_response(StatusCode::OK, &Relationships::from(relationships))
}

/// Takes the ids of the other users from the query. An empty parameter is an empty list.
fn others(mut query: Query) -> Result<Vec<String>, Problem> {
    let with = query.take_list("with");
    if with.is_none() {
        query.refuse("with", &Violation::new("required", "Is required."));
    }
    query.refuse_unused();
    query.check()?;
    Ok(with.filter(|others| others != &[""]).unwrap_or_default())
}
