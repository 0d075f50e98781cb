//! `GET /v1/users/{id}/relationships`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use user_domain::Violation;
use user_domain::use_cases::ShowRelationships;

use crate::bodies::{Relationships, document};
use crate::extract::{Call, Fresh, Target};
use crate::openapi::{IdPath, ReadErrors, RelationshipList, WithQuery};
use crate::problem::Problem;
use crate::query::Query;

/// Shows what others are to the user.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/relationships",
    operation_id = "getRelationships",
    tag = "relationships",
    description = "Up to 200 others at once, answered in the order asked. For the user itself, administrators, and services with `users:read_private`.",
    params(IdPath, WithQuery),
    responses(
        (status = 200, description = "What the others are to the user.", body = RelationshipList),
        ReadErrors
    )
)]
pub(crate) async fn show(call: Call<(Target, Fresh)>) -> Result<HttpResponse, Problem> {
    let (call, (target, fresh)) = call.split();
    ShowRelationships::permit(&call.caller, target.0)?;
    let others = others(Query::of(&call.request))?;
    let use_case = &call.api.use_cases().show_relationships;
    let shown = use_case.run(&call.caller, target.0, &others, fresh.0);
    let shown = call.within_deadline("show_relationships", shown).await?;
    document(StatusCode::OK, &Relationships::from(shown))
}

/// Takes the others out of the query; none of an empty text, not one without a name.
fn others(mut query: Query) -> Result<Vec<String>, Problem> {
    let with = query.take("with");
    if with.is_none() {
        query.refuse("with", &Violation::new("required", "Is required."));
    }
    query.refuse_rest();
    query.check()?;
    let text = with.filter(|text| !text.is_empty());
    let others = text.iter().flat_map(|text| text.split(','));
    Ok(others.map(str::to_owned).collect())
}
